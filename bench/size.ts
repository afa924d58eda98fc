/**
 * Cost against size: what appending, opening and reading take in a store of ten thousand events, of ten million, and in
 * between, beside what the machine gives. Medians of several runs, each with a store of its own.
 *
 *     node build/bench/size.js [--most N] [--runs N] [--figures DIR] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, type Store } from 'keeperlog';
import { PayloadWriter } from '#dist/shared/format/payload.js';
import { memoryOf } from '#dist/shared/format/record.js';
import { barePreads, bareScan, bareThreads } from './bare.js';
import { draw } from './curves.js';
import { type BenchEvent, small } from './events.js';
import { openFloor } from './floor.js';
import { comparedHead, comparedRow, digits, head, median, whole } from './report.js';
import type { Appends } from './target.js';

const SIZES = [10_000, 100_000, 1_000_000, 10_000_000];
const STREAMS = 10;
const BATCH = 100;
const IN_FLIGHT = 4;
/** Single reads of which a median is taken. */
const GETS = 2000;
const TAILS = 200;
const TAIL_EVENTS = 20;
/** What the engine reads for one record. */
const PIECE_BYTES = 8 * 1024;
/** Of a small event, in MessagePack. */
const PAYLOAD_BYTES = new PayloadWriter('msgpack').write(
  small()[0]!.data,
  'data',
  memoryOf(Buffer.alloc(1024)),
  0,
  1024,
);

const { values } = parseArgs({
  options: {
    most: { type: 'string', default: '10000000' },
    runs: { type: 'string', default: '3' },
    figures: { type: 'string' },
    dir: { type: 'string', default: '.' },
  },
});

/** Of one store. Rates in events/s, times in the units of the tables. */
interface Costs {
  readonly append: number;
  readonly bytes: number;
  readonly open: number;
  readonly scan: number;
  readonly get: number;
  readonly firstTail: number;
  readonly tail: number;
}

interface Table {
  readonly key: keyof Costs;
  readonly what: string;
  readonly floor: string;
  readonly format?: (value: number) => string;
}

const TABLES: readonly Table[] = [
  { key: 'append', what: 'append, events/s', floor: 'bare ring and disk' },
  { key: 'bytes', what: 'bytes an event', floor: 'its payload' },
  { key: 'open', what: 'open after a clean end, ms', floor: 'two bare threads', format: digits(0) },
  { key: 'scan', what: 'scan, undecoded, events/s', floor: 'bare read and CRC-32' },
  { key: 'get', what: 'get by id, p50, us', floor: 'bare read of 8 KiB', format: digits(1) },
  {
    key: 'firstTail',
    what: `first read of a stream's last ${TAIL_EVENTS}, ms`,
    floor: 'bare read and CRC-32',
    format: digits(0),
  },
  { key: 'tail', what: 'the next ones, p50, us', floor: 'bare reads of each event', format: digits(0) },
];

const sizes = SIZES.filter((size) => size <= Number(values.most));
const runs = new Map<number, { costs: Costs; floors: Costs }[]>();
for (const size of sizes) {
  const ofSize: { costs: Costs; floors: Costs }[] = [];
  for (let run = 0; run < Number(values.runs); run++) {
    ofSize.push(await measured(size));
    process.stderr.write(`${whole(size)}: ${JSON.stringify(ofSize.at(-1))}\n`);
  }
  runs.set(size, ofSize);
}
const lines = head(
  'Cost against size',
  `Medians of ${values.runs} runs; small events of ${STREAMS} streams in batches of ${BATCH}, files in the page cache.`,
);
for (const { key, what, floor, format } of TABLES) {
  lines.push('', `**${what}**`, ...comparedHead('events', floor));
  for (const [size, ofSize] of runs) {
    const bare = ofSize.map(({ floors }) => floors[key]);
    const figures = ofSize.map(({ costs }) => costs[key]);
    lines.push(comparedRow(whole(size), figures, { floor: median(bare), ...(format !== undefined && { format }) }));
  }
}
process.stdout.write(`${lines.join('\n')}\n`);
if (values.figures !== undefined) drawAll(values.figures);

