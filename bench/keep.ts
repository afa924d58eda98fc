/**
 * The keeping bench: backup, restore, verification, compaction and retention, each beside what the machine gives for the same files,
 * and what they cost those who append meanwhile. Small events of ten streams, one of which is deleted.
 *
 *     node build/bench/keep.js [--mib N] [--runs N] [--seconds N] [--rate N] [--dir DIR]
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore, restoreStore, type Store, type StoreOptions } from 'keeperlog';
import { bareCodec, bareCopy, bareScan, bareThreads, segmentsOf } from './bare.js';
import { type Figures, medians, openLoop } from './drive.js';
import { inTurn, small } from './events.js';
import { comparedHead, comparedRow, digits, head, median, spread, tableHead, tableRow, whole } from './report.js';
import { appendsTo, fill, withDir } from './target.js';

const MIB = 1024 * 1024;
/** Of the log, before it is kept. */
const SEGMENTS = 8;
/** Of what may be kept. */
const LEAST_BYTES = 65_536;
/** The first row of the last table goes without. */
const BESIDE = ['nothing', 'backups', 'verify({ deep: true })', 'compactions'] as const;
/** Of {@link inTurn}. */
const stream = (n: number): string => `agent-${n % 10}`;

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '128' },
    runs: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '6' },
    rate: { type: 'string', default: '20000' },
    dir: { type: 'string', default: '.' },
  },
});
const [logBytes, runs, seconds, rate] = [
  Number(values.mib) * MIB,
  Number(values.runs),
  Number(values.seconds),
  Number(values.rate),
];
const ROWS = {
  copy: ['first backup, nothing sealed yet', 'first backup, all sealed', 'next backup, two segments more', 'restore'],
  verify: ['raw segments, one thread', 'sealed segments, one thread', 'sealed segments, two threads'],
  compact: ['one stream of ten deleted'],
  freed: ['sealed segments and their indexes'],
  times: ['a backup with nothing new', 'a segment that retention removes'],
} as const;
type Name = (typeof ROWS)[keyof typeof ROWS][number];
const segmentBytes = logBytes / SEGMENTS;
/** New since the last backup. */
const newBytes = 2 * segmentBytes;
const ONE_THREAD: Partial<StoreOptions> = { sealing: 'on-demand', poolThreads: 1, segmentBytes };

/** A figure, and its floor in the same unit. */
type Measured = readonly [figure: number, floor: number];
type Run = Readonly<Record<Name, Measured>>;

const all: Run[] = [];
for (let run = 0; run < runs; run++) {
  await withDir(values.dir, 'bench-keep-', async (base) => void all.push(await measured(base)));
  process.stderr.write(`${JSON.stringify(all.at(-1))}\n`);
}
const lines = head(
  'Keeping bench',
  `Medians of ${runs} runs, each with its floors; ${values.mib} MiB of small events, of ten streams, in segments of ${segmentBytes / MIB} MiB;`,
  'files in the page cache.',
);
lines.push(...comparedHead('MB of files a second', 'bare copy and sync'), ...rows(all, ROWS.copy));
lines.push(
  ...comparedHead('verified deep, MB of raw log a second', 'bare read, CRC-32, codec'),
  ...rows(all, ROWS.verify),
);
lines.push(...comparedHead('compacted, MB of raw log a second', 'sealing them'), ...rows(all, ROWS.compact));
lines.push(...comparedHead('freed, part of the files', 'part of the events'), ...rows(all, ROWS.freed, digits(3)));
lines.push(...comparedHead('milliseconds', 'bare thread, bare read and CRC-32'), ...rows(all, ROWS.times, digits(1)));
lines.push(
  ...tableHead([
    `beside ${whole(rate)} events/s`,
    'p50, ms',
    'p99, ms',
    'lowest to highest p99',
    'p99.9, ms',
    'max, ms',
  ]),
);
for (const what of BESIDE) {
  const figures: Figures[] = [];
  for (let run = 0; run < runs; run++) {
    await withDir(values.dir, 'bench-keep-', async (base) => void figures.push(await beside(what, base)));
  }
  lines.push(besideRow(what, figures));
  process.stderr.write(`${lines.at(-1)}\n`);
}
process.stdout.write(`${lines.join('\n')}\n`);

