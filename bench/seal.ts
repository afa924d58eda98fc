/**
 * The sealing bench: how fast one thread of the pool digests, compresses and indexes full segments and reads them back, what that saves, and
 * what it costs those who append meanwhile. The thread has begun before, with a segment or two. The floor of the first is the same bytes read from
 * the page cache, digested and compressed by the same libraries, once, without an engine.
 *
 *     node build/bench/seal.js [--mib N] [--runs N] [--seconds N] [--sessions FILE] [--dir DIR]
 */
import { hash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, type StoreOptions } from 'keeperlog';
import { compressSync } from 'lz4-napi';
import { segmentsOf } from './bare.js';
import { type Figures, medians, openLoop } from './drive.js';
import { type BenchBatch, inTurn, sessions, small, webhooks } from './events.js';
import { comparedHead, comparedRow, digits, head, median, spread, tableHead, tableRow } from './report.js';
import { fill, openEngine, withDir } from './target.js';

const MIB = 1024 * 1024;
const RATE = 50_000;
/** As segments of large records have them. Unit: bytes. */
const BLOCK_BYTES = 64 * 1024;
const ONE_THREAD: Partial<StoreOptions> = { sealing: 'on-demand', poolThreads: 1 };
const SEGMENT_MIB = 16;

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '192' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '30' },
    sessions: { type: 'string', default: '../shared/data/agent-sessions.jsonl' },
    dir: { type: 'string', default: '.' },
  },
});
const runs = Number(values.runs);
const lines = head(
  'Sealing bench',
  `Medians of ${runs} runs, each with its floor before it. One thread of the pool; segments of ${SEGMENT_MIB} MiB, files in the page cache.`,
);

lines.push(...comparedHead('MB of raw log a second', 'digest and compress alone', 'to reach'));
const sizes: string[] = [];
await throughput('small events', () => inTurn(small()), '>= 80 MB/s', '<= 0.35');
await throughput('webhooks', () => inTurn(webhooks()), '>= 300 MB/s', '<= 0.15');
if (sessions(values.sessions) === undefined) sizes.push(tableRow(['agent sessions', `no ${values.sessions}`, '']));
else await throughput('agent sessions', () => sessions(values.sessions)!, '', '<= 0.35');
lines.push(...tableHead(['after sealing', 'part of raw', 'to reach']), ...sizes);

lines.push(
  ...tableHead([
    `open loop, ${RATE.toLocaleString('en')} events/s, ms`,
    'p50',
    'p99',
    'lowest to highest p99',
    'p99.9',
    'max',
    'to reach',
  ]),
);
await beside('nothing is sealed', 'on-demand', '');
await beside('sealed in the background', 'background', 'p99 <= 10 ms');
process.stdout.write(`${lines.join('\n')}\n`);

async function throughput(
  name: string,
  batches: () => Iterator<BenchBatch>,
  wanted: string,
  wantedPart: string,
): Promise<void> {
  const rates: number[] = [];
  const floors: number[] = [];
  let part = 0;
  for (let run = 0; run < runs; run++) {
    await withDir(values.dir, 'bench-seal-', async (base) => {
      const dir = path.join(base, 'store');
      const store = await openStore({ ...ONE_THREAD, dir, segmentBytes: SEGMENT_MIB * MIB });
      try {
        const filling = batches();
        await fill(store, filling, 2 * SEGMENT_MIB * MIB);
        const { segments: first } = await store.seal(); // the thread begins with that
        const firstIndexBytes = indexBytesIn(dir);
        await fill(store, filling, store.stats().bytes + Number(values.mib) * MIB);
        const floor = bareSeal(dir, segmentsOf(dir).slice(first, store.stats().segments - 1));
        const began = performance.now();
        const { rawBytes, fileBytes } = await store.seal();
        rates.push(rawBytes / (performance.now() - began) / 1000);
        floors.push(floor);
        part = (fileBytes + indexBytesIn(dir) - firstIndexBytes) / rawBytes;
      } finally {
        await store.close();
      }
    });
  }
  tell(comparedRow(name, rates, { floor: median(floors), wanted }));
  sizes.push(tableRow([name, digits(3)(part), wantedPart]));
}

/** Bytes of the index files. */
function indexBytesIn(dir: string): number {
  const names = fs.readdirSync(dir).filter((name) => name.endsWith('.index'));
  return names.reduce((sum, name) => sum + fs.statSync(path.join(dir, name)).size, 0);
}

/** MB a second of reading so many full segments, their SHA-256 and the compression of their blocks. */
function bareSeal(dir: string, names: readonly string[]): number {
  let bytes = 0;
  const began = performance.now();
  for (const name of names) {
    const raw = fs.readFileSync(path.join(dir, name));
    bytes += raw.length;
    for (let at = 0; at < raw.length; at += BLOCK_BYTES) {
      const block = raw.subarray(at, at + BLOCK_BYTES);
      hash('sha256', block, 'buffer');
      compressSync(block);
    }
  }
  return bytes / (performance.now() - began) / 1000;
}

/** What appending is like while full segments are sealed, or not. */
async function beside(name: string, sealing: 'background' | 'on-demand', wanted: string): Promise<void> {
  const ms = digits(2);
  const figures: Figures[] = [];
  for (let run = 0; run < runs; run++) {
    await withDir(values.dir, 'bench-seal-', async (base) => {
      const dir = path.join(base, 'store');
      const engine = await openEngine({ dir, sealing, segmentBytes: SEGMENT_MIB * MIB }, small());
      try {
        figures.push(await openLoop(engine, small(), RATE, Number(values.seconds)));
      } finally {
        await engine.close();
      }
    });
  }
  const { p50, p99, p999, max } = medians(figures);
  const all = spread(
    figures.map((one) => one.p99),
    ms,
  );
  tell(tableRow([name, ms(p50), ms(p99), all, ms(p999), ms(max), wanted]));
}

function tell(row: string): void {
  lines.push(row);
  process.stderr.write(`${row}\n`);
}
