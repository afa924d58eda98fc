/**
 * Finding against size: what it takes to open a sealed store of ten thousand events, of ten million, and in between, and to
 * find in it an event, a stream, a correlation id, a time, and what a filter on data lets through. A tenth of the events are in
 * streams of 1,000, the others in streams of nine, a hundred of which are in use at a time.
 *
 *     node build/bench/find.js [--most N] [--runs N] [--figures DIR] [--dir DIR]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openStore } from 'keeperlog';
import { bareThreads } from './bare.js';
import { draw } from './curves.js';
import { type Costs, type Floors, SEALED_BY_HAND, type Task } from './find-store.js';
import { type Beside, comparedHead, comparedRow, digits, head, median, whole } from './report.js';
import { timed } from './timing.js';

const SIZES = [10_000, 100_000, 1_000_000, 10_000_000];
interface Table {
  readonly key: keyof Costs;
  readonly what: string;
  readonly floor: string;
  /** To be reached with the most events. */
  readonly wanted: string;
  readonly format?: (value: number) => string;
}

const ms = digits(1);
const TABLES: readonly Table[] = [
  { key: 'open', what: 'open after a clean end, ms', floor: 'two bare threads', wanted: '<= 500', format: ms },
  { key: 'openKilled', what: 'open after kill -9, ms', floor: 'two bare threads', wanted: '<= 1,500', format: ms },
  { key: 'get', what: 'get by id, p99, us', floor: 'bare read of 8 KiB', wanted: '<= 1,000', format: ms },
  {
    key: 'coldGet',
    what: 'get by id, nothing cached, p99, ms',
    floor: 'the same, bare',
    wanted: '<= 5',
    format: digits(2),
  },
  { key: 'stream', what: 'a stream of 1,000 events, p99, ms', floor: 'bare codec', wanted: '<= 20', format: ms },
  {
    key: 'correlation',
    what: 'the 20 events of a correlation id, p99, ms',
    floor: 'bare codec',
    wanted: '<= 10',
    format: ms,
  },
  { key: 'time', what: 'a time range of 1,000 events, p99, ms', floor: 'bare codec', wanted: '<= 20', format: ms },
  { key: 'filter', what: 'a filter on data, of 1 % by type, records/s', floor: 'bare codec', wanted: '' },
  {
    key: 'filterThread',
    what: "the same, records/s of processor time of the pool's thread",
    floor: 'bare codec',
    wanted: '>= 300,000',
  },
  { key: 'memory', what: 'most resident memory, MiB', floor: 'a bare process', wanted: '<= 400' },
];

await report();

async function report(): Promise<void> {
  const { values } = parseArgs({
    options: {
      most: { type: 'string', default: '10000000' },
      runs: { type: 'string', default: '3' },
      figures: { type: 'string' },
      dir: { type: 'string', default: '.' },
    },
  });
  const runs = new Map<number, { costs: Costs; floors: Floors }[]>();
  for (const size of SIZES.filter((size) => size <= Number(values.most))) {
    const ofSize: { costs: Costs; floors: Floors }[] = [];
    for (let run = 0; run < Number(values.runs); run++) {
      ofSize.push(await measured(size, values.dir));
      process.stderr.write(`${whole(size)}: ${JSON.stringify(ofSize.at(-1))}\n`);
    }
    runs.set(size, ofSize);
  }
  const lines = head(
    'Finding against size',
    `Medians of ${values.runs} runs, percentiles of 5,000 gets, of 200 cold ones and of 200 others; small events, all full`,
    'segments sealed, files in the page cache but for the cold gets. Every event that is found is decoded.',
  );
  for (const { key, what, floor, wanted, format } of TABLES) {
    lines.push('', `**${what}**`, ...comparedHead('events', floor, 'to reach'));
    for (const [size, ofSize] of runs) {
      const floors = ofSize.map((one) => one.floors[key]).filter((one) => one !== undefined);
      const beside: Beside = {
        wanted: size === SIZES.at(-1) ? wanted : '',
        ...(floors.length > 0 && { floor: median(floors) }),
        ...(format !== undefined && { format }),
      };
      const figures = ofSize.map(({ costs }) => costs[key]).filter((figure) => figure !== undefined);
      if (figures.length > 0) lines.push(comparedRow(whole(size), figures, beside));
    }
  }
  process.stdout.write(`${lines.join('\n')}\n`);
  if (values.figures !== undefined) drawAll(values.figures, runs);
}

async function measured(size: number, parent: string): Promise<{ costs: Costs; floors: Floors }> {
  const base = fs.mkdtempSync(path.join(path.resolve(parent), 'bench-find-'));
  const dir = path.join(base, 'store');
  try {
    const filled = await inChild<Pick<Costs, 'memory'>>('fill', dir, size);
    const asked = await inChild<{ costs: Omit<Costs, 'openKilled'>; floors: Floors }>('ask', dir, size);
    await inChild('kill', dir, size);
    const threads = await bareThreads();
    const [openKilled, store] = await timed(() => openStore({ dir, ...SEALED_BY_HAND }));
    await store.close();
    const bare = await inChild<Pick<Costs, 'memory'>>('nothing', dir, size);
    const memory = Math.max(filled.memory, asked.costs.memory);
    return {
      costs: { ...asked.costs, openKilled, memory },
      floors: { ...asked.floors, openKilled: threads, memory: bare.memory },
    };
  } finally {
    fs.rmSync(base, { recursive: true, force: true });
  }
}

/** What a child says; one that waits then is killed. */
async function inChild<T>(task: Task, dir: string, size: number): Promise<T> {
  const child = fork(fileURLToPath(new URL('./find-store.js', import.meta.url)), [task, dir, String(size)]);
  const exited = once(child, 'exit');
  const answer = await Promise.race([once(child, 'message'), exited]);
  if (typeof answer[0] !== 'object' || answer[0] === null) throw new Error(`${task} ended with ${answer[0]}`);
  if (task === 'kill') child.kill('SIGKILL');
  else child.disconnect();
  await exited;
  return answer[0] as T;
}

function drawAll(dir: string, runs: ReadonlyMap<number, readonly { costs: Costs }[]>): void {
  const points = (of: (costs: Costs) => number): [number, number][] =>
    [...runs].map(([size, ofSize]) => [size, median(ofSize.map(({ costs }) => of(costs)))]);
  draw(dir, {
    file: 'finding-by-size.svg',
    title: 'Opening and finding against the size of the log',
    x: 'events in the log',
    y: 'milliseconds',
    curves: [
      { name: 'open after a clean end', points: points(({ open }) => open) },
      { name: 'get by id, p99', points: points(({ get }) => get / 1000) },
      { name: 'a stream of 1,000, p99', points: points(({ stream }) => stream) },
      { name: 'a correlation id, p99', points: points(({ correlation }) => correlation) },
      { name: '10,000 records filtered', points: points(({ filter }) => 1e7 / filter) },
    ],
  });
}
