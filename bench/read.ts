/**
 * The read bench: raw segments in the page cache, each figure the median of several runs, beside what the bare codec
 * decodes of the same payloads in the same run.
 *
 *     node build/bench/read.js [--events N] [--runs N] [--dir DIR]
 */
import fs from 'node:fs';
import path from 'node:path';
import { createHistogram } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { openStore, type Store, type StoreOptions } from 'keeperlog';
import { decodePayload, PAYLOAD, PayloadWriter } from '#dist/shared/format/payload.js';
import { type BenchEvent, small, webhooks } from './events.js';
import { head, median, tableHead, tableRow, whole } from './report.js';

const STREAMS = 10;
const BATCH = 100;
/** So many events are got by id, one at a time. */
const GETS = 20_000;
/** Too little for what is read here: every read goes to the files. Unit: bytes. */
const NO_CACHE = { cacheBytes: 0 };

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
  `Medians of ${runs} runs, the lowest and the highest beside them; raw segments, files in the page cache.`,
);

try {
  const hooks = webhooks();
  const many = Number(values.events);
  const few = Math.ceil(many / 20);
  const smallDir = await fill(path.join(base, 'small'), small(), many);
  const hooksDir = await fill(path.join(base, 'hooks'), hooks, few);
  lines.push(...tableHead(['events/s', 'median', 'lowest', 'highest', 'bare codec', 'ratio', 'to reach']));
  await using(smallDir, async (store) => {
    const floor = bareCodec(small(), many);
    rate('all, small, decoded', many, await times(() => all(store, true)), floor, '>= 350 K/s');
    rate('all, small, undecoded batches', many, await times(() => all(store, false)), undefined, '>= 1.5 M/s');
    rate('one of ten streams, decoded', many, await times(() => stream(store)), floor, '>= 400 K/s');
  });
  await using(hooksDir, async (store) => {
    const floor = bareCodec(hooks, few);
    rate('all, webhooks, decoded', few, await times(() => all(store, true)), floor, '>= 0.8 x bare codec');
  });
  lines.push(...tableHead(['get by id, one at a time', 'p50, us', 'p99, us', 'to reach']));
  await using(smallDir, (store) => gets('from a file', store, 1, many, 'p50 <= 50 us, p99 <= 1 ms'));
  const recent = 200 * BATCH;
  await fill(path.join(base, 'recent'), small(), recent, (store) => gets('recent', store, 1, recent, 'p50 <= 10 us'));
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
  const store = await openStore({ ...options, dir });
  try {
    await use(store);
  } finally {
    await store.close();
  }
}

/** Seconds of each run, after one that is not counted. */
async function times(run: () => Promise<number>): Promise<number[]> {
  const seconds: number[] = [];
  for (let i = 0; i <= runs; i++) {
    const began = performance.now();
    await run();
    if (i > 0) seconds.push((performance.now() - began) / 1000);
  }
  return seconds.sort((a, b) => a - b);
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

/** Events a second that the codec decodes of bytes that lie in memory. */
function bareCodec(events: readonly BenchEvent[], count: number): number {
  const memory = Buffer.alloc(256 * 1024);
  const target = { bytes: memory, view: new DataView(memory.buffer, memory.byteOffset, memory.length) };
  const writer = new PayloadWriter('msgpack');
  const payloads = events.map(({ data }) =>
    Buffer.from(memory.subarray(0, writer.write(data, '', target, 0, memory.length))),
  );
  const rates: number[] = [];
  for (let run = 0; run <= runs; run++) {
    const began = performance.now();
    for (let i = 0; i < count; i++) decodePayload(PAYLOAD.msgpack, payloads[i % payloads.length]!);
    if (run > 0) rates.push((count / (performance.now() - began)) * 1000);
  }
  return median(rates);
}

function rate(
  name: string,
  events: number,
  seconds: readonly number[],
  floor: number | undefined,
  wanted: string,
): void {
  const [middle, lowest, highest] = [seconds[runs >> 1]!, seconds.at(-1)!, seconds[0]!].map((s) => events / s);
  const beside = floor === undefined ? ['', ''] : [whole(floor), (middle! / floor).toFixed(2)];
  lines.push(tableRow([name, whole(middle!), whole(lowest!), whole(highest!), ...beside, wanted]));
  process.stderr.write(`${lines.at(-1)}\n`);
}

/** Gets from all over a range of sequences, by id. */
async function gets(name: string, store: Store, first: number, count: number, wanted: string): Promise<void> {
  const ids: string[] = [];
  for (let i = 0; i < GETS; i++) {
    const event = await store.get(first + ((i * 7919) % count));
    ids.push(event!.id);
  }
  const histogram = createHistogram();
  for (const id of ids) {
    const began = performance.now();
    const event = await store.get(id);
    histogram.record(Math.max(1, Math.round((performance.now() - began) * 1e6)));
    if (event?.id !== id) throw new Error(`${id} was not found`);
  }
  const us = (percentile: number): string => (histogram.percentile(percentile) / 1000).toFixed(1);
  lines.push(tableRow([name, us(50), us(99), wanted]));
  process.stderr.write(`${lines.at(-1)}\n`);
}
