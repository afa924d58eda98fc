/**
 * The processes of the bench of finding, each with a store of its own: one fills it, one asks it, one is killed over it.
 *
 *     fork('build/bench/find-store.js', [TASK, DIR, EVENTS])
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore, type Rows, type Store } from 'keeperlog';
import { bareCodec, barePreads, bareThreads } from './bare.js';
import { small } from './events.js';
import { median } from './report.js';
import { bareTimes, percentile, timed, times } from './timing.js';

const BATCH = 100;
const IN_FLIGHT = 4;
/** So many streams are in use at a time, fewer in a small store; one in so many has {@link LONG} events. */
const IN_USE = 100;
const LONG_EVERY = 10;
const LONG = 1000;
const SHORT = 9;
const TYPES = 100;
const CORRELATED = 20;
/** Of the records of a type, those whose step is so high are let through: a tenth. */
const STEPS = 1000;
const FILTERS = 5;
/** Records of a filter that the pool is not asked about, at most: those before it is worth it, and the piece in which they end. */
const LOOKED_AT_BY_CALLER = 8192;
const HIGH_STEP = 900;
const GETS = 5000;
const COLD_GETS = 200;
const FINDS = 200;
const PIECE_BYTES = 8 * 1024;
/** What follows one after the other in the store is far apart in what is asked: a prime. */
const STRIDE = 7919;
export const SEALED_BY_HAND = { sealing: 'on-demand' } as const;

/** Of one store: times in milliseconds, but for warm gets: in microseconds; a rate in records/s, memory in MiB. */
export interface Costs {
  readonly open: number;
  readonly openKilled: number;
  readonly get: number;
  readonly coldGet: number;
  readonly stream: number;
  readonly correlation: number;
  readonly time: number;
  readonly filter: number;
  /** By the processor time of the pool's thread; undefined where it looks at too few to tell. */
  readonly filterThread: number | undefined;
  readonly memory: number;
}
export type Floors = { readonly [K in keyof Costs]?: number };

/** What a process does; it answers in the end. */
const TASKS = {
  fill,
  ask,
  kill,
  nothing: (): Promise<Pick<Costs, 'memory'>> => Promise.resolve({ memory: mostMemory() }),
};
export type Task = keyof typeof TASKS;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , task, dir, size] = process.argv;
  process.send!(await TASKS[task as Task](dir!, Number(size)));
}

/** Append so many events, and seal what is full. */
async function fill(dir: string, size: number): Promise<Pick<Costs, 'memory'>> {
  const store = await openStore({ dir, ...SEALED_BY_HAND });
  const { data } = small()[0]!;
  let next = 0;
  const appender = async (): Promise<void> => {
    while (next < size) {
      const from = next;
      next += BATCH;
      const streams = new Map<string, object[]>();
      for (let n = from; n < next; n++) {
        const event = {
          type: `Type${(n * STRIDE) % TYPES}`,
          data: { ...(data as object), step: (Math.floor(n / TYPES) * STRIDE) % STEPS },
          metadata: { agent: `agent-${n % 50}`, correlationId: correlationOf(n, size) },
        };
        const stream = streamOf(n, size);
        const events = streams.get(stream);
        if (events === undefined) streams.set(stream, [event]);
        else events.push(event);
      }
      await store.appendMany(Array.from(streams, ([stream, events]) => ({ stream, events: events as never })));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, appender));
  await store.seal();
  await store.close();
  return { memory: mostMemory() };
}

/** A hundred streams are in use at a time, in turn, one in ten of them long; each is followed by another of its kind. */
function streamOf(n: number, size: number): string {
  const inUse = Math.min(IN_USE, size / LONG);
  const long = inUse / LONG_EVERY;
  const [slot, turn] = [n % inUse, Math.floor(n / inUse)];
  if (slot < long) return `long/${Math.floor(turn / LONG) * long + slot}`;
  return `short/${Math.floor(turn / SHORT) * (inUse - long) + slot - long}`;
}

function longStreams(size: number): number {
  return size / LONG_EVERY / LONG;
}

/** The events of a correlation id are spread over all of the log. */
function correlationOf(n: number, size: number): string {
  return `request-${n % (size / CORRELATED)}`;
}

/** Append a little more, say so, and be killed over the next append. */
async function kill(dir: string): Promise<object> {
  const store = await openStore({ dir, ...SEALED_BY_HAND });
  const append = (): Promise<unknown> => store.append('last', { type: 'Last', data: small()[0]!.data });
  await Promise.all(Array.from({ length: 1000 }, append));
  void (async () => {
    for (;;) await append();
  })();
  return {};
}

