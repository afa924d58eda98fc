/**
 * A load test whose every sample is in the log: autocannon drives the HTTP bridge, each response is an event, and the
 * figures are computed again from the events, beside autocannon's own.
 *
 *   node examples/load-test-recorder.mjs [DIR]
 *
 * The bridge of http-bridge.mjs runs in a process of its own, over a temporary store; the samples go to DIR, or to
 * another temporary store.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';
import { openStore } from 'keeperlog';

const REQUESTS = 1000;
const CONNECTIONS = 20;

const store = await openStore(process.argv[2] ?? ':memory:');
try {
  const session = `load-${new Date().toISOString()}`;
  const bridge = await startBridge();
  const report = await recordRun(bridge.url, session).finally(() => bridge.stop());
  const own = await computeFrom(session);

  compare('responses', own.count, report.requests.total);
  compare('bytes', own.bytes, report.throughput.total);
  for (const [status, { count }] of Object.entries(report.statusCodeStats)) {
    compare(`responses with status ${status}`, own.statuses.get(Number(status)), count);
  }
  // Autocannon keeps whole milliseconds, rounded down.
  for (const name of ['p50', 'p99']) compare(`whole ms of ${name}`, Math.floor(own[name]), report.latency[name]);
  const statuses = [...own.statuses].sort().map(([status, count]) => `${count} with ${status}`);

  console.log(`${own.count} responses of ${bridge.url} are in the log, ${own.bytes} bytes: ${statuses.join(', ')}`);
  console.log(`autocannon counted ${report.requests.total}, ${report.throughput.total} bytes: the same`);
  console.log(`from the log: p50 ${own.p50.toFixed(3)} ms, p99 ${own.p99.toFixed(3)} ms`);
  console.log(`autocannon:   p50 ${report.latency.p50} ms, p99 ${report.latency.p99} ms, in whole ms`);
} finally {
  await store.close();
}

/** Run autocannon and append each of its samples. Resolves with its report once all of them are durable. */
async function recordRun(url, session) {
  const stream = `load-tests/${session}`;
  const headers = { 'content-type': 'application/json' };
  const post = { method: 'POST', headers, body: JSON.stringify({ type: 'OrderPlaced', data: { total: 12 } }) };
  const run = autocannon({
    url,
    amount: REQUESTS,
    connections: CONNECTIONS,
    // A command that always holds, a command that holds once, and a read.
    requests: [
      { ...post, path: '/streams/orders' },
      { ...post, path: '/streams/first?expect=none' },
      { method: 'GET', path: '/streams/first' },
    ],
  });
  let failure;
  run.on('response', (_client, status, bytes, latencyMs) => {
    const event = { type: 'ResponseReceived', data: { status, bytes, latencyMs }, metadata: { session } };
    // append() waits for room by itself. A sample that is lost makes the whole run worthless.
    store.append(stream, event).catch((error) => {
      failure ??= error;
      run.stop();
    });
  });
  const report = await run;
  await store.flush();
  if (failure !== undefined) throw failure;
  if (report.errors > 0) throw new Error(`${report.errors} requests had no response`);
  return report;
}

/** The figures of a run, from its events alone. */
async function computeFrom(session) {
  const latenciesMs = [];
  const statuses = new Map();
  let bytes = 0;
  for await (const { data } of store.read({ types: 'ResponseReceived', session })) {
    latenciesMs.push(data.latencyMs);
    statuses.set(data.status, (statuses.get(data.status) ?? 0) + 1);
    bytes += data.bytes;
  }
  latenciesMs.sort((a, b) => a - b);
  const rank = (share) => latenciesMs[Math.max(1, Math.round(share * latenciesMs.length)) - 1];
  return { count: latenciesMs.length, bytes, statuses, p50: rank(0.5), p99: rank(0.99) };
}

function compare(what, own, reported) {
  if (own !== reported) throw new Error(`${what}: ${own} in the log, and ${reported} in autocannon's report`);
}

/** The bridge as a process; `stop` ends it and fails unless it has ended well. */
async function startBridge() {
  const program = fileURLToPath(new URL('http-bridge.mjs', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  const lines = createInterface({ input: child.stdout });
  const early = ended.then(([code]) => Promise.reject(new Error(`the bridge ended with ${code}`)));
  const [line] = await Promise.race([once(lines, 'line'), early]);
  return {
    url: /http:\S+(?=,)/.exec(line)[0],
    async stop() {
      child.kill('SIGTERM');
      const [code] = await ended;
      if (code !== 0) throw new Error(`the bridge ended with ${code}`);
    },
  };
}
