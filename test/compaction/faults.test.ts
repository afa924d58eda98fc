/** Compaction where a call of the system fails, and compacted segments that are damaged. */
import { describe, expect, it } from 'vitest';
import { isKeeperError, type Store } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { indexFile, sealedFile, segmentFile } from '../../dist/shared/format/file-names.js';
import { type FileHandle, type Storage, storageError } from '../../dist/shared/storage.js';
import { COMPACTING, deletedInNewest, deletedStream } from '../crash/compaction.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { contentOf, flippedAt, repair, withFiles } from '../repair/kit.js';
import { effort, TIMEOUT_MS } from '../support/effort.js';

const CHANGES = ['openWrite', 'write', 'sync', 'syncDir', 'rename', 'remove'] as const;
/** Stores of which a stream was deleted, and how many of their segments are compacted. */
const STARTS = [
  ['of sealed segments', deletedStream, 2],
  ['of the newest segment', deletedInNewest, 1],
] as const;

/** A disk of which one of the calls that change anything fails, once it is told which. */
class FailingDisk {
  readonly storage: Storage;
  /** The call that has failed. */
  failed: string | undefined;
  #left = Number.POSITIVE_INFINITY;

  constructor(inner: MemoryDisk) {
    const members: Partial<Record<(typeof CHANGES)[number], unknown>> = {};
    for (const name of CHANGES) {
      members[name] = (...args: unknown[]): unknown => {
        if (this.#left-- !== 0) return Reflect.apply(Reflect.get(inner, name), inner, args);
        this.failed = name;
        const syscall = name.startsWith('sync') ? 'fsync' : name;
        throw storageError(Object.assign(new Error('injected'), { code: 'EIO' }), syscall, DIR);
      };
    }
    this.storage = intercept(inner, members as Partial<Storage>);
  }

  failAfter(calls: number): void {
    this.#left = calls;
  }
}

/** A disk without space for the second segment: for its file, its header, or half of that; or without any for the log. */
class FullDisk {
  readonly storage: Storage;
  has: 'space' | 'open' | 'write' | 'half' | 'nothing' = 'space';