async function ask(dir: string, size: number): Promise<{ costs: Omit<Costs, 'openKilled'>; floors: Floors }> {
  const ids = await idsOf(dir, size);
  const threads = await bareThreads();
  const [open, store] = await timed(() => openStore({ dir, ...SEALED_BY_HAND }));
  const get = percentile(await times(GETS, async (i) => found([(await store.get(ids[i]!))!], 1)));
  const stream = await finds((i) => store.readStream(`long/${i % longStreams(size)}`), LONG);
  const correlation = await finds(
    (i) => store.read({ correlationId: correlationOf((i * STRIDE) % size, size) }),
    CORRELATED,
  );
  const ranges: { from: Date; to: Date }[] = [];
  for (let i = 0; i < FINDS; i++) {
    const from = 1 + ((i * STRIDE * 13) % (size - LONG));
    ranges.push({ from: (await store.get(from))!.time, to: (await store.get(from + LONG))!.time });
  }
  const time = await finds((i) => store.read({}, ranges[i]!), LONG);
  const { filter, filterThread } = await filtered(store, size);
  await store.close();
  const cold = await coldGets(dir, ids);
  const decoded = 1e6 / median(bareTimes(FINDS, bareCodec(small(), 1000)));
  const codec = (count: number): number => percentile(bareTimes(FINDS, bareCodec(small(), count)));
  return {
    costs: {
      open,
      get: get * 1000,
      coldGet: cold.get,
      stream,
      correlation,
      time,
      filter,
      filterThread,
      memory: mostMemory(),
    },
    floors: {
      open: threads,
      get: percentile(barePreads(dir, GETS, PIECE_BYTES)),
      coldGet: cold.floor,
      stream: codec(LONG),
      correlation: codec(CORRELATED),
      time: codec(LONG),
      filter: decoded,
      filterThread: decoded,
    },
  };
}

async function idsOf(dir: string, size: number): Promise<string[]> {
  const store = await openStore({ dir, readOnly: true });
  const ids: string[] = [];
  for (let i = 0; i < GETS; i++) ids.push((await store.get(1 + ((i * STRIDE) % size)))!.id);
  await store.close();
  return ids;
}

/** The 99th percentile of reads that find so many events, or a few more. Unit: milliseconds. */
async function finds(rows: (i: number) => Rows<any>, count: number): Promise<number> {
  return percentile(await times(FINDS, async (i) => found(await rows(i).toArray(), count)));
}

/** Decode what was found, which is to be so much. */
function found(events: readonly { data: unknown }[], count: number): void {
  const decoded = events.filter(({ data }) => data !== null).length;
  if (decoded < count) throw new Error(`${decoded} of ${count} events were found`);
}

/** Records of one type in a hundred that are looked at in a second, each for a member of its data; and by the pool's thread alone. */
async function filtered(store: Store, size: number): Promise<Pick<Costs, 'filter' | 'filterThread'>> {
  const where = { type: { eq: 'Type7' }, 'data.step': { gte: HIGH_STEP } };
  const rates: number[] = [];
  const threadRates: number[] = [];
  for (let run = 0; run < FILTERS; run++) {
    const before = processorMs();
    const rows = store.query({ where });
    const [took, events] = await timed(() => rows.toArray());
    found(events, (size / TYPES) * (1 - HIGH_STEP / STEPS) * 0.9);
    const { recordsExamined } = await rows.explain();
    if (recordsExamined > size / TYPES) throw new Error(`${recordsExamined} records were looked at`);
    rates.push((recordsExamined / took) * 1000);
    const ms = Math.max(...Array.from(processorMs(), ([thread, ms]) => ms - (before.get(thread) ?? 0)));
    threadRates.push(((recordsExamined - LOOKED_AT_BY_CALLER) / ms) * 1000);
  }
  const isPool = size / TYPES > 4 * LOOKED_AT_BY_CALLER;
  return { filter: median(rates), filterThread: isPool ? median(threadRates) : undefined };
}

/** Processor time of each thread but the main one. Unit: milliseconds. */
function processorMs(): Map<string, number> {
  const threads = fs.readdirSync('/proc/self/task').filter((thread) => Number(thread) !== process.pid);
  return new Map(
    threads.map((thread) => {
      const [ns] = fs.readFileSync(`/proc/self/task/${thread}/schedstat`, 'utf8').split(' ');
      return [thread, Number(ns) / 1e6];
    }),
  );
}

/** Gets in a store that was just opened, of whose files nothing is in memory, and bare reads of the same kind. */
async function coldGets(dir: string, ids: readonly string[]): Promise<{ get: number; floor: number }> {
  dropCache(dir);
  const floor = percentile(barePreads(dir, COLD_GETS, PIECE_BYTES)) / 1000;
  dropCache(dir);
  const store = await openStore({ dir, ...SEALED_BY_HAND });
  const every = Math.floor(ids.length / COLD_GETS);
  const get = percentile(await times(COLD_GETS, async (i) => found([(await store.get(ids[i * every]!))!], 1)));
  await store.close();
  return { get, floor };
}

/** Have the kernel forget what it keeps of a directory's files, which are synced. */
function dropCache(dir: string): void {
  for (const name of fs.readdirSync(dir).filter((name) => fs.statSync(path.join(dir, name)).size > 0)) {
    execFileSync('dd', [`if=${path.join(dir, name)}`, 'iflag=nocache', 'count=0'], { stdio: 'ignore' });
  }
}

/** The most memory that this process has had resident. Unit: MiB. */
export function mostMemory(): number {
  // Not what getrusage says, which is inherited from the parent.
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)![1]) / 1024;
}
