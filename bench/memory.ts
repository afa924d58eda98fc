/**
 * What the engine takes beside the log: memory over a long run, memory of streams and of idempotency keys, delay of the
 * event loop under load, and the processor's time while nothing happens. Each in a process of its own.
 *
 *     node build/bench/memory.js [--events N] [--keys N] [--runs N] [--seconds N] [--dir DIR]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openStore, type Store } from 'keeperlog';
import { openLoop } from './drive.js';
import { small } from './events.js';
import { openFloor } from './floor.js';
import { type Beside, comparedHead, comparedRow, digits, head, median, whole } from './report.js';
import { openEngine, type Target } from './target.js';

const MiB = 1024 * 1024;
const APPENDERS = 1024;
/** So many events an append, and so many streams where they are few: an append names each stream once. */
const BATCH = 64;

/** What a child process measures: resident memory in MiB, times in milliseconds. */
interface Sizes {
  readonly events: number;
  readonly keys: number;
  readonly seconds: number;
}
type Measure = (dir: string, sizes: Sizes) => Promise<number[]>;

const MEASURES = {
  /** Resident memory of a process that has loaded the engine, and no store. */
  nothing: () => Promise.resolve([residentMiB()]),
  /** Resident memory at a fifth of the events, and at the end. */
  run: async (dir, { events }) => {
    const store = await openStore(dir);
    const resident: number[] = [];
    for (const until of [events / 5, events]) {
      await fullSpeed(store, until);
      resident.push(residentMiB());
    }
    await store.close();
    return resident;
  },
  /** Resident memory after so many events of a few streams. */
  few: (dir, { keys }) => residentAfter(dir, keys, (n) => ({ stream: `agent/${n % BATCH}` })),
  /** The same, each to a stream of its own. */
  streams: (dir, { keys }) => residentAfter(dir, keys, (n) => ({ stream: `agent/${n}` })),
  /** The same of a few streams, each with an idempotency key. */
  keys: (dir, { keys }) => residentAfter(dir, keys, (n) => ({ stream: `agent/${n % BATCH}`, key: `request-${n}` })),
  /** How late the event loop is, p50, p99 and max, with 50,000 events/s; the first second is not counted. */
  delay: async (dir, { seconds }) => delays(await openEngine({ dir }, small()), seconds),
  /** The same with the bare floor in the engine's place. */
  bareDelay: async (dir, { seconds }) => delays(await openFloor(path.join(dir, 'floor'), 'msgpack'), seconds),
  /** The processor's time, and that of a process without a store, while nothing happens. */
  idle: async (dir, { seconds }) => {
    const idle = async (): Promise<number> => {
      await delay(1000);
      const began = process.cpuUsage();
      await delay(seconds * 1000);
      const { user, system } = process.cpuUsage(began);
      return (user + system) / 1000;
    };
    const without = await idle();
    const store = await openStore(dir);
    for (let n = 0; n < 1000; n++) await store.append('agent/1', small()[0]!);
    const beside = await idle();
    await store.close();
    return [beside, without];
  },
} satisfies Record<string, Measure>;

if (process.argv[2] === 'child') {
  const [, , , name, dir, sizes] = process.argv;
  process.send!(await MEASURES[name as keyof typeof MEASURES](dir!, JSON.parse(sizes!) as Sizes));
} else {
  await report();
}

async function delays(target: Target, seconds: number): Promise<number[]> {
  await openLoop(target, small(), 50_000, 1);
  // The histogram counts from the timer's own interval.
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  await openLoop(target, small(), 50_000, seconds);
  histogram.disable();
  await target.close();
  return [50, 99, 100].map((percentile) => histogram.percentile(percentile) / 1e6);
}

function residentMiB(): number {
  return process.memoryUsage.rss() / MiB;
}

/** Appenders that each await their own, until the store has so many events. */
async function fullSpeed(store: Store, until: number): Promise<void> {
  let next = store.stats().accepted;
  const appender = async (name: string): Promise<void> => {
    while (next++ < until) await store.append(name, small()[0]!);
  };
  await Promise.all(Array.from({ length: APPENDERS }, (_, i) => appender(`agent/${i}`)));
}

