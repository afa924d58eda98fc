/** Real processes that are killed at a system call, and real disks that are full, over a backup and over a restore. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { openStore, restoreStore } from 'keeperlog';
import { beforeAll, describe, expect, it } from 'vitest';
import { isKeeperError } from '../../dist/main/index.js';
import { BINARY } from '../cli/keeperlog.js';
import { fill as fillDisk, smallDisk } from '../faults/disk.js';
import { cannot, orSkip, temporaryDir } from '../faults/kit.js';
import { spread } from '../faults/sweep.js';
import { effort, LONG, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { makeDir, removeDir } from '../support/stores.js';
import { contentOf, eventsOf, filesIn, fill, listOf, open } from './kit.js';

const noStrace = orSkip(cannot('strace'));
const noDisks = orSkip(cannot('root', 'mount'));

/** The calls that change a disk. */
const CALLS = ['openat', 'pwrite64', 'fdatasync', 'fsync', 'rename', 'unlink', 'mkdir'] as const;

/** A store, and a backup of its first part. */
let base: string;
/** Of the first part, and of all of it. */
let ends: { readonly first: number; readonly second: number };
let events: string[];

beforeAll(async () => {
  base = makeDir();
  const dir = path.join(base, 'store');
  const store = await openStore({ dir, segmentBytes: 65_536, sealing: 'on-demand' });
  await fill(store, 300);
  await store.seal();
  await store.checkpoint();
  const first = (await store.backup(path.join(base, 'backup'))).lastSequence;
  await fill(store, 350, 'second');
  await store.checkpoint();
  events = await eventsOf(store);
  ends = { first, second: events.length };
  await store.close();
  return () => removeDir(base);
}, 60_000);

/** A copy of the store and of its backup. */
function copyOfBase(): string {
  const dir = temporaryDir();
  fs.cpSync(base, dir, { recursive: true });
  return dir;
}

const COMMANDS = {
  'the first backup': ['backup', 'fresh', '--dir', 'store'],
  'the next backup': ['backup', 'backup', '--dir', 'store'],
  'a restore': ['restore', 'backup', '--dir', 'restored'],
} as const;
type Name = keyof typeof COMMANDS;

/** Run a command under strace. Returns what strace has told, and how the command ended. */
async function traced(cwd: string, name: Name, ...inject: string[]): Promise<{ log: string; killed: boolean }> {
  const file = `${cwd}.strace`;
  const strace = ['-f', '-qq', '-o', file, '-e', `trace=${CALLS.join(',')}`, ...inject];
  const args = [...strace, process.execPath, BINARY, ...COMMANDS[name]];
  const child = spawn('strace', args, { cwd, stdio: 'ignore', env: { ...process.env, UV_USE_IO_URING: '0' } });
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
    child.on('close', (...ended) => resolve(ended)),
  );
  const killed = signal === 'SIGKILL' || code === 137;
  if (!killed) expect(code).toBe(0);
  return { log: fs.readFileSync(file, 'utf8'), killed };
}

interface Place {
  readonly call: string;
  readonly when: number;
}

