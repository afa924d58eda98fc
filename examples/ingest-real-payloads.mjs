/**
 * The main job, `npm start`: real events at 10,000 a second into ./data, each an append of its own, latency counted
 * from the time at which it was due.
 *
 *   node examples/ingest-real-payloads.mjs [--events 60000] [--rate 10000] [--dir ./data] [--sessions FILE]
 *
 * The events are the webhook bodies of @octokit/webhooks-examples and, where they are there, recorded sessions of coding
 * agents. Run again, it appends as many once more.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore } from 'keeperlog';
import {
  groupCommitsSince,
  groupCommitsText,
  latencyText,
  meets,
  runLoad,
  warmUpEvents,
  warmUpText,
} from '../dist/main/cli/load.js';
import { bytesText, countText, table } from '../dist/main/cli/output.js';
import { progressLine } from '../dist/main/cli/progress-line.js';
import { verifyText } from '../dist/main/cli/verify.js';

const SLA_P99_MS = 10;
/** An event on the disk, with room to spare; and what segments made ahead may take. Unit: bytes. */
const BYTES_AN_EVENT = 21_000;
const SPARE_BYTES = 256 * 1024 * 1024;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '60000' },
    rate: { type: 'string', default: '10000' },
    dir: { type: 'string', default: './data' },
    sessions: { type: 'string', default: '../shared/data/agent-sessions.jsonl' },
  },
});
const count = Number(values.events);
const rate = Number(values.rate);
if (!(Number.isSafeInteger(count) && count > 0 && Number.isSafeInteger(rate) && rate > 0)) {
  fail('--events and --rate must be positive integers', 'npm start');
}
checkSpace(values.dir, count * BYTES_AN_EVENT + SPARE_BYTES);

/** What this run is called in the metadata of its webhooks. */
const round = `run-${new Date().toISOString()}`;
const webhooks = readWebhooks();
const sessions = readSessions(values.sessions, count);
/** Event `i` is the next session event at every so manieth place, else the next webhook. */
const spacing = sessions.length === 0 ? 0 : Math.floor(count / sessions.length);

let store;
try {
  store = await openStore(values.dir);
} catch (error) {
  fail(`${error.message}\n${error.hint ?? ''}`, 'npx keeperlog info');
}

console.error(`${countText(count)} events at ${countText(rate)} a second into ${path.resolve(values.dir)}`);
const before = store.stats();
const line = await progressLine('ingest', count);
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM']) process.once(name, () => interrupted.abort());
let report;
const warmUp = Math.min(warmUpEvents(rate), Math.floor(count / 10));
try {
  report = await runLoad({
    rate,
    count: count - warmUp,
    warmUp,
    signal: interrupted.signal,
    append,
    onTick: (state) => line.update(state.done, `${countText(state.done)} durable, ${countText(state.rate)}/s`),
  });
} finally {
  line.stop();
  if (report === undefined) await store.close();
}
const after = store.stats();
console.error('verifying what is in the store');
const verified = interrupted.signal.aborted ? undefined : await store.verify();
await store.close();

const refused = report.refused + report.warmUp.refused;
const met = meets(report, SLA_P99_MS);
console.log(
  table([
    ['events', `${countText(report.events + report.warmUp.events)} durable, ${countText(refused)} refused`],
    ['rate', `${countText(report.rate)} of ${countText(rate)} events/s, for ${report.seconds.toFixed(2)} s`],
    ['latency', `${latencyText(report.latency)}, from the time each was due until it was synced`],
    ['warm-up', warmUpText(report.warmUp)],
    ['SLA', `p99 < ${SLA_P99_MS} ms: ${met ? 'met' : 'MISSED'}`],
    ['bytes', `${bytesText(after.bytes - before.bytes)} added, ${bytesText(after.bytes)} in all`],
    ['commits', groupCommitsText(groupCommitsSince(before, after))],
    ['verify', verified === undefined ? 'not done: interrupted' : verifyText(verified)],
  ]),
);
const dir = values.dir === './data' ? '' : ` --dir ${values.dir}`;
console.log(`
Now try:
  npx keeperlog info${dir}
  npx keeperlog read --stream 'github/Codertocat/*' --type 'github.check_*' --limit 5${dir}
  npx keeperlog read --tag action:opened --agent Codertocat --backwards --limit 5${dir}
  npx keeperlog read --correlation Codertocat/Hello-World#2 --limit 10${dir}${
    sessions.length === 0 ? '' : `\n  npx keeperlog read --agent swe-agent --type CommandExecuted --limit 5${dir}`
  }
  npx keeperlog tail -f${dir}
To begin anew, delete ${values.dir}.`);
// A missed target is reported, not a failure of the job; a damaged log or a refused event is one.
process.exitCode = verified?.ok === true && refused === 0 ? 0 : 1;