async function measured(size: number): Promise<{ costs: Costs; floors: Costs }> {
  const dir = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-size-'));
  try {
    const floor = await openFloor(path.join(dir, 'floor'), 'msgpack');
    const bareAppend = await filled(floor, size);
    await floor.close();
    const at = path.join(dir, 'store');
    let store = await openStore({ dir: at, sealing: 'on-demand' });
    const append = await filled({ appendBatch: (stream, events) => store.append(stream, events) }, size);
    const { bytes } = store.stats();
    await store.close();
    const threads = await bareThreads();
    const [open, opened] = await timed(() => openStore({ dir: at, sealing: 'on-demand' }));
    store = opened;
    const bareScanMs = bareScan(at, bytes);
    const [scanMs, seen] = await timed(() => scanned(store));
    if (seen < size) throw new Error(`${seen} of ${size} events were read`);
    const get = await gets(store, size);
    const last = (stream: number): Promise<unknown[]> =>
      store.readStream(`agent-${stream}`, { direction: 'backwards', limit: TAIL_EVENTS }).toArray();
    const [firstTail] = await timed(() => last(0));
    const tails: number[] = [];
    for (let i = 0; i < TAILS; i++) tails.push((await timed(() => last(i % STREAMS)))[0] * 1000);
    await store.close();
    const pread = median(barePreads(at, GETS, PIECE_BYTES));
    return {
      costs: { append, bytes: bytes / size, open, scan: (seen / scanMs) * 1000, get, firstTail, tail: median(tails) },
      floors: {
        append: bareAppend,
        bytes: PAYLOAD_BYTES,
        open: threads,
        scan: (size / bareScanMs) * 1000,
        get: pread,
        firstTail: bareScanMs,
        tail: pread * TAIL_EVENTS,
      },
    };
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** Append so many events; returns how many a second. */
async function filled(target: Pick<Appends, 'appendBatch'>, size: number): Promise<number> {
  const batch: BenchEvent[] = Array.from({ length: BATCH }, () => small()[0]!);
  let next = 0;
  const appender = async (): Promise<void> => {
    while (next < size) {
      const stream = `agent-${(next / BATCH) % STREAMS}`;
      next += BATCH;
      await target.appendBatch(stream, batch);
    }
  };
  const [ms] = await timed(() => Promise.all(Array.from({ length: IN_FLIGHT }, appender)));
  return (size / ms) * 1000;
}

async function scanned(store: Store): Promise<number> {
  let seen = 0;
  for await (const batch of store.read().batches()) seen += batch.length;
  return seen;
}

/** The median of gets by id, from all over the log. Unit: microseconds. */
async function gets(store: Store, size: number): Promise<number> {
  const ids: string[] = [];
  for (let i = 0; i < GETS; i++) ids.push((await store.get(1 + ((i * 7919) % size)))!.id);
  const times: number[] = [];
  for (const id of ids) times.push((await timed(() => store.get(id)))[0] * 1000);
  return median(times);
}

async function timed<T>(run: () => Promise<T>): Promise<[ms: number, result: T]> {
  const began = performance.now();
  const result = await run();
  return [performance.now() - began, result];
}

function drawAll(dir: string): void {
  const points = (of: (costs: Costs, floors: Costs) => number): [number, number][] =>
    [...runs].map(([size, ofSize]) => [size, median(ofSize.map(({ costs, floors }) => of(costs, floors)))]);
  draw(dir, {
    file: 'rates-by-size.svg',
    title: 'Rates against the size of the log',
    x: 'events in the log',
    y: 'events/s',
    curves: [
      { name: 'append, batches of 100', points: points(({ append }) => append) },
      { name: 'floor of append', points: points((_, { append }) => append) },
      { name: 'scan, undecoded', points: points(({ scan }) => scan) },
      { name: 'floor of scan', points: points((_, { scan }) => scan) },
    ],
  });
  draw(dir, {
    file: 'times-by-size.svg',
    title: 'Times against the size of the log',
    x: 'events in the log',
    y: 'milliseconds',
    curves: [
      { name: 'open after a clean end', points: points(({ open }) => open) },
      { name: 'get by id, p50', points: points(({ get }) => get / 1000) },
      { name: "a stream's last 20, first", points: points(({ firstTail }) => firstTail) },
      { name: "a stream's last 20, later", points: points(({ tail }) => tail / 1000) },
    ],
  });
}