async function residentAfter(
  dir: string,
  count: number,
  placed: (n: number) => { stream: string; key?: string },
): Promise<number[]> {
  const store = await openStore(dir);
  for (let n = 0; n < count; ) {
    const batch = Array.from({ length: BATCH }, () => {
      const { stream, key } = placed(n++);
      return { stream, events: { ...small()[0]!, ...(key !== undefined && { idempotencyKey: key }) } };
    });
    await store.appendMany(batch);
  }
  await delay(1000); // checkpoints that are being written
  global.gc!();
  await delay(100);
  global.gc!();
  const figures = [residentMiB()];
  await store.close();
  return figures;
}

async function report(): Promise<void> {
  const { values } = parseArgs({
    options: {
      events: { type: 'string', default: '10000000' },
      keys: { type: 'string', default: '1000000' },
      runs: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '10' },
      dir: { type: 'string', default: '.' },
    },
  });
  const sizes = {
    events: Number(values.events),
    keys: Number(values.keys),
    seconds: Number(values.seconds),
  };
  const measure = async (name: keyof typeof MEASURES): Promise<number[][]> => {
    const runs: number[][] = [];
    for (let run = 0; run < Number(values.runs); run++) runs.push(await inChild(name, sizes, values.dir));
    return runs[0]!.map((_, i) => runs.map((figures) => figures[i]!));
  };
  const lines = head(
    'Memory bench',
    `Medians of ${values.runs} runs, each in a process of its own. Beside a figure: of memory, what the process had without that; of`,
    'delays, the bare floor under the same load; of processor time, the same process without a store.',
  );
  const row = (name: string, runs: readonly number[], beside: Beside): void => {
    lines.push(comparedRow(name, runs, beside));
    process.stderr.write(`${lines.at(-1)}\n`);
  };

  lines.push(...comparedHead('resident memory, MiB', 'beside', 'to reach'));
  const mib = { format: digits(1), wanted: '' };
  const [without] = (await measure('nothing')) as [number[]];
  const [fifth, end] = (await measure('run')) as [number[], number[]];
  const fullSpeed = `events at full speed, ${whole(APPENDERS)} appenders`;
  row(`after ${whole(sizes.events / 5)} ${fullSpeed}`, fifth, { ...mib, floor: median(without) });
  row(`after ${whole(sizes.events)}`, end, { ...mib, floor: median(fifth), wanted: 'ratio <= 1.05' });
  const [few] = (await measure('few')) as [number[]];
  row(`after ${whole(sizes.keys)} events of ${BATCH} streams`, few, { ...mib, floor: median(without) });
  for (const [name, what] of [
    ['streams', `${whole(sizes.keys)} streams`],
    ['keys', `${whole(sizes.keys)} keys`],
  ] as const) {
    const [with_] = (await measure(name)) as [number[]];
    const added = with_.map((resident) => resident - median(few));
    row(`${what} add`, added, { ...mib, floor: median(few), wanted: '<= 64 MiB' });
  }

  lines.push(...comparedHead('delay of the event loop at 50,000 events/s, ms', 'beside', 'to reach'));
  const delays = await measure('delay');
  const bare = await measure('bareDelay');
  for (const [i, [name, wanted]] of [
    ['p50', ''],
    ['p99', '<= 5 ms'],
    ['max', ''],
  ].entries()) {
    row(name!, delays[i]!, { format: digits(2), floor: median(bare[i]!), wanted: wanted! });
  }

  lines.push(...comparedHead(`processor time in ${sizes.seconds} s of doing nothing, ms`, 'beside', 'to reach'));
  const [idle, idleWithout] = (await measure('idle')) as [number[], number[]];
  row('an open store', idle, { format: digits(1), floor: median(idleWithout), wanted: 'ratio about 1' });
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function inChild(name: string, sizes: Sizes, at: string): Promise<number[]> {
  const dir = fs.mkdtempSync(path.join(path.resolve(at), 'bench-memory-'));
  try {
    const args = ['child', name, dir, JSON.stringify(sizes)];
    const child = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--expose-gc'] });
    let figures: number[] | undefined;
    child.on('message', (message) => {
      figures = message as number[];
    });
    await once(child, 'exit');
    if (figures === undefined) throw new Error(`${name} was not measured`);
    return figures;
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
