/**
 * Cost against size: what appending, opening and reading take in a store of ten thousand events, of ten million, and in
 * between. Medians of several runs, each with a store of its own.
 *
 *     node build/bench/size.js [--most N] [--runs N] [--figures DIR] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, type Store } from 'keeperlog';
import { draw } from './curves.js';
import { small } from './events.js';
import { head, median, tableHead, tableRow, whole } from './report.js';

const SIZES = [10_000, 100_000, 1_000_000, 10_000_000];
const STREAMS = 10;
const BATCH = 100;
const IN_FLIGHT = 4;
/** Single reads of which a median is taken. */
const GETS = 2000;
const TAILS = 200;
const TAIL_EVENTS = 20;

const { values } = parseArgs({
  options: {
    most: { type: 'string', default: '10000000' },
    runs: { type: 'string', default: '3' },
    figures: { type: 'string' },
    dir: { type: 'string', default: '.' },
  },
});

/** Of one store. Rates in events/s, times in milliseconds. */
interface Costs {
  readonly append: number;
  readonly bytes: number;
  readonly open: number;
  readonly scan: number;
  readonly get: number;
  readonly firstTail: number;
  readonly tail: number;
}

const lines = head(
  'Cost against size',
  `Medians of ${values.runs} runs; small events of ${STREAMS} streams in batches of ${BATCH}, files in the page cache.`,
);
lines.push(
  ...tableHead([
    'events',
    'append, events/s',
    'bytes an event',
    'open, ms',
    'scan, events/s',
    'get by id, us',
    `first read of a stream's last ${TAIL_EVENTS}, ms`,
    'the next ones, us',
  ]),
);
const rows: [size: number, costs: Costs][] = [];
for (const size of SIZES.filter((size) => size <= Number(values.most))) {
  const runs: Costs[] = [];
  for (let run = 0; run < Number(values.runs); run++) runs.push(await measured(size));
  const of = (key: keyof Costs): number => median(runs.map((costs) => costs[key]));
  const costs: Costs = {
    append: of('append'),
    bytes: of('bytes'),
    open: of('open'),
    scan: of('scan'),
    get: of('get'),
    firstTail: of('firstTail'),
    tail: of('tail'),
  };
  rows.push([size, costs]);
  lines.push(
    tableRow([
      whole(size),
      whole(costs.append),
      whole(costs.bytes),
      costs.open.toFixed(0),
      whole(costs.scan),
      (costs.get * 1000).toFixed(1),
      costs.firstTail.toFixed(0),
      (costs.tail * 1000).toFixed(0),
    ]),
  );
  process.stderr.write(`${lines.at(-1)}\n`);
}
process.stdout.write(`${lines.join('\n')}\n`);
if (values.figures !== undefined) drawAll(values.figures);

async function measured(size: number): Promise<Costs> {
  const dir = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-size-'));
  try {
    let store = await openStore(dir);
    const append = await filled(store, size);
    const bytes = store.stats().bytes / size;
    await store.close();
    const [open, opened] = await timed(() => openStore(dir));
    store = opened;
    const [scanMs, seen] = await timed(() => scanned(store));
    if (seen < size) throw new Error(`${seen} of ${size} events were read`);
    const get = await gets(store, size);
    const last = (stream: number): Promise<unknown[]> =>
      store.readStream(`agent-${stream}`, { direction: 'backwards', limit: TAIL_EVENTS }).toArray();
    const [firstTail] = await timed(() => last(0));
    const tails: number[] = [];
    for (let i = 0; i < TAILS; i++) tails.push((await timed(() => last(i % STREAMS)))[0]);
    await store.close();
    return { append, bytes, open, scan: (seen / scanMs) * 1000, get, firstTail, tail: median(tails) };
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

/** Fill a store; returns how many events a second it took. */
async function filled(store: Store, size: number): Promise<number> {
  const batch = Array.from({ length: BATCH }, () => small()[0]!);
  let next = 0;
  const appender = async (): Promise<void> => {
    while (next < size) {
      const stream = `agent-${(next / BATCH) % STREAMS}`;
      next += BATCH;
      await store.append(stream, batch);
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

/** The median of gets by id, from all over the log. Unit: milliseconds. */
async function gets(store: Store, size: number): Promise<number> {
  const ids: string[] = [];
  for (let i = 0; i < GETS; i++) ids.push((await store.get(1 + ((i * 7919) % size)))!.id);
  const times: number[] = [];
  for (const id of ids) times.push((await timed(() => store.get(id)))[0]);
  return median(times);
}

async function timed<T>(run: () => Promise<T>): Promise<[ms: number, result: T]> {
  const began = performance.now();
  const result = await run();
  return [performance.now() - began, result];
}

function drawAll(dir: string): void {
  const points = (of: (costs: Costs) => number): [number, number][] => rows.map(([size, costs]) => [size, of(costs)]);
  draw(dir, {
    file: 'rates-by-size.svg',
    title: 'Rates against the size of the log',
    x: 'events in the log',
    y: 'events/s',
    curves: [
      { name: 'append, batches of 100', points: points(({ append }) => append) },
      { name: 'scan, undecoded', points: points(({ scan }) => scan) },
    ],
  });
  draw(dir, {
    file: 'times-by-size.svg',
    title: 'Times against the size of the log',
    x: 'events in the log',
    y: 'milliseconds',
    curves: [
      { name: 'open after a clean end', points: points(({ open }) => open) },
      { name: 'get by id, p50', points: points(({ get }) => get) },
      { name: "a stream's last 20, first", points: points(({ firstTail }) => firstTail) },
      { name: "a stream's last 20, later", points: points(({ tail }) => tail) },
    ],
  });
}
