/**
 * Power cuts, dead processes and failing disks at each step of a backup and of a restore: what had come to its end is whole, what
 * had not is no store, and doing it again works.
 */
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { restoreStoreOn } from '../../dist/main/restore.js';
import { openStoreOn } from '../../dist/main/store.js';
import { isKeeperError } from '../../dist/shared/portable/errors.js';
import { type Storage, storageError } from '../../dist/shared/storage.js';
import { withCallSites } from '../crash/call-site.js';
import { type CrashState, crashStates } from '../crash/crash-states.js';
import { cutOf } from '../crash/explore.js';
import { type Depth, LIGHT, NORMAL } from '../crash/fates.js';
import { DIRECTORY, type Image, type Step } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR, OPTIONS, Session } from '../crash/session.js';
import { linesThatSync } from '../crash/sites.js';
import { effort, SEED, sample, TIMEOUT_MS, tally } from '../support/effort.js';
import { failure } from '../support/errors.js';
import { textOf } from './kit.js';

const BACKUP = '/volume/backups/store';
const RESTORED = '/volume/restored';
const DEPTH: Depth = effort(LIGHT, NORMAL);

/** How many events the backup had, or the store, that had come to its end. */
type Note = number;
type Disk = MemoryDisk<Note>;

/** A store at three times, each a continuation of the one before, and its events in the end. */
let images: { readonly first: Image; readonly second: Image; readonly sealed: Image };
let ends: { readonly first: number; readonly second: number };
let events: string[];

async function makeImages(): Promise<void> {
  const session = new Session();
  const small = (count: number): number[] => Array.from({ length: count }, () => 4);
  await session.open();
  await session.append('a', ...small(300));
  await session.append('a', 30_000);
  await session.append('b', 40_000, 900);
  await session.seal();
  await session.store.checkpoint();
  await session.appendKeyed('keyed', 'order-1', 900);
  await session.close();
  const first = session.disk.image();
  const firstEnd = session.store.stats().durable;
  await session.open();
  await session.append('c', ...small(250));
  await session.append('b', 30_000);
  await session.append('b', 50_000);
  await session.store.checkpoint();
  await session.append('a', 700);
  await session.close();
  const second = session.disk.image();
  await session.open();
  await session.seal();
  await session.append('a', 800);
  events = textOf(await session.store.read().toArray());
  await session.close();
  images = { first, second, sealed: session.disk.image() };
  ends = { first: firstEnd, second: events.length - 1 };
}

/** The directories of an image whose paths begin so, beside all of another one. */
function together(image: Image, other: Image, prefix: string): Image {
  const names = new Map(image.names);
  const contents = new Map(image.contents);
  let inode = Math.max(0, ...contents.keys());
  for (const [name, found] of other.names) {
    if (!`${name}/`.startsWith(prefix)) continue;
    names.set(name, found === DIRECTORY ? DIRECTORY : ++inode);
    if (found !== DIRECTORY) contents.set(inode, other.contents.get(found)!);
  }
  return { names, contents };
}

/** A disk with a backup of a store at one time, and the store at another. */
async function backedUp(image: Image, at: Image): Promise<Image> {
  const disk: Disk = new MemoryDisk<Note>(at);
  await backUp(disk);
  return together(image, disk.image(), '/volume/backups/');
}

async function backUp(storage: Storage): Promise<number> {
  const runtime = new InlineRuntime(storage);
  const store = await openStoreOn({ ...OPTIONS, readOnly: true }, runtime);
  try {
    return (await store.backup(BACKUP)).lastSequence;
  } finally {
    await store.close();
  }
}

async function restore(storage: Storage): Promise<number> {
  return (await restoreStoreOn(BACKUP, RESTORED, {}, new InlineRuntime(storage))).lastSequence;
}