/** Every call of the thread that copies from its first file on, as strace counts them: by kind and thread. */
async function placesOf(name: Name): Promise<Place[]> {
  const { log } = await traced(copyOfBase(), name);
  const counts = new Map<string, number>();
  const begun = new Set<string>();
  const places: Place[] = [];
  for (const line of log.split('\n')) {
    const [, thread, call] = /^(\d+) +(\w+)\(/.exec(line) ?? [];
    if (thread === undefined || call === undefined) continue;
    const count = (counts.get(`${thread} ${call}`) ?? 0) + 1;
    counts.set(`${thread} ${call}`, count);
    // What comes before is the loading of modules.
    if (/\.tmp"/.test(line)) begun.add(thread);
    if (begun.has(thread)) places.push({ call, when: count });
  }
  return places;
}

/** What must hold of a backup, whatever became of the process that wrote it. */
async function checkBackup(backup: string, least: number): Promise<void> {
  const dir = path.join(temporaryDir(), 'restored');
  try {
    const { lastSequence } = await restoreStore(backup, dir);
    expect(lastSequence).toBeGreaterThanOrEqual(least);
    const store = await open({ dir });
    expect(await eventsOf(store)).toEqual(events.slice(0, lastSequence));
    await store.close();
  } catch (error) {
    if (least > 0 || !isKeeperError(error, 'ERR_NOT_FOUND')) throw error;
  }
}

/** The store as it was, backed up once more. */
async function backUpAgain(cwd: string, backup: string): Promise<void> {
  const reader = await openStore({ dir: path.join(cwd, 'store'), readOnly: true });
  await reader.backup(backup);
  await reader.close();
  const copies = listOf(backup).content!.segments.length;
  expect(filesIn(backup).filter((name) => name.startsWith('segment'))).toHaveLength(copies);
  await checkBackup(backup, ends.second);
}

const CHECKS: Readonly<Record<Name, (cwd: string) => Promise<void>>> = {
  async 'the first backup'(cwd) {
    const backup = path.join(cwd, 'fresh');
    await checkBackup(backup, 0);
    await backUpAgain(cwd, backup);
  },
  async 'the next backup'(cwd) {
    const backup = path.join(cwd, 'backup');
    await checkBackup(backup, ends.first);
    await backUpAgain(cwd, backup);
  },
  async 'a restore'(cwd) {
    const dir = path.join(cwd, 'restored');
    const whole = events.slice(0, ends.first);
    const found = await openStore({ dir, readOnly: true }).catch((error) => error);
    if (found instanceof Error) {
      const isNone = isKeeperError(found, 'ERR_NOT_FOUND') || isKeeperError(found, 'ERR_INVALID_OPTIONS');
      expect(isNone, found.message).toBe(true);
      await restoreStore(path.join(cwd, 'backup'), dir);
      const store = await open({ dir });
      expect(await eventsOf(store)).toEqual(whole);
      await store.close();
      return;
    }
    expect(await eventsOf(found)).toEqual(whole);
    await found.close();
  },
};

describe.skipIf(noStrace)('kill -9 at a system call', () => {
  it.each(Object.keys(COMMANDS) as Name[])(
    'of %s leaves what was whole before whole, and it can be done again',
    async (name) => {
      const places = await placesOf(name);
      expect(places.length).toBeGreaterThan(30);
      const tried = LONG ? places : spread(places, effort(5, 0));
      let kills = 0;
      for (const { call, when } of tried) {
        const cwd = copyOfBase();
        const { killed } = await traced(cwd, name, '-e', `inject=${call}:signal=KILL:when=${when}`);
        if (killed) kills++;
        progress(`kill -9 at ${call} ${when} of ${name}${killed ? '' : ': it came to its end before'}`);
        try {
          await CHECKS[name](cwd);
        } catch (error) {
          throw new Error(`kill -9 at ${call} ${when}: ${(error as Error).message}`, { cause: error });
        }
        fs.rmSync(cwd, { recursive: true });
      }
      // Another thread may meet the n-th call of its kind first; the last ones may be met by none.
      expect(kills).toBeGreaterThanOrEqual(tried.length * 0.8);
      tally('backup', 'kill -9 at a system call, by strace', kills);
    },
    TIMEOUT_MS,
  );
});

describe.skipIf(noDisks)('a full disk', () => {
  const full = { code: 'ERR_STORAGE', errno: 'ENOSPC' };

  it('that is backed up to is told, leaves the last backup whole, and the store as it was', async () => {
    const disk = smallDisk('size=16m');
    const backup = path.join(disk, 'backup');
    const store = await open();
    await fill(store, 1000);
    await store.backup(backup);
    await fill(store, 2500, 'second');
    const before = contentOf(backup);
    const giveBack = fillDisk(disk, 300_000);
    const hint = expect.stringContaining('the backup before this one, are as they were');
    await expect(store.backup(backup)).rejects.toMatchObject({ ...full, hint });
    expect(contentOf(backup)).toEqual(before);
    const dir = path.join(temporaryDir(), 'restored');
    expect(await restoreStore(backup, dir)).toMatchObject({ lastSequence: 1000 });
    expect(store.stats().mode).toBe('open');
    await store.append('a', { type: 'Said' });
    expect(await store.verify()).toMatchObject({ ok: true });
    giveBack();
    expect(await store.backup(backup)).toMatchObject({ number: 2, lastSequence: 3501 });
  });

  it('that is restored to is told, and left empty', async () => {
    const disk = smallDisk('size=16m');
    const dir = path.join(disk, 'store');
    const store = await open();
    await fill(store, 2000);
    await store.checkpoint();
    const backup = path.join(temporaryDir(), 'backup');
    await store.backup(backup);
    const giveBack = fillDisk(disk, 500_000);
    const hint = expect.stringContaining('Nothing was restored');
    await expect(restoreStore(backup, dir)).rejects.toMatchObject({ ...full, hint });
    expect(filesIn(dir)).toEqual(['keeperlog.lock']);
    giveBack();
    expect(await restoreStore(backup, dir)).toMatchObject({ lastSequence: 2000 });
    const restored = await open({ dir });
    expect(await eventsOf(restored)).toEqual(await eventsOf(store));
    await restored.close();
  });
});
