/**
 * The write bench: each workload against the engine and, in the same run, against the floor, in turn; medians of three.
 *
 *     node build/bench/write.js [--only TEXT] [--runs N] [--seconds N] [--open-seconds N] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { blocking, closedLoop, type Figures, medians, openLoop } from './drive.js';
import { type BenchEvent, small, webhooks } from './events.js';
import { openFloor } from './floor.js';
import { head, spread, tableHead, tableRow, whole } from './report.js';
import { openEngine, type Target } from './target.js';

interface Workload {
  readonly name: string;
  readonly events: readonly BenchEvent[];
  readonly codec: 'msgpack' | 'json';
  /** What is to be reached, in words. */
  readonly wanted: string;
  run(target: Target, seconds: number): Promise<Figures> | Figures;
  /** How long the issue asks for, if it does. Unit: seconds. */
  readonly seconds?: number;
}

const smallEvents = small();
const hooks = webhooks();
const appenders =
  (count: number, events: readonly BenchEvent[], batch = 1) =>
  (target: Target, seconds: number): Promise<Figures> =>
    closedLoop(target, events, count, batch, seconds);

const WORKLOADS: readonly Workload[] = [
  {
    name: '1 appender',
    events: smallEvents,
    codec: 'msgpack',
    wanted: 'p50 <= 1.25 x floor',
    run: appenders(1, smallEvents),
  },
  {
    name: 'appendSync',
    events: smallEvents,
    codec: 'msgpack',
    wanted: 'p50 <= 1.25 x floor',
    run: (t, s) => blocking(t, smallEvents, s),
  },
  {
    name: '64 appenders',
    events: smallEvents,
    codec: 'msgpack',
    wanted: '>= 0.6 x floor, 120 K/s',
    run: appenders(64, smallEvents),
  },
  {
    name: '1,024 appenders',
    events: smallEvents,
    codec: 'msgpack',
    wanted: '>= 0.6 x floor, 280 K/s',
    run: appenders(1024, smallEvents),
  },
  {
    name: 'batches of 100, 4 in flight',
    events: smallEvents,
    codec: 'msgpack',
    wanted: '>= 0.6 x floor, 450 K/s',
    run: appenders(4, smallEvents, 100),
  },
  {
    name: '64 appenders, webhooks, msgpack',
    events: hooks,
    codec: 'msgpack',
    wanted: '>= 0.7 x floor',
    run: appenders(64, hooks),
  },
  {
    name: '64 appenders, webhooks, json',
    events: hooks,
    codec: 'json',
    wanted: '>= 0.7 x floor',
    run: appenders(64, hooks),
  },
  {
    name: 'open loop 10,000/s',
    events: smallEvents,
    codec: 'msgpack',
    wanted: 'p99 <= 3 ms, p99.9 <= 10 ms',
    run: (t, s) => openLoop(t, smallEvents, 10_000, s),
    seconds: 60,
  },
  {
    name: 'open loop 100,000/s',
    events: smallEvents,
    codec: 'msgpack',
    wanted: 'p99 <= 5 ms',
    run: (t, s) => openLoop(t, smallEvents, 100_000, s),
    seconds: 30,
  },
];

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '5' },
    'open-seconds': { type: 'string' },
    dir: { type: 'string', default: '.' },
  },
});
const base = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-'));

const lines = head(
  'Write bench',
  `Medians of ${values.runs} runs, engine and floor in turn; rates in events/s, latencies in ms (engine / floor).`,
);
const columns = ['workload', 'engine', 'floor', 'ratio', 'lowest to highest', 'p50', 'p99', 'p99.9', 'max', 'to reach'];
lines.push(...tableHead(columns));
try {
  for (const workload of WORKLOADS.filter(({ name }) => name.includes(values.only))) {
    const engine: Figures[] = [];
    const floor: Figures[] = [];
    for (let run = 0; run < Number(values.runs); run++) {
      floor.push(await measure(workload, () => openFloor(path.join(base, 'floor'), workload.codec)));
      const dir = path.join(base, 'engine');
      engine.push(await measure(workload, () => openEngine({ dir, dataCodec: workload.codec }, workload.events)));
      fs.rmSync(dir, { recursive: true });
      await new Promise((resolve) => setTimeout(resolve, 2000)); // let the disk discard what was removed
    }
    lines.push(row(workload, engine, floor));
    process.stderr.write(`${lines.at(-1)}\n`);
  }
} finally {
  fs.rmSync(base, { recursive: true, force: true });
}
process.stdout.write(`${lines.join('\n')}\n`);

async function measure(workload: Workload, open: () => Promise<Target>): Promise<Figures> {
  const target = await open();
  try {
    await workload.run(target, 1);
    const openSeconds = values['open-seconds'] === undefined ? workload.seconds : Number(values['open-seconds']);
    return await workload.run(target, workload.seconds === undefined ? Number(values.seconds) : openSeconds!);
  } finally {
    await target.close();
  }
}

function row({ name, wanted }: Workload, engineRuns: readonly Figures[], floorRuns: readonly Figures[]): string {
  const engine = medians(engineRuns);
  const floor = medians(floorRuns);
  const pair = (key: keyof Figures): string => `${engine[key].toFixed(2)} / ${floor[key].toFixed(2)}`;
  return tableRow([
    name,
    whole(engine.rate),
    whole(floor.rate),
    (engine.rate / floor.rate).toFixed(2),
    spread(engineRuns.map(({ rate }) => rate)),
    pair('p50'),
    pair('p99'),
    pair('p999'),
    pair('max'),
    wanted,
  ]);
}