/** The events of the store that was restored; undefined where there is none. */
async function restored(disk: Disk): Promise<string[] | undefined> {
  try {
    const store = await openStoreOn({ ...OPTIONS, dir: RESTORED, readOnly: true }, new InlineRuntime(disk));
    const found = textOf(await store.read().toArray());
    expect((await store.verify({ deep: true })).problems).toEqual([]);
    const { durable } = store.stats();
    if (durable >= 300) await store.prove(77);
    await store.close();
    return found;
  } catch (error) {
    // An empty directory, or one that says that a restore has not come to its end.
    if (isKeeperError(error, 'ERR_NOT_FOUND') || isKeeperError(error, 'ERR_INVALID_OPTIONS')) return undefined;
    throw error;
  }
}

/** Whether what a disk has of a backup is whole, and as new as was promised; then back up once more. */
async function checkBackup(image: Image, promised: Note | undefined): Promise<void> {
  const disk: Disk = new MemoryDisk<Note>(image);
  const end = await restore(disk).catch((error) => {
    if (promised === undefined && isKeeperError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  });
  expect(end ?? 0, 'events of the backup').toBeGreaterThanOrEqual(promised ?? 0);
  if (end !== undefined) expect(await restored(disk), 'what is restored').toEqual(events.slice(0, end));
  const again: Disk = new MemoryDisk<Note>(image);
  const next = await backUp(again);
  expect(await restore(again)).toBe(next);
  expect(await restored(again), 'what the next backup has').toEqual(events.slice(0, next));
  const { content } = (await import('../../dist/shared/backup-dir.js')).readBackupList(again, BACKUP)!;
  const files = again.list(BACKUP).filter((name) => /^segment/.test(name));
  expect(files, 'files of the next backup').toHaveLength(content!.segments.length);
}

/** Whether a restored store is whole or none; then restore once more, unless it is there. */
async function checkRestore(image: Image, promised: Note | undefined): Promise<void> {
  const disk: Disk = new MemoryDisk<Note>(image);
  const found = await restored(disk);
  if (promised !== undefined) expect(found, 'the restored store').toBeDefined();
  if (found !== undefined) {
    expect(found).toEqual(events.slice(0, found.length));
    expect(found.length).toBe(ends.second);
    return;
  }
  expect(await restore(disk)).toBe(ends.second);
  expect(await restored(disk)).toEqual(events.slice(0, ends.second));
}

const IN_VAIN = 'a restore of a damaged backup';

interface Scenario {
  readonly base: () => Promise<Image>;
  /** What there was before. */
  readonly before: () => Note | undefined;
  readonly run: (storage: Storage) => Promise<Note>;
  readonly check: (image: Image, promised: Note | undefined) => Promise<void>;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'the first backup': {
    base: async () => images.first,
    before: () => undefined,
    run: backUp,
    check: checkBackup,
  },
  'the next backup, of more segments and a larger tree': {
    base: () => backedUp(images.second, images.first),
    before: () => ends.first,
    run: backUp,
    check: checkBackup,
  },
  'a backup of segments that were sealed since the last one': {
    base: () => backedUp(images.sealed, images.second),
    before: () => ends.second,
    run: backUp,
    check: checkBackup,
  },
  'a restore': {
    base: async () => withoutStore(await backedUp(images.second, images.second)),
    before: () => undefined,
    run: restore,
    check: checkRestore,
  },
  [IN_VAIN]: {
    base: damagedBackup,
    before: () => undefined,
    run: async (storage) => {
      const error = await restore(storage).catch((found) => found);
      if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
      return 0;
    },
    check: checkNothing,
  },
};

/** A backup of which the newest segment is damaged: that is found out when the others are copied. */
async function damagedBackup(): Promise<Image> {
  const image = withoutStore(await backedUp(images.second, images.second));
  const name = [...image.names.keys()]
    .filter((file) => /\.log\.1$/.test(file))
    .sort()
    .at(-1)!;
  const inode = image.names.get(name)!;
  const bytes = Buffer.from(image.contents.get(inode)!);
  bytes[bytes.length - 1]! ^= 1;
  return { ...image, contents: new Map([...image.contents, [inode, bytes]]) };
}

/** Whether nothing is there that opens, and the next restore gets as far as this one. */
async function checkNothing(image: Image): Promise<void> {
  const disk: Disk = new MemoryDisk<Note>(image);
  expect(await restored(disk)).toBeUndefined();
  await failure('ERR_CORRUPT', () => restore(disk));
  expect(await restored(disk)).toBeUndefined();
}

/** Restored is a store that is lost. */
function withoutStore(image: Image): Image {
  return { ...image, names: new Map([...image.names].filter(([name]) => !`${name}/`.startsWith(`${DIR}/`))) };
}

interface Recorded {
  readonly name: string;
  readonly scenario: Scenario;
  readonly disk: Disk;
  /** The steps before which no cut is made. */
  readonly from: number;
}

async function record(
  name: string,
  scenario: Scenario,
  base: Image,
  journal: readonly Step<Note>[] = [],
): Promise<Recorded> {
  const disk: Disk = new MemoryDisk<Note>(base, journal);
  const before = scenario.before();
  if (before !== undefined) disk.note(before);
  const from = disk.journal.length;
  disk.note(await scenario.run(withCallSites(disk)));
  return { name, scenario, disk, from };
}

const recorded: Recorded[] = [];

beforeAll(async () => {
  await makeImages();
  for (const [name, scenario] of Object.entries(SCENARIOS)) {
    recorded.push(await record(name, scenario, await scenario.base()));
  }
}, TIMEOUT_MS);

async function checkAll(
  { name, scenario, disk, from }: Recorded,
  depth: Depth,
  without: readonly string[] = [],
  every = 1,
): Promise<number> {
  let [count, found] = [0, 0];
  for (const state of crashStates(disk.base, disk.journal, depth, { from, without })) {
    if (found++ % every !== 0) continue;
    await check(name, scenario, state);
    count++;
  }
  tally('backup', 'crash states', count);
  return count;
}

async function check(name: string, scenario: Scenario, state: CrashState<Note>): Promise<void> {
  try {
    await scenario.check(state.image, state.note);
  } catch (error) {
    const where = `FAULTS_SEED=${SEED}: ${name}, cut ${cutOf(state)}`;
    throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

describe('after a power cut', () => {
  it.each(Object.keys(SCENARIOS))(
    'during %s, what had come to its end is whole',
    async (name) => {
      const one = recorded.find((found) => found.name === name)!;
      expect(await checkAll(one, DEPTH, [], effort(3, 1))).toBeGreaterThan(20);
    },
    TIMEOUT_MS,
  );
});

describe('after the death of a process', () => {
  it.each(Object.keys(SCENARIOS))(
    'during %s, the next one comes to its end, and a power cut during that does no harm',
    async (name) => {
      const { disk, scenario } = recorded.find((found) => found.name === name)!;
      const deaths = sample([...disk.journal.keys()], effort(17, 3));
      for (const steps of deaths) {
        const journal = disk.journal.slice(0, steps + 1);
        if (journal.at(-1)!.kind === 'note') continue;
        const dead: Disk = new MemoryDisk<Note>(disk.base, journal);
        await scenario.check(dead.image(), scenario.before());
        // A restore whose last step is done is one that was done.
        if (scenario.run === restore && (await restored(dead)) !== undefined) continue;
        const next = await record(`${name}, dead after step ${steps + 1}`, scenario, disk.base, journal);
        await checkAll(next, LIGHT, [], effort(29, 3));
      }
    },
    TIMEOUT_MS,
  );
});

const CHANGES = ['makeDir', 'openWrite', 'write', 'sync', 'syncDir', 'rename', 'remove'] as const;

/** A disk whose n-th change fails, and what is changed after it does not. */
function failing(disk: Disk, n: number, code: string): { storage: Storage; failed: () => string | undefined } {
  let left = n;
  let failed: string | undefined;
  const members: Record<string, unknown> = {};
  for (const name of CHANGES) {
    members[name] = (...args: unknown[]): unknown => {
      if (left-- === 0) {
        failed = name;
        throw storageError(Object.assign(new Error('injected'), { code }), name);
      }
      return Reflect.apply(Reflect.get(disk, name), disk, args);
    };
  }
  return { storage: intercept(disk, members as Partial<Storage>), failed: () => failed };
}

describe('a disk that fails', () => {
  it.each(Object.entries(SCENARIOS).filter(([name]) => name !== IN_VAIN))(
    'during %s is told by its errno, and what had come to its end is whole',
    async (name, scenario) => {
      const { base } = recorded.find((found) => found.name === name)!.disk;
      const seen = new Set<string>();
      const warned: unknown[] = [];
      const onWarning = (warning: Error): unknown => warned.push(warning);
      process.on('warning', onWarning);
      let tried = 0;
      for (let n = 0, isDone = false; !isDone; n += effort(2, 1)) {
        const disk: Disk = new MemoryDisk<Note>(base);
        const code = n % 4 < 2 ? 'EIO' : 'ENOSPC';
        const { storage, failed } = failing(disk, n, code);
        const error = await scenario.run(storage).then(
          () => undefined,
          (found) => found,
        );
        isDone = failed() === undefined;
        if (isDone) break;
        tried++;
        seen.add(failed()!);
        // What is removed when the backup is made, and cannot be, is removed by the next one.
        if (error !== undefined) expect(error).toMatchObject({ code: 'ERR_STORAGE', errno: code });
        else expect(failed()).toMatch(/^remove/);
        await scenario.check(disk.image(), scenario.before());
      }
      process.off('warning', onWarning);
      expect(seen.size).toBeGreaterThan(4);
      tally('backup', 'failing calls', tried);
    },
    TIMEOUT_MS,
  );
});

const HINT = 'the watermark is a hint: the manifest of the restore says itself how far the log goes';
/** Without these nothing is lost, for the reason that stands beside them. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  'sync@storage.replaceFile<restore.restoreFiles': HINT,
  'syncDir@storage.replaceFile<restore.restoreFiles': HINT,
};

/** What was done by processes that died, and by those that came after them. */
async function afterDeaths(): Promise<Recorded[]> {
  const deaths: Recorded[] = [];
  for (const { name, scenario, disk, from } of recorded) {
    for (const [i, step] of disk.journal.entries()) {
      // Over a directory that it had made, and over a list that was in place, and not yet for good.
      const isDirectory = step.kind === 'create' && step.inode === DIRECTORY;
      const isList = step.kind === 'rename' && path.basename(step.to) === 'keeperlog.backup';
      if (i < from || !(isDirectory || isList)) continue;
      deaths.push(await record(`${name}, dead after step ${i + 1}`, scenario, disk.base, disk.journal.slice(0, i + 1)));
    }
  }
  return deaths;
}

describe('the syncs of a backup and a restore', () => {
  it(
    'are each missed when they are left out, but for those of which it is said why not',
    async () => {
      const sites = new Map<string, { recordings: Recorded[]; line: string }>();
      for (const recording of [...recorded, ...(await afterDeaths())]) {
        for (const step of recording.disk.journal.slice(recording.from)) {
          if ((step.kind !== 'sync' && step.kind !== 'syncDir') || step.by === undefined) continue;
          const site = sites.get(step.by.name) ?? { recordings: [], line: step.by.line };
          if (site.recordings.at(-1) !== recording) site.recordings.push(recording);
          sites.set(step.by.name, site);
        }
      }
      const notMissed: string[] = [];
      for (const [site, { recordings }] of sites) if (!(await isMissed(site, recordings))) notMissed.push(site);
      expect(notMissed.sort()).toEqual(Object.keys(NOT_NEEDED).sort());
      const lines = linesThatSync().filter((line) => line.startsWith('workers/backup'));
      expect(lines.length).toBeGreaterThan(3);
      expect([...sites.values()].map(({ line }) => line)).toEqual(expect.arrayContaining(lines));
    },
    TIMEOUT_MS,
  );
});

async function isMissed(site: string, recordings: readonly Recorded[]): Promise<boolean> {
  for (const recording of recordings) {
    try {
      await checkAll(recording, LIGHT, [site]);
    } catch {
      return true;
    }
  }
  return false;
}

it('has a store to be backed up in three stages', () => {
  expect(path.dirname(DIR)).toBe('/volume');
  expect(ends.first).toBeGreaterThan(256);
  expect(ends.second).toBeGreaterThan(512);
});
