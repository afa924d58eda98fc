/**
 * The peer bench: the same events, the same workloads, against the engine and against what a Node user could pick instead,
 * in turn, each acknowledging after the sync. The peers are installed apart; what is not there is left out, and said so.
 *
 *     npm --prefix bench/peers install
 *     node build/bench/peers.js [--only TEXT] [--runs N] [--seconds N] [--open-seconds N] [--events N] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { closedLoop, type Figures, medians, openLoop } from './drive.js';
import { type BenchEvent, small, webhooks } from './events.js';
import { digits, head, median, spread, tableHead, tableRow, whole } from './report.js';
import { betterSqlite3 } from './stores/better-sqlite3.js';
import { classicLevel } from './stores/classic-level.js';
import { keeperlog } from './stores/keeperlog.js';
import { lmdb } from './stores/lmdb.js';
import type { Peer, PeerStore } from './stores/peer.js';

const INSTALL = 'npm --prefix bench/peers install';
const MAKERS: readonly (readonly [name: string, make: () => Peer])[] = [
  ['better-sqlite3', () => betterSqlite3(false)],
  ['better-sqlite3, tick', () => betterSqlite3(true)],
  ['lmdb', lmdb],
  ['classic-level', classicLevel],
];

const NAMES = [keeperlog.name, ...MAKERS.map(([name]) => name)];

const OPEN_RATE = 10_000;
/** Below this part of the rate a peer has not kept up. */
const KEPT_UP = 0.98;
const STREAMS = 10;
const BATCH = 100;
/** So many events are got by id, one at a time. */
const GETS = 20_000;

interface Workload {
  readonly name: string;
  readonly events: readonly BenchEvent[];
  run(store: PeerStore, seconds: number): Promise<Figures>;
  /** Whether it has a rate of its own: then what counts is the latency. */
  readonly open: boolean;
}

const closed = (name: string, events: readonly BenchEvent[], appenders: number, batch = 1): Workload => ({
  name,
  events,
  run: (store, seconds) => closedLoop(store, events, appenders, batch, seconds),
  open: false,
});

const smallEvents = small();
const WORKLOADS: readonly Workload[] = [
  closed('1 appender', smallEvents, 1),
  closed('64 appenders', smallEvents, 64),
  closed('batches of 100, 4 in flight', smallEvents, 4, BATCH),
  closed('64 appenders, webhooks', webhooks(), 64),
  {
    name: 'open loop 10,000/s',
    events: smallEvents,
    run: (store, seconds) => openLoop(store, smallEvents, OPEN_RATE, seconds),
    open: true,
  },
];

/** Reads of a store that was filled, closed and opened again. What is counted, in what time. */
const READS: readonly { readonly name: string; run(store: PeerStore, count: number): Promise<Measured> }[] = [
  { name: 'all small, decoded, events/s', run: (store, count) => timed(count, () => store.readAll()) },
  {
    name: 'one of ten streams, decoded, events/s',
    run: (store, count) => timed(count / STREAMS, () => store.readStream('agent-1')),
  },
  { name: 'get by id, one at a time, gets/s (p50, us)', run: gets },
];

interface Measured {
  readonly rate: number;
  /** Where single calls were timed. Unit: microseconds. */
  readonly p50?: number;
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    'open-seconds': { type: 'string', default: '20' },
    events: { type: 'string', default: '200000' },
    dir: { type: 'string', default: '.' },
  },
});
const runs = Number(values.runs);
const base = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-peers-'));

/** Those that are there, and why each of the others is not. */
const peers: Peer[] = [keeperlog];
const missing = new Map<string, string>();
for (const [name, make] of MAKERS) {
  try {
    const peer = make();
    await probe(peer);
    peers.push(peer);
  } catch (error) {
    const why = `SKIPPED: ${name}: ${String((error as Error).message).split('\n')[0]}. To have it: ${INSTALL}`;
    missing.set(name, why);
    process.stderr.write(`${why}\n`);
  }
}

const lines = head(
  'Peer bench',
  `Medians of ${runs} runs, in turn; every append is acknowledged after the sync, and every store can be read by stream.`,
  'Each with its lowest and highest run. Appends: events/s, with p50 / p99 in ms; in the open loop the latencies alone, from',
  'the moment at which each was due, and the spread of p99.',
  '',
  ...peers.map(({ name, how }) => `- ${name}: ${how}.`),
  ...[...missing.values()].map((why) => `- ${why}.`),
);
try {
  const columns = [...NAMES, 'engine / best peer'];
  const workloads = WORKLOADS.filter(({ name }) => name.includes(values.only));
  if (workloads.length > 0) lines.push(...tableHead(['appends', ...columns]));
  for (const workload of workloads) {
    const measured = new Map<string, Figures[]>(peers.map(({ name }) => [name, []]));
    for (let run = 0; run < runs; run++) {
      for (const peer of peers) measured.get(peer.name)!.push(await appends(peer, workload));
    }
    tell(writeRow(workload, measured));
  }
  const reads = READS.filter(({ name }) => name.includes(values.only));
  if (reads.length > 0) lines.push(...tableHead(['reads', ...columns]));
  for (const { name, rates } of await measureReads(reads)) tell(readRow(name, rates));
} finally {
  fs.rmSync(base, { recursive: true, force: true });
}
process.stdout.write(`${lines.join('\n')}\n`);

function tell(row: string): void {
  lines.push(row);
  process.stderr.write(`${row}\n`);
}

/** Have a store that is gone afterwards. */
async function using<T>(use: (dir: string) => Promise<T>): Promise<T> {
  const dir = fs.mkdtempSync(path.join(base, 'store-'));
  try {
    return await use(dir);
  } finally {
    fs.rmSync(dir, { recursive: true });
    await delay(2000); // let the disk discard what was removed
  }
}

