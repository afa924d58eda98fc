/**
 * The bench of the long day: appends at a steady rate for minutes while full segments are sealed in the background, and a query each
 * second beside them. How late appends are, how far sealing is behind, and what the query takes against the same one at rest.
 *
 *     node build/bench/beside.js [--seconds N] [--rate N] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, type Store } from 'keeperlog';
import { openLoop } from './drive.js';
import { small } from './events.js';
import { digits, head, median, tableHead, tableRow, whole } from './report.js';
import { appendsTo } from './target.js';

const MIB = 1024 * 1024;
const SEGMENT_MIB = 16;
/** Of a stream, the last ones. */
const QUERIED = 100;
const AT_REST = 50;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '300' },
    rate: { type: 'string', default: '50000' },
    dir: { type: 'string', default: '.' },
  },
});
const [seconds, rate] = [Number(values.seconds), Number(values.rate)];
const base = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-beside-'));
try {
  const dir = path.join(base, 'store');
  const store = await openStore({ dir, sealing: 'background', segmentBytes: SEGMENT_MIB * MIB });
  const beside = { times: [] as number[], lag: 0 };
  const watching = setInterval(() => void watch(store, dir, beside), 1000);
  const { p50, p99, p999, max } = await openLoop(appendsTo(store), small(), rate, seconds);
  clearInterval(watching);
  const atRest: number[] = [];
  for (let i = 0; i < AT_REST; i++) atRest.push(await queried(store, i));
  const rss = process.memoryUsage.rss() / MIB;
  const segments = store.stats().segments;
  await store.close();
  const ms = digits(2);
  const lines = head(
    'Bench beside sealing',
    `${whole(rate)} small events/s for ${whole(seconds)} s, one run; segments of ${SEGMENT_MIB} MiB, sealed in the background.`,
  );
  lines.push(...tableHead(['open loop', 'p50, ms', 'p99, ms', 'p99.9, ms', 'max, ms', 'to reach']));
  lines.push(tableRow([`${whole(rate)} events/s`, ms(p50), ms(p99), ms(p999), ms(max), 'p99 <= 10 ms']));
  lines.push(...tableHead(['beside', 'figure', 'to reach']));
  lines.push(tableRow(['segments in all', whole(segments), '']));
  lines.push(tableRow(['full and not sealed, most', whole(beside.lag), '< 3']));
  lines.push(tableRow([`the last ${QUERIED} of a stream, median, ms`, ms(median(beside.times)), '']));
  lines.push(tableRow(['the same, p90, ms', ms(p90(beside.times)), '']));
  lines.push(tableRow(['the same at rest', ms(median(atRest)), '']));
  lines.push(tableRow(['resident memory, MiB', digits(0)(rss), '']));
  process.stdout.write(`${lines.join('\n')}\n`);
} finally {
  fs.rmSync(base, { recursive: true, force: true });
}

/** One in ten takes longer. */
function p90(times: readonly number[]): number {
  return [...times].sort((one, other) => one - other)[Math.floor(times.length * 0.9)]!;
}

async function watch(store: Store, dir: string, beside: { times: number[]; lag: number }): Promise<void> {
  const raw = fs.readdirSync(dir).filter((name) => /^segment-\d+\.log$/.test(name));
  // Numbers begin at 1, and none has gone: neither the newest, which is being written, nor the one that is prepared behind it.
  const newest = store.stats().segments;
  const full = raw.filter((name) => Number(name.slice(8, 18)) < newest).length;
  beside.lag = Math.max(beside.lag, full);
  beside.times.push(await queried(store, beside.times.length));
}

async function queried(store: Store, n: number): Promise<number> {
  const began = performance.now();
  const where = { stream: { eq: `agent-${n % 64}` } };
  const rows = await store.query({ where, direction: 'backwards', limit: QUERIED }).toArray();
  if (rows.length !== QUERIED && n > 2) throw new Error(`${rows.length} of ${QUERIED} events were found`);
  return performance.now() - began;
}