  constructor(inner: MemoryDisk) {
    const handles = new Set<FileHandle>();
    const noSpace = (syscall: string): Error =>
      storageError(Object.assign(new Error('injected'), { code: 'ENOSPC' }), syscall, DIR);
    this.storage = intercept(inner, {
      openWrite: (file, mode) => {
        const isLog = file.endsWith(segmentFile(1)) || file.endsWith(segmentFile(2));
        if (this.has === 'open' && mode === 'create' && isLog) throw noSpace('open');
        const handle = inner.openWrite(file, mode);
        if (isLog) handles.add(handle);
        return handle;
      },
      close: (handle) => {
        handles.delete(handle);
        inner.close(handle);
      },
      write: (handle, parts, offset) => {
        if (this.has === 'space' || !handles.has(handle)) return inner.write(handle, parts, offset);
        if (this.has !== 'half' || offset > 0) throw noSpace('write');
        return inner.write(handle, [parts[0]!.subarray(0, parts[0]!.length / 2)], offset);
      },
    });
  }
}

async function rowsOf(store: Store): Promise<string[]> {
  return (await store.read().toArray()).map((row) => JSON.stringify(row));
}

function openOn(storage: Storage, options: object = {}): Promise<Store> {
  return openStoreOn({ ...COMPACTING, ...options }, new InlineRuntime(storage));
}

describe('a compaction', () => {
  it.each(STARTS)(
    '%s of which any call fails leaves a log that is whole, and that the next one compacts',
    async (_, start, segments) => {
      const { image } = await start();
      const seen = new Set<string>();
      for (let calls = 0; ; calls++) {
        const disk = new MemoryDisk(image);
        const failing = new FailingDisk(disk);
        const store = await openOn(failing.storage);
        const before = await rowsOf(store);
        failing.failAfter(calls);
        const compacted = await store.compact().catch((error: unknown) => error);
        failing.failAfter(Number.POSITIVE_INFINITY);
        if (failing.failed === undefined) {
          expect(compacted).toMatchObject({ segments, later: { unsealed: 0 } });
          break;
        }
        seen.add(failing.failed);
        // What an index alone is hit by, is told to the operator.
        if (compacted instanceof Error) expect(compacted).toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO' });
        expect(await rowsOf(store)).toEqual(before);
        await store.close();
        const again = await openOn(disk);
        expect(await rowsOf(again)).toEqual(before);
        expect(await again.compact()).toMatchObject({ later: { unsealed: 0 } });
        expect(await rowsOf(again)).toEqual(before);
        expect((await again.verify({ deep: true })).problems).toEqual([]);
        await again.close();
      }
      expect([...seen].sort()).toEqual([...CHANGES].sort());
    },
    TIMEOUT_MS,
  );
});

describe('a full disk', () => {
  const OF_GONE = 3;
  const NOTHING = { segments: 0, events: 0, freedBytes: 0, later: { keys: 0, unsealed: OF_GONE } };

  it.each(['open', 'write', 'half'] as const)(
    'that has no space for another segment leaves what is in the newest one to a later compaction, which is told: %s',
    async (at) => {
      const disk = new MemoryDisk((await deletedInNewest()).image);
      const full = new FullDisk(disk);
      const store = await openOn(full.storage);
      const before = await rowsOf(store);
      full.has = at;
      expect(await store.compact()).toEqual(NOTHING);
      expect(await store.compact()).toEqual(NOTHING);
      expect(store.stats().mode).toBe('open');
      full.has = 'space';
      await store.append('later', { type: 'Happened' });
      expect((await store.verify({ deep: true })).problems).toEqual([]);
      expect(await store.compact()).toMatchObject({ segments: 1, events: OF_GONE, later: { keys: 0, unsealed: 0 } });
      await store.append('later', { type: 'Happened' });
      await store.close();
      const again = await openOn(disk);
      expect((await rowsOf(again)).slice(0, -2)).toEqual(before);
      expect((await again.verify({ deep: true })).problems).toEqual([]);
      await again.close();
    },
  );

  it('on which writes are suspended does so too', async () => {
    const full = new FullDisk(new MemoryDisk((await deletedInNewest()).image));
    const runtime = new InlineRuntime(full.storage);
    const store = await openStoreOn(COMPACTING, runtime);
    full.has = 'nothing';
    await expect(store.append('later', { type: 'Happened' })).rejects.toMatchObject({ code: 'ERR_DEGRADED' });
    expect(await store.compact()).toEqual(NOTHING);
    full.has = 'space';
    await new Promise(setImmediate);
    runtime.idle();
    runtime.deliver();
    expect(await store.compact()).toMatchObject({ segments: 1, events: OF_GONE, later: { keys: 0, unsealed: 0 } });
    expect((await store.verify({ deep: true })).problems).toEqual([]);
    await store.close();
  });
});

describe('a compacted segment that is damaged', () => {
  it(
    'is never read as something else, is found by verify, and repaired without bringing back or losing anything intact',
    async () => {
      const { image } = await deletedStream();
      const disk = new MemoryDisk(image);
      const store = await openOn(disk);
      await store.compact();
      const events = await store.read().toArray();
      const whole = new Map(events.map((row) => [row.sequence, JSON.stringify(row)]));
      await store.close();
      const compacted = disk.image();
      let lost = 0;
      for (const name of [sealedFile(1), indexFile(1)]) {
        const content = contentOf(compacted, name);
        const every = Math.max(1, Math.floor(content.length / effort(40, 2000)));
        for (let at = 0; at < content.length; at += every) {
          const where = `${name} at ${at}`;
          const hit = withFiles(compacted, { [name]: flippedAt(content, at) });
          const found: string[] = [];
          let isWhole = true;
          try {
            const reader = await openOn(new MemoryDisk(hit), { readOnly: true });
            for (const sequence of whole.keys()) {
              const row = await reader.get(sequence).catch((error: unknown) => {
                if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
                isWhole = false;
                return undefined;
              });
              if (row !== undefined) found.push(JSON.stringify(row));
            }
            const { problems } = await reader.verify({ deep: true });
            if (!isWhole) expect(problems, where).not.toEqual([]);
            await reader.close();
          } catch (error) {
            if (!isKeeperError(error, 'ERR_CORRUPT')) throw new Error(where, { cause: error });
            isWhole = false;
          }
          const all = new Set(whole.values());
          expect(
            found.filter((row) => !all.has(row)),
            where,
          ).toEqual([]);
          if (isWhole) expect(found.length, where).toBe(whole.size);
          const repaired = new MemoryDisk(hit);
          const report = await repair(repaired);
          const after = await openOn(repaired);
          const left = await after.read().toArray();
          for (const row of left)
            if (row.stream !== '$store') expect(whole.get(row.sequence), where).toBe(JSON.stringify(row));
          const given = new Set(
            report.lost.flatMap(({ firstSequence, lastSequence }) =>
              Array.from({ length: lastSequence - firstSequence + 1 }, (_, i) => firstSequence + i),
            ),
          );
          const missing = [...whole.keys()].filter((sequence) => !left.some((row) => row.sequence === sequence));
          expect(
            missing.filter((sequence) => !given.has(sequence)),
            where,
          ).toEqual([]);
          lost += given.size;
          // An index is no part of the log, and made again by whoever wants it.
          const ofLog = (await after.verify({ deep: true })).problems.filter(({ file }) => !file.endsWith('.index'));
          expect(ofLog, where).toEqual([]);
          await after.close();
        }
      }
      // Some damage costs events, most of it a single group at most.
      expect(lost).toBeGreaterThan(0);
    },
    TIMEOUT_MS,
  );
});