function append(i) {
  const place = spacing === 0 ? -1 : i / spacing;
  const session = Number.isInteger(place) ? sessions[place] : undefined;
  if (session !== undefined) return appendSession(session);
  const { stream, event } = webhooks[i % webhooks.length];
  return store.append(stream, event);
}

/** An agent goes one step after the other: each event waits for the one before it and for its cause. */
function appendSession(session) {
  session.appended = (async () => {
    await session.before?.appended;
    const causes = session.cause === undefined ? [] : [await session.cause.appended];
    const { ids } = await store.append(session.stream, { ...session.event, causes });
    return ids[0];
  })();
  return session.appended;
}

/** Every example of every definition, as an event in the stream of its repository. */
function readWebhooks() {
  const definitions = createRequire(import.meta.url)('@octokit/webhooks-examples');
  return definitions.flatMap(({ name, examples }) =>
    examples.map((body) => {
      const place = body.repository?.full_name ?? body.organization?.login ?? body.sender?.login ?? 'unknown';
      const number = body.pull_request?.number ?? body.issue?.number;
      const commit = body.after ?? body.check_run?.head_sha ?? body.check_suite?.head_sha ?? body.sha;
      const tags = [`repository:${place}`, `event:${name}`];
      if (typeof body.action === 'string') tags.push(`action:${body.action}`);
      if (number !== undefined) tags.push(`number:${number}`);
      const correlationId = number !== undefined ? `${place}#${number}` : `${place}@${commit ?? name}`;
      return {
        stream: `github/${place}`,
        event: {
          type: `github.${name}`,
          data: body,
          tags,
          metadata: { agent: body.sender?.login ?? 'github', correlationId, session: round },
        },
      };
    }),
  );
}

/** The recorded sessions, each event with the one it was caused by; none where there is no file. */
function readSessions(file, limit) {
  if (!fs.existsSync(file)) {
    console.error(`no agent sessions in ${file}: webhooks alone`);
    return [];
  }
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(0, limit);
  const last = new Map();
  const events = [];
  for (const text of lines) {
    const { stream, type, data, metadata, cause } = JSON.parse(text);
    const tags = data?.tool === undefined ? ['agent-session'] : ['agent-session', `tool:${data.tool}`];
    const event = {
      stream,
      event: { type, data, metadata, tags },
      cause: events[cause ?? -1],
      before: last.get(stream),
    };
    last.set(stream, event);
    events.push(event);
  }
  return events;
}

function checkSpace(dir, needed) {
  let place = path.resolve(dir);
  while (!fs.existsSync(place)) place = path.dirname(place);
  const { bavail, bsize } = fs.statfsSync(place);
  if (bavail * bsize >= needed) return;
  fail(
    `${place} has ${bytesText(bavail * bsize)} free, and this may take ${bytesText(needed)}`,
    `node examples/ingest-real-payloads.mjs --events ${Math.max(1, Math.floor(count / 10))}`,
  );
}

function fail(message, next) {
  console.error(`error: ${message.trim()}\ntry: ${next}`);
  process.exit(1);
}