async function opened<T>(peer: Peer, dir: string, use: (store: PeerStore) => Promise<T>): Promise<T> {
  const store = await peer.open(dir);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/** Whether a peer works here at all: a package may be there without the binary that it loads when it is used. */
async function probe(peer: Peer): Promise<void> {
  const dir = fs.mkdtempSync(path.join(base, 'probe-'));
  await opened(peer, dir, async (store) => {
    await store.append('probe', smallEvents[0]!);
    if ((await store.readAll()) !== 1) throw new Error('it does not read what was appended');
  });
}

function appends(peer: Peer, workload: Workload): Promise<Figures> {
  const seconds = Number(workload.open ? values['open-seconds'] : values.seconds);
  return using((dir) =>
    opened(peer, dir, async (store) => {
      await workload.run(store, 1); // Node compiles the code meanwhile
      return workload.run(store, seconds);
    }),
  );
}

/** Every read of every peer, each over one store of its own; runs in turn, the first of which is not counted. */
async function measureReads(reads: typeof READS): Promise<{ name: string; rates: Map<string, Measured[]> }[]> {
  const count = Number(values.events);
  const results = reads.map(({ name }) => ({ name, rates: new Map<string, Measured[]>() }));
  for (const peer of reads.length === 0 ? [] : peers) {
    await using(async (dir) => {
      await opened(peer, dir, (store) => fill(store, count));
      await opened(peer, dir, async (store) => {
        for (const [i, { run }] of reads.entries()) {
          await run(store, count);
          const measured: Measured[] = [];
          for (let turn = 0; turn < runs; turn++) measured.push(await run(store, count));
          results[i]!.rates.set(peer.name, measured);
        }
      });
    });
  }
  return results;
}

/** So many events, in batches, each to the next of the streams. */
async function fill(store: PeerStore, count: number): Promise<void> {
  const batch = Array.from({ length: BATCH }, () => smallEvents[0]!);
  for (let next = 0; next < count; next += BATCH) await store.appendBatch(`agent-${(next / BATCH) % STREAMS}`, batch);
}

async function timed(expected: number, read: () => Promise<number>): Promise<Measured> {
  const began = performance.now();
  const seen = await read();
  const ms = performance.now() - began;
  if (seen !== expected) throw new Error(`${seen} events were read, not ${expected}`);
  return { rate: (seen / ms) * 1000 };
}

/** From all over the store. */
async function gets(store: PeerStore, count: number): Promise<Measured> {
  const keys: (string | number)[] = [];
  for (let i = 0; i < GETS; i++) keys.push(await store.keyOf(1 + ((i * 7919) % count)));
  const histogram = createHistogram();
  const began = performance.now();
  for (const key of keys) {
    const start = performance.now();
    const data = await store.get(key);
    histogram.record(Math.max(1, Math.round((performance.now() - start) * 1e6)));
    if (data === null) throw new Error(`${key} was not found`);
  }
  return { rate: (GETS / (performance.now() - began)) * 1000, p50: histogram.percentile(50) / 1000 };
}

function writeRow({ name, open }: Workload, measured: ReadonlyMap<string, readonly Figures[]>): string {
  const figures = new Map([...measured].map(([peer, all]) => [peer, medians(all)]));
  const latencies = ({ p50, p99 }: Figures): string => `${p50.toFixed(2)} / ${p99.toFixed(2)}`;
  const cell = (peer: string, one: Figures): string => {
    const all = measured.get(peer)!;
    if (!open) return `${whole(one.rate)}<br>${spread(all.map(({ rate }) => rate))}<br>${latencies(one)}`;
    if (one.rate < KEPT_UP * OPEN_RATE) return `saturated at ${whole(one.rate)}`;
    return `${latencies(one)}<br>${spread(
      all.map(({ p99 }) => p99),
      digits(2),
    )}`;
  };
  const kept = new Map([...figures].filter(([, { rate }]) => !open || rate >= KEPT_UP * OPEN_RATE));
  const key = open ? 'p99' : 'rate';
  const ratio = ratioToBest(new Map([...kept].map(([peer, one]) => [peer, one[key]])), open ? Math.min : Math.max);
  return row(name, new Map([...figures].map(([peer, one]) => [peer, cell(peer, one)])), open ? `p99 ${ratio}` : ratio);
}

function readRow(name: string, measured: ReadonlyMap<string, readonly Measured[]>): string {
  const rates = new Map([...measured].map(([peer, all]) => [peer, all.map(({ rate }) => rate)]));
  const single = (peer: string): string => {
    const times = measured.get(peer)!.flatMap(({ p50 }) => p50 ?? []);
    return times.length === 0 ? '' : ` (${median(times).toFixed(1)})`;
  };
  const cell = (peer: string, all: readonly number[]): string =>
    `${whole(median(all))}${single(peer)}<br>${spread(all)}`;
  const ratio = ratioToBest(new Map([...rates].map(([peer, all]) => [peer, median(all)])), Math.max);
  return row(name, new Map([...rates].map(([peer, all]) => [peer, cell(peer, all)])), ratio);
}

function row(name: string, cells: ReadonlyMap<string, string>, ratio: string): string {
  return tableRow([name, ...NAMES.map((peer) => cells.get(peer) ?? 'skipped'), ratio]);
}

/** The engine's figure divided by the best of the others. */
function ratioToBest(values: ReadonlyMap<string, number>, best: (...values: number[]) => number): string {
  const engine = values.get(keeperlog.name);
  const others = [...values].filter(([name]) => name !== keeperlog.name).map(([, value]) => value);
  return engine === undefined || others.length === 0 ? '' : (engine / best(...others)).toFixed(2);
}
