/**
 * The streams bench: what ten million streams take, an event each, and what one million do. Their heads are in a checkpoint on the
 * disk, of which a filter and the first hash of each block are in memory. One process fills a store, another opens it.
 *
 *     node build/bench/streams.js [--streams N,N] [--runs N] [--dir DIR]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openStore } from 'keeperlog';
import { barePreads, bareRead, bareThreads } from './bare.js';
import { mostMemory } from './find-store.js';
import { comparedHead, comparedRow, digits, head, median, whole } from './report.js';
import { withDir } from './target.js';
import { percentile, timed, times } from './timing.js';

const MIB = 1024 * 1024;
/** So many events an append, and so many streams where they are few: an append names each stream once. */
const BATCH = 1000;
/** Of what few streams take, so many events tell. */
const FEW_EVENTS = 1_000_000;
const LOOKUPS = 2000;
/** Streams that come one after the other are far apart in what is asked: a prime. */
const STRIDE = 7919;
/** Without data: the streams are what is measured. */
const EVENT = { type: 'Opened' };
const [BLOCK_BYTES, PIECE_BYTES] = [4096, 8192];

/** A figure, and what it is beside. */
type Measured = readonly [figure: number, floor?: number];
type Filled = Readonly<Record<'rate' | 'heads' | 'resident' | 'close', number>>;
type Opened = Readonly<Record<(typeof OPENED)[number], Measured>>;

const OPENED = ['open', 'read', 'opened', 'head', 'headP99', 'accept', 'acceptP99'] as const;
const ROWS: Readonly<
  Record<keyof Filled | keyof Opened, readonly [what: string, format: (value: number) => string, wanted?: string]>
> = {
  rate: ['events/s, beside: of 1,000 streams', whole],
  heads: ['heads in memory, most, MiB, beside: their file', digits(1), '<= 64 MiB'],
  resident: ['resident memory, most, MiB, beside: with 1,000 streams', digits(0)],
  close: ['close, ms, beside: with 1,000 streams', digits(0)],
  open: ['open, ms, beside: two bare threads', digits(0)],
  read: ['read the file of heads and take its CRC-32, bare, ms', digits(0)],
  opened: ['resident memory then, MiB, beside: before', digits(0)],
  head: ['head(stream), p50, us, beside: bare reads of 4 and 8 KiB', digits(1)],
  headP99: ['the same, p99', digits(1)],
  accept: ['accept an event, p50, us, beside: of a stream that was just used', digits(1)],
  acceptP99: ['the same, p99', digits(1)],
};

const TASKS = { fill, open };

if (process.argv[2] === 'child') {
  const [, , , task, dir, streams, events] = process.argv;
  process.send!(await TASKS[task as keyof typeof TASKS](dir!, Number(streams), Number(events)));
} else {
  await report();
}

async function fill(dir: string, streams: number, events: number): Promise<Filled> {
  const store = await openStore(dir);
  let heads = 0;
  const [filling] = await timed(async () => {
    for (let n = 0; n < events; n += BATCH) {
      await store.appendMany(
        Array.from({ length: BATCH }, (_, i) => ({ stream: nameOf((n + i) % streams), events: EVENT })),
      );
      heads = Math.max(heads, store.stats().memory.heads.bytes);
    }
  });
  const [close] = await timed(() => store.close());
  return { rate: (events / filling) * 1000, heads: heads / MIB, resident: mostMemory(), close };
}

async function open(dir: string, streams: number): Promise<Opened> {
  const before = residentMiB();
  const threads = await bareThreads();
  const [opening, store] = await timed(() => openStore(dir));
  const opened = residentMiB();
  const stream = (i: number): string => nameOf((i * STRIDE) % streams);
  const heads = await times(LOOKUPS, async (i) => {
    if ((await store.head(stream(i)))?.revision !== 0) throw new Error(`${stream(i)} has no head`);
  });
  const accepting = async (revision: number): Promise<number[]> => {
    const taken: number[] = [];
    for (let i = LOOKUPS; i < 2 * LOOKUPS; i++) {
      const began = performance.now();
      store.enqueue(stream(i), EVENT, { expect: revision });
      taken.push(performance.now() - began);
      if (i % 100 === 0) await store.flush();
    }
    return taken;
  };
  const [others, inUse] = [await accepting(0), await accepting(1)];
  await store.close();
  const pieces = barePreads(dir, LOOKUPS, PIECE_BYTES);
  const reads = barePreads(dir, LOOKUPS, BLOCK_BYTES).map((us, i) => us + pieces[i]!);
  const us = (taken: readonly number[], part?: number): number => percentile(taken, part) * 1000;
  return {
    open: [opening, threads],
    read: [bareRead(headsFile(dir))],
    opened: [opened, before],
    head: [us(heads, 0.5), percentile(reads, 0.5)],
    headP99: [us(heads), percentile(reads)],
    accept: [us(others, 0.5), us(inUse, 0.5)],
    acceptP99: [us(others), us(inUse)],
  };
}

function nameOf(n: number): string {
  return `agent/${n}`;
}

function headsFile(dir: string): string {
  return path.join(dir, 'keeperlog.heads');
}

function residentMiB(): number {
  return process.memoryUsage.rss() / MIB;
}

async function report(): Promise<void> {
  const { values } = parseArgs({
    options: {
      streams: { type: 'string', default: '1000000,10000000' },
      runs: { type: 'string', default: '3' },
      dir: { type: 'string', default: '.' },
    },
  });
  const lines = head(
    'Streams bench',
    `Medians of ${values.runs} runs, each process with one store; events without data, ${whole(BATCH)} an append, one append at a time.`,
  );
  for (const streams of values.streams.split(',').map(Number)) {
    const runs: Record<string, Measured>[] = [];
    for (let run = 0; run < Number(values.runs); run++) {
      runs.push(await measured(streams, values.dir));
      process.stderr.write(`${whole(streams)}: ${JSON.stringify(runs.at(-1))}\n`);
    }
    lines.push(...comparedHead(`${whole(streams)} streams, an event each`, 'beside', 'to reach'));
    for (const [key, [what, format, wanted = '']] of Object.entries(ROWS)) {
      const floors = runs.map((run) => run[key]![1]).filter((floor) => floor !== undefined);
      const figures = runs.map((run) => run[key]![0]);
      lines.push(comparedRow(what, figures, { format, wanted, ...(floors.length > 0 && { floor: median(floors) }) }));
    }
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function measured(streams: number, parent: string): Promise<Record<string, Measured>> {
  let rows: Record<string, Measured> = {};
  await withDir(parent, 'bench-streams-', async (base) => {
    const [dir, fewDir] = [path.join(base, 'many'), path.join(base, 'few')];
    const few = await inChild<Filled>('fill', fewDir, BATCH, Math.min(streams, FEW_EVENTS));
    const many = await inChild<Filled>('fill', dir, streams, streams);
    rows = {
      rate: [many.rate, few.rate],
      heads: [many.heads, fs.statSync(headsFile(dir)).size / MIB],
      resident: [many.resident, few.resident],
      close: [many.close, few.close],
      ...(await inChild<Opened>('open', dir, streams, 0)),
    };
  });
  return rows;
}

async function inChild<T>(task: keyof typeof TASKS, dir: string, streams: number, events: number): Promise<T> {
  const child = fork(fileURLToPath(import.meta.url), ['child', task, dir, String(streams), String(events)]);
  let answer: T | undefined;
  child.on('message', (message) => {
    answer = message as T;
  });
  await once(child, 'exit');
  if (answer === undefined) throw new Error(`${task} was not measured`);
  return answer;
}
