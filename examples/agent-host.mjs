/**
 * An agent host: fifty agents at once review the source files of this repository, and all that they do is in the log.
 *
 *   node examples/agent-host.mjs [DIR]
 *
 * Each agent writes a stream of its own. Ten teams of five share a board each, a stream from which they claim files:
 * only one may have a file, so a claim says which revision of the board it was decided on. At the end every agent's
 * history is read back and checked. Without DIR the store is a temporary one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isKeeperError, openStore } from 'keeperlog';

const AGENTS = 50;
const TEAMS = 10;
const SOURCE = fileURLToPath(new URL('../src/', import.meta.url));

/** A small ring, so that what the agents say can fill it: a host bounds the memory that its log may take. */
const store = await openStore({
  dir: process.argv[2] ?? ':memory:',
  maxEventBytes: 64 * 1024,
  maxBatchBytes: 64 * 1024,
  ringBytes: 256 * 1024,
});

const session = `review-${new Date().toISOString()}`;
const counts = { conflicts: 0, duplicates: 0, backpressure: 0 };

try {
  const files = (await readdir(SOURCE, { recursive: true })).filter((name) => name.endsWith('.ts')).sort();
  const boards = await Promise.all(Array.from({ length: TEAMS }, (_, team) => makeBoard(team, files)));

  const before = store.stats();
  const startMs = performance.now();
  const names = Array.from({ length: AGENTS }, (_, i) => `agent-${String(i).padStart(2, '0')}`);
  const reviewed = await Promise.all(names.map((name, i) => runAgent(name, boards[i % TEAMS])));
  await store.flush();
  const seconds = (performance.now() - startMs) / 1000;
  const after = store.stats();

  const events = after.events - before.events;
  const claimed = reviewed.flat();
  if (new Set(claimed).size !== files.length || claimed.length !== files.length) {
    throw new Error(`${claimed.length} files were claimed of ${files.length}, each of which is to be claimed once`);
  }
  const checked = await Promise.all(names.map(checkHistory));
  const sum = (name) => checked.reduce((total, one) => total + one[name], 0);

  console.log(`${AGENTS} agents reviewed ${files.length} files, each file once`);
  console.log(
    `${events} events in ${seconds.toFixed(2)} s: ${Math.round(events / seconds)} events/s, all of them durable`,
  );
  console.log(
    `${after.groupCommits.count - before.groupCommits.count} syncs, ${counts.backpressure} waits for the disk`,
  );
  console.log(`${counts.conflicts} conflicts over claims, decided again on what the board had become`);
  console.log(`${counts.duplicates} steps were repeated, and are in the log once`);
  console.log(`histories: ${sum('events')} events, revisions without a gap, ${sum('causes')} causes found`);
} finally {
  await store.close();
}

/** Put a team's share of the files on its board. */
async function makeBoard(team, files) {
  const stream = `boards/${session}/team-${team}`;
  const listed = files.filter((_, i) => i % TEAMS === team);
  await store.append(stream, { type: 'FilesListed', data: { files: listed } }, { expect: 'none' });
  return stream;
}

/** Claim and review files until the board has no more. Resolves with the files that were reviewed. */
async function runAgent(agent, board) {
  const metadata = { agent, session, correlationId: board };
  const stream = `agents/${agent}`;
  const reviewed = [];
  const started = await store.append(stream, { type: 'AgentStarted', data: { board }, metadata });
  for (;;) {
    const claim = await claimFile(board, metadata, started.ids[0]);
    if (claim === undefined) break;
    await review(stream, metadata, claim);
    reviewed.push(claim.file);
  }
  await store.append(stream, { type: 'AgentFinished', data: { reviewed }, metadata });
  return reviewed;
}

/** Take the first free file of a board, or undefined where there is none left. */
async function claimFile(board, metadata, cause) {
  for (;;) {
    const events = await store.readStream(board).toArray();
    const taken = new Set(events.filter(({ type }) => type === 'FileClaimed').map(({ data }) => data.file));
    const file = events[0].data.files.find((name) => !taken.has(name));
    if (file === undefined) return undefined;
    try {
      const event = { type: 'FileClaimed', data: { file }, metadata, tags: [`file:${file}`], causes: [cause] };
      const { ids } = await store.append(board, event, { expect: events.at(-1).revision });
      return { file, id: ids[0] };
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CONFLICT')) throw error;
      counts.conflicts++;
      // The claim that came first is accepted and perhaps not yet durable; only what is durable is read.
      await store.flush();
    }
  }
}

/** One file: the call of a tool, its result, what the agent says meanwhile, and its verdict. */
async function review(stream, metadata, { file, id }) {
  const tags = [`file:${file}`];
  const called = await appendOnce(stream, {
    type: 'ToolCalled',
    data: { tool: 'readFile', file },
    metadata,
    tags,
    causes: [id],
    idempotencyKey: `${session}/${file}/ToolCalled`,
  });
  const text = await readFile(`${SOURCE}/${file}`, 'utf8');
  const sha256 = createHash('sha256').update(text).digest('hex');
  const returned = await store.append(stream, {
    type: 'ToolReturned',
    data: { sha256, bytes: Buffer.byteLength(text) },
    metadata,
    tags,
    causes: called.ids,
  });
  const lines = text.split('\n');
  for (const [i, line] of lines.entries()) {
    const data = { line: i + 1, text: line };
    await say(stream, { type: 'LineRead', data, metadata, tags, causes: returned.ids });
  }
  await store.append(stream, {
    type: 'FileReviewed',
    data: { lines: lines.length, longest: Math.max(...lines.map((line) => line.length)) },
    metadata,
    tags,
    causes: returned.ids,
  });
}

/** Append a step whose answer gets lost: the host stops waiting, cannot know, and does it again with the same key. */
async function appendOnce(stream, event) {
  const impatience = new AbortController();
  const first = store.append(stream, event, { signal: impatience.signal });
  impatience.abort();
  try {
    return await first;
  } catch (error) {
    if (!isKeeperError(error, 'ERR_ABORTED')) throw error;
  }
  const appended = await store.append(stream, event);
  if (appended.duplicate) counts.duplicates++;
  return appended;
}

/** Record what need not be awaited; where the ring is full, wait until the disk has caught up. */
async function say(stream, event) {
  for (;;) {
    try {
      // Its `durable` is left alone: were the disk to fail, the next awaited append and flush() would fail as well.
      store.enqueue(stream, event);
      return;
    } catch (error) {
      if (!isKeeperError(error, 'ERR_BACKPRESSURE')) throw error;
      counts.backpressure++;
      await store.flush();
    }
  }
}

/** Read an agent's stream back: no revision is missing, and each cause is an event before it. */
async function checkHistory(agent) {
  let events = 0;
  let causes = 0;
  for await (const event of store.readStream(`agents/${agent}`)) {
    if (event.revision !== events) throw new Error(`${agent}: revision ${event.revision} in place of ${events}`);
    for (const id of event.causes) {
      const cause = await store.get(id);
      if (!(cause?.sequence < event.sequence)) throw new Error(`${event.id}: its cause ${id} is not there before it`);
      causes++;
    }
    events++;
  }
  return { events, causes };
}
