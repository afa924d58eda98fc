/**
 * The read bench: raw segments in the page cache, each figure the median of several runs, beside a floor of the same run:
 * of decoded events the bare codec, of undecoded ones and single records the same bytes read without an engine.
 *
 *     node build/bench/read.js [--events N] [--runs N] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, type Store, type StoreOptions } from 'keeperlog';
import { bareCodec, barePreads, bareScan } from './bare.js';
import { type BenchEvent, small, webhooks } from './events.js';
import { comparedHead, comparedRow, digits, head, median } from './report.js';

const STREAMS = 10;
const BATCH = 100;
/** So many events are got by id, one at a time. */
const GETS = 20_000;
/** Which parts of the gets are looked at, and what is to be reached. */
const GOALS: Record<string, readonly (readonly [part: number, wanted: string])[]> = {
  'from a file': [
    [0.5, '<= 50 us'],
    [0.99, '<= 1 ms'],
  ],
  recent: [
    [0.5, '<= 10 us'],
    [0.99, ''],
  ],
};
/** What the engine reads for one record. */
const PAGES_BYTES = 8 * 1024;
/** Too little for what is read here: every read goes to the files. Unit: bytes. */
const NO_CACHE = { cacheBytes: 0 };
/** What is read is raw. */
const RAW = { sealing: 'on-demand' } as const;

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '500000' },
    runs: { type: 'string', default: '5' },
    dir: { type: 'string', default: '.' },
  },
});
const runs = Number(values.runs);
const base = fs.mkdtempSync(path.join(path.resolve(values.dir), 'bench-read-'));
const lines = head(
  'Read bench',
  `Medians of ${runs} runs, each with its floor behind it; raw segments, files in the page cache. Floors: of decoded events`,
  'the bare codec; of undecoded ones the same bytes read, and their CRC-32; of a get a bare read of 8 KiB, or, for a recent',
  'event, an await of nothing.',
);

try {
  const hooks = webhooks();
  const many = Number(values.events);
  const few = Math.ceil(many / 20);
  const smallDir = await fill(path.join(base, 'small'), small(), many);
  const hooksDir = await fill(path.join(base, 'hooks'), hooks, few);
  lines.push(...comparedHead('events/s', 'floor', 'to reach'));
  await using(smallDir, async (store) => {
    const codec = bareCodec(small(), many);
    const scan = (): number => bareScan(smallDir, store.stats().bytes);
    await rate('all, small, decoded', many, () => all(store, true), codec, '>= 350 K/s');
    await rate('all, small, undecoded batches', many, () => all(store, false), scan, '>= 1.5 M/s');
    await rate('one of ten streams, decoded', many, () => stream(store), codec, '>= 400 K/s');
  });
  await using(hooksDir, async (store) => {
    await rate('all, webhooks, decoded', few, () => all(store, true), bareCodec(hooks, few), '>= 0.8 x bare codec');
  });
  lines.push(...comparedHead('get by id, one at a time, us', 'floor', 'to reach'));
  const preads = (): Promise<number[]> => Promise.resolve(barePreads(smallDir, GETS, PAGES_BYTES));
  await using(smallDir, (store) => gets('from a file', store, many, preads));
  const recent = 200 * BATCH;
  await fill(path.join(base, 'recent'), small(), recent, (store) => gets('recent', store, recent, bareAwaits));
} finally {
  fs.rmSync(base, { recursive: true, force: true });
}
process.stdout.write(`${lines.join('\n')}\n`);

/** A store of so many events, in batches, each to the next stream; `use` gets it while it is open. */
async function fill(
  dir: string,
  events: readonly BenchEvent[],
  count: number,
  use?: (store: Store) => Promise<void>,
): Promise<string> {
  await using(
    dir,
    async (store) => {
      for (let next = 0; next < count; ) {
        const size = Math.min(BATCH, count - next);
        const name = `agent-${(next / BATCH) % STREAMS}`;
        await store.append(
          name,
          Array.from({ length: size }, () => events[next++ % events.length]!),
        );
      }
      await use?.(store);
    },
    {},
  );
  return dir;
}

async function using(
  dir: string,
  use: (store: Store) => Promise<void>,
  options: Partial<StoreOptions> = NO_CACHE,
): Promise<void> {
  const store = await openStore({ ...RAW, ...options, dir });
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

async function all(store: Store, decode: boolean): Promise<number> {
  let seen = 0;
  for await (const batch of store.read().batches()) {
    if (decode) for (const { data } of batch) seen += data === null ? 0 : 1;
    else seen += batch.length;
  }
  return seen;
}

/** The same stream again and again, until as many events were read as the store has. */
async function stream(store: Store): Promise<number> {
  let seen = 0;
  for (let pass = 0; pass < STREAMS; pass++) {
    for await (const batch of store.readStream('agent-1').batches()) {
      for (const { data } of batch) seen += data === null ? 0 : 1;
    }
  }
  return seen;
}

/** Events a second of a run and of its floor, in turn, after one of each that is not counted. */
async function rate(
  name: string,
  events: number,
  run: () => Promise<number>,
  floor: () => unknown,
  wanted: string,
): Promise<void> {
  const rates: number[] = [];
  const floors: number[] = [];
  const rateOf = async (work: () => unknown): Promise<number> => {
    const began = performance.now();
    await work();
    return (events / (performance.now() - began)) * 1000;
  };
  for (let i = 0; i <= runs; i++) {
    const [measured, beside] = [await rateOf(run), await rateOf(floor)];
    if (i === 0) continue;
    rates.push(measured);
    floors.push(beside);
  }
  tell(comparedRow(name, rates, { floor: median(floors), wanted }));
}

/** Gets from all over a range of sequences, by id: the percentiles of each run, beside those of a floor in microseconds. */
async function gets(name: string, store: Store, count: number, floor: () => Promise<number[]>): Promise<void> {
  const ids: string[] = [];
  for (let i = 0; i < GETS; i++) ids.push((await store.get(1 + ((i * 7919) % count)))!.id);
  const measured: number[][] = [];
  const floors: number[][] = [];
  for (let run = 0; run <= runs; run++) {
    const bare = await floor();
    const times: number[] = [];
    for (const id of ids) {
      const began = performance.now();
      const event = await store.get(id);
      times.push((performance.now() - began) * 1000);
      if (event?.id !== id) throw new Error(`${id} was not found`);
    }
    if (run === 0) continue;
    floors.push(bare);
    measured.push(times);
  }
  for (const [part, wanted] of GOALS[name]!) {
    const at = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length * part)]!;
    const beside = { floor: median(floors.map(at)), wanted, format: digits(1) };
    tell(comparedRow(`${name}, p${part * 100}`, measured.map(at), beside));
  }
}

/** What a call that has nothing to do takes: an await. Microseconds of each. */
async function bareAwaits(): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < GETS; i++) {
    const began = performance.now();
    await undefined;
    times.push((performance.now() - began) * 1000);
  }
  return times;
}

function tell(row: string): void {
  lines.push(row);
  process.stderr.write(`${row}\n`);
}