function besideRow(what: string, figures: readonly Figures[]): string {
  const ms = digits(2);
  const { p50, p99, p999, max } = medians(figures);
  const p99s = figures.map((one) => one.p99);
  return tableRow([what, ms(p50), ms(p99), spread(p99s, ms), ms(p999), ms(max)]);
}

/** Of one store. MB of files or of raw log a second, or milliseconds. */
async function measured(base: string): Promise<Run> {
  const dir = path.join(base, 'store');
  // Everything that is full and sealed may go, but for what is being read.
  const store = await openStore({ ...ONE_THREAD, dir, retention: { maxBytes: LEAST_BYTES } });
  try {
    const batches = inTurn(small());
    await fill(store, batches, newBytes);
    const reading = store.read()[Symbol.asyncIterator]();
    await reading.next();
    const first = await store.seal(); // the thread begins with that
    await fill(store, batches, logBytes);
    await store.checkpoint();
    const raw = await backedUp(store, path.join(base, 'raw'));
    const verified = await verifiedBy(store);
    const bare = bareVerify(dir, logBytes, store.stats().durable);
    const began = performance.now();
    const rest = await store.seal();
    const sealing = mbPerSecond(rest.rawBytes, performance.now() - began);

    const backup = path.join(base, 'backup');
    const sealed = await backedUp(store, backup);
    const restored = await restoredFrom(backup, path.join(base, 'restored'));
    const reader = await openStore({ dir, readOnly: true, poolThreads: 2 });
    await reader.verify(); // its threads begin with that
    const [verifiedSealed, verifiedByTwo] = [await verifiedBy(store), await verifiedBy(reader)];
    await reader.close();
    await fill(store, batches, store.stats().bytes + newBytes);
    await store.seal();
    await store.checkpoint();
    const next = await backedUp(store, backup);
    const nothingNew = await timed(() => store.backup(backup));

    await store.deleteStream(stream(3));
    const before = bytesOfAll(sealedFiles(dir));
    let compacted = { segments: 0, freedBytes: 0 };
    const compacting = await timed(async () => {
      compacted = await store.compact();
    });
    const segmentRawBytes = (first.rawBytes + rest.rawBytes) / (first.segments + rest.segments);
    await store.checkpoint();
    return {
      'first backup, nothing sealed yet': raw,
      'first backup, all sealed': sealed,
      'next backup, two segments more': next,
      restore: restored,
      'raw segments, one thread': [verified, bare],
      'sealed segments, one thread': [verifiedSealed, bare],
      'sealed segments, two threads': [verifiedByTwo, bare],
      'one stream of ten deleted': [mbPerSecond(compacted.segments * segmentRawBytes, compacting), sealing],
      'sealed segments and their indexes': [compacted.freedBytes / before, 0.1],
      'a backup with nothing new': [nothingNew, await bareThreads(1)],
      'a segment that retention removes': await pruned(store, () => void reading.return?.()),
    };
  } finally {
    await store.close();
  }
}

/** MB a second of the files that a backup writes, and of a bare copy of them. */
async function backedUp(store: Store, to: string): Promise<Measured> {
  const before = new Set(filesIn(to));
  const ms = await timed(() => store.backup(to));
  return besideCopy(
    filesIn(to).filter((file) => !before.has(file)),
    ms,
    `${to}-bare`,
  );
}

/** MB a second of the files of a backup, and of a bare copy of them. */
async function restoredFrom(backup: string, to: string): Promise<Measured> {
  const ms = await timed(() => restoreStore(backup, to));
  return besideCopy(filesIn(backup), ms, `${to}-bare`);
}

function besideCopy(files: readonly string[], ms: number, to: string): Measured {
  const bytes = bytesOfAll(files);
  const bareMs = bareCopy(files, to);
  fs.rmSync(to, { recursive: true });
  return [mbPerSecond(bytes, ms), mbPerSecond(bytes, bareMs)];
}

/** MB of raw log a second. */
async function verifiedBy(store: Store): Promise<number> {
  const began = performance.now();
  const { bytes, problems } = await store.verify({ deep: true });
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  return mbPerSecond(bytes, performance.now() - began);
}

/** MB of raw log a second: reading it where most is raw, its CRC-32, and decoding the data of its events from memory. */
function bareVerify(dir: string, rawBytes: number, events: number): number {
  // Behind the full segments are the newest one, and one that is made ahead.
  const bytes = bytesOfAll(
    segmentsOf(dir)
      .slice(0, -2)
      .map((name) => path.join(dir, name)),
  );
  const decode = bareCodec(small(), events);
  const scanMs = bareScan(dir, bytes);
  const began = performance.now();
  decode();
  return mbPerSecond(rawBytes, scanMs * (rawBytes / bytes) + performance.now() - began);
}

/** Milliseconds of each segment that goes once its reader lets it, and of a bare read of its file. */
async function pruned(store: Store, letGo: () => unknown): Promise<Measured> {
  // The newest event stays: behind all that was compacted.
  await store.append(stream(0), small()[0]!);
  const { dir, segments } = store.stats();
  const sealed = sealedFiles(dir).filter((file) => file.endsWith('.sealed'));
  const floor = bareScan(dir, bytesOfAll(sealed)) / sealed.length;
  const ms = await timed(async () => {
    letGo();
    await allPruned(store);
  });
  return [ms / (segments - 1), floor];
}

/** Resolves when the newest segment alone is left. */
async function allPruned(store: Store): Promise<void> {
  await new Promise<void>((resolve) => {
    // Retention alone does not keep Node alive.
    const alive = setInterval(() => {}, 1000);
    const onPruned = (): void => {
      if (store.stats().segments > 1) return;
      unsubscribe('keeperlog:prune', onPruned);
      clearInterval(alive);
      resolve();
    };
    subscribe('keeperlog:prune', onPruned);
  });
}

/** What appending is like while the store is kept, or not. */
async function beside(what: (typeof BESIDE)[number], base: string): Promise<Figures> {
  const store = await openStore({ ...ONE_THREAD, dir: path.join(base, 'store') });
  try {
    await fill(store, inTurn(small()), logBytes / 2);
    await store.seal();
    const isOver = { now: false };
    const keeping = (async () => {
      for (let n = 0; what !== 'nothing' && !isOver.now; n++) await keep(store, what, path.join(base, `${n}`), n);
    })();
    const figures = await openLoop(appendsTo(store), small(), rate, seconds);
    isOver.now = true;
    await keeping;
    return figures;
  } finally {
    await store.close();
  }
}

async function keep(store: Store, what: (typeof BESIDE)[number], backup: string, n: number): Promise<void> {
  if (what === 'backups') await store.backup(backup);
  else if (what === 'compactions') {
    await store.deleteStream(stream(n));
    await store.compact();
  } else await verifiedBy(store);
}

function sealedFiles(dir: string): string[] {
  return filesIn(dir).filter((file) => /\.(sealed|index)$/.test(file));
}

/** Paths of the files in a directory, and in those in it; none where there is no such directory. */
function filesIn(dir: string): string[] {
  if (!fs.existsSync(dir)) return [];
  const names = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' });
  return names.map((name) => path.join(dir, name)).filter((file) => fs.statSync(file).isFile());
}

function bytesOfAll(files: readonly string[]): number {
  return files.reduce((sum, file) => sum + fs.statSync(file).size, 0);
}

function mbPerSecond(bytes: number, ms: number): number {
  return bytes / ms / 1000;
}

async function timed(run: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await run();
  return performance.now() - began;
}

/** The rows of some names, over all runs. */
function rows(all: readonly Run[], names: readonly Name[], format?: (value: number) => string): string[] {
  return names.map((name) => {
    const ofName = all.map((run) => run[name]);
    const floor = median(ofName.map(([, bare]) => bare));
    return comparedRow(
      name,
      ofName.map(([figure]) => figure),
      { floor, ...(format !== undefined && { format }) },
    );
  });
}
