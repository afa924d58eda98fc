/** Whatever has become of index files, a store answers as without them, and makes them again where it may write. */
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { Logger, Store } from '../../dist/main/index.js';
import { Indexer } from '../../dist/main/seal/indexer.js';
import { type Pool, threadEnded } from '../../dist/main/seal/pool.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { storageError } from '../../dist/shared/storage.js';
import { runSealTask } from '../../dist/workers/seal/seal.js';
import type { Image } from '../crash/image.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { contentOf, filesOf, flippedAt, open, pathOf, repair, withFiles } from '../repair/kit.js';
import { sample, TIMEOUT_MS, tally } from '../support/effort.js';
import { paceOf } from '../support/pace.js';
import { NO_LEASE, WITHOUT_REST } from './kit.js';
import { answers, emptyStore, rawStore } from './questions.js';

let empty: Image;
let raw: Image;
let sealed: Image;
let indexes: string[];
let wanted: string[];

beforeAll(async () => {
  empty = await emptyStore();
  raw = await rawStore(empty);
  wanted = await answersOf(raw);
  const disk = new MemoryDisk(raw);
  const store = await open(disk);
  expect((await store.seal()).segments).toBeGreaterThan(3);
  await store.close();
  sealed = disk.image();
  indexes = indexesIn(sealed);
  expect(indexes).toHaveLength(filesOf(sealed).filter((name) => name.endsWith('.sealed')).length);
}, TIMEOUT_MS);

function indexesIn(image: Image): string[] {
  return filesOf(image).filter((name) => name.endsWith('.index'));
}

/** What a store that is only read answers; it changes nothing. */
async function answersOf(image: Image, options: object = {}): Promise<string[]> {
  const disk = new MemoryDisk(image);
  const store = await open(disk, { readOnly: true, ...options });
  const found = await answers(store);
  await store.close();
  expect(disk.journal).toEqual([]);
  return found;
}

/** Open for writing, ask, and wait until all index files are again what they were. */
function checkMended(image: Image): Promise<void> {
  return checkMendedOn(new MemoryDisk(image));
}

async function checkMendedOn(disk: MemoryDisk): Promise<void> {
  const store = await open(disk);
  expect(await answers(store)).toEqual(wanted);
  await untilMended(disk);
  expect(await answers(store)).toEqual(wanted);
  await store.close();
}

function untilMended(disk: MemoryDisk): Promise<void> {
  return vi.waitFor(() => {
    const image = disk.image();
    expect(indexesIn(image)).toEqual(indexes);
    for (const name of indexes) {
      if (!contentOf(image, name).equals(contentOf(sealed, name))) throw new Error(`${name} is another one`);
    }
    expect(filesOf(image).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
}

const without = (image: Image, ...names: string[]): Image =>
  withFiles(image, Object.fromEntries(names.map((name) => [name, undefined])));

function logged(): { logger: Logger; lines: { fields: any; message: string }[] } {
  const lines: { fields: object; message: string }[] = [];
  const keep = (fields: object, message: string): void => void lines.push({ fields, message });
  return { logger: { error: keep, warn: keep, info() {}, debug() {} }, lines };
}

describe('a store with index files', () => {
  it('answers as without them, and reads less', async () => {
    expect(await answersOf(sealed)).toEqual(wanted);
    const bytesRead = async (image: Image): Promise<number> => {
      const store = await open(new MemoryDisk(image), { readOnly: true });
      const rows = store.query({ where: { session: { eq: 'session-2' }, sequence: { lte: 1500 } } });
      expect(await rows.toArray()).toHaveLength(25);
      const explained = await rows.explain();
      if (image === sealed) {
        expect(explained.recordsExamined).toBe(25);
        expect(explained.segmentsPruned).toBeGreaterThanOrEqual(explained.segmentsConsidered - 2);
      }
      await store.close();
      return explained.bytesRead;
    };
    expect(await bytesRead(sealed)).toBeLessThan((await bytesRead(without(sealed, ...indexes))) / 4);
  });

  it.each([0, 5000])('keeps to a budget of %d bytes', async (indexBytes) => {
    const store = await open(new MemoryDisk(sealed), { readOnly: true, indexBytes });
    expect(await answers(store)).toEqual(wanted);
    const { memory } = store.stats();
    // What is known of raw segments' blocks is no section of an index, and of no budget.
    expect(memory.index.bytes).toBeLessThanOrEqual(indexBytes + 20_000);
    await store.close();
  });

  it('takes some segments raw, some sealed, some without an index', async () => {
    const files = filesOf(sealed).filter((name) => name.endsWith('.sealed'));
    const second = files[1]!;
    const rawName = second.replace('.sealed', '.log');
    const mixed = withFiles(sealed, {
      [second]: undefined,
      [indexes[1]!]: undefined,
      [rawName]: contentOf(raw, rawName),
      [indexes[2]!]: undefined,
    });
    expect(await answersOf(mixed)).toEqual(wanted);
    await checkMendedBySeal(mixed);
  });

  it('gives seal() the ones that are missing', async () => {
    await checkMendedBySeal(without(sealed, ...indexes));
  });

  async function checkMendedBySeal(image: Image): Promise<void> {
    const disk = new MemoryDisk(image);
    const store = await open(disk);
    await store.seal();
    await untilMended(disk);
    expect(await answers(store)).toEqual(wanted);
    await store.close();
  }
});

describe('an index file', () => {
  it.each<[string, (image: Image, name: string) => Record<string, Buffer | undefined>]>([
    ['is missing', (_, name) => ({ [name]: undefined })],
    ['is empty', (_, name) => ({ [name]: Buffer.alloc(0) })],
    ['is cut off in its header', (image, name) => ({ [name]: contentOf(image, name).subarray(0, 200) })],
    ['is cut off behind it', (image, name) => ({ [name]: contentOf(image, name).subarray(0, 1000) })],
    [
      'is that of another segment',
      (image, name) => ({ [name]: contentOf(image, indexes.find((one) => one !== name)!) }),
    ],
    ['is zeros behind its header', (image, name) => ({ [name]: Buffer.from(contentOf(image, name)).fill(0, 512) })],
    ['is all zeros', (image, name) => ({ [name]: Buffer.alloc(contentOf(image, name).length) })],
  ])('that %s is done without, and made again', async (_, change) => {
    for (const name of indexes) {
      const image = withFiles(sealed, change(sealed, name));
      expect(await answersOf(image)).toEqual(wanted);
      await checkMended(image);
    }
  });

  it('that is of what the segment was before is stale', async () => {
    // As where a repair, or a backup that was put back, has the same store go on differently.
    const other = await rawStore(empty, 1);
    const disk = new MemoryDisk(other);
    const store = await open(disk);
    await store.seal();
    const theirs = await answers(store);
    await store.close();
    expect(theirs).not.toEqual(wanted);
    for (const name of indexes) {
      const image = withFiles(disk.image(), { [name]: contentOf(sealed, name) });
      expect(await answersOf(image)).toEqual(theirs);
    }
  });

  it(
    'of which a byte is another one changes no answer',
    async () => {
      let tried = 0;
      for (const name of indexes) {
        const content = contentOf(sealed, name);
        for (const at of sample([...content.keys()], 397)) {
          const image = withFiles(sealed, { [name]: flippedAt(content, at, 0x11) });
          const found = await answersOf(image, { indexBytes: at % 2 === 0 ? 0 : 64 * 1024 * 1024 });
          expect(found, `${name} at ${at}`).toEqual(wanted);
          tried++;
        }
      }
      expect(tried).toBeGreaterThan(20);
      tally('rot', 'bytes of index files turned over', tried);
    },
    TIMEOUT_MS,
  );

  it('that the system cannot read is done without', async () => {
    for (const call of ['openRead', 'read'] as const) {
      const disk = new MemoryDisk(sealed);
      const bad = new Set<number>();
      const fail = (): never => {
        throw storageError(Object.assign(new Error('bad sector'), { code: 'EIO' }), call);
      };
      const storage = intercept(disk, {
        openRead: (file) => {
          if (!file.endsWith('.index')) return disk.openRead(file);
          if (call === 'openRead') fail();
          const handle = disk.openRead(file);
          bad.add(handle);
          return handle;
        },
        read: (handle, target, offset) => (bad.has(handle) ? fail() : disk.read(handle, target, offset)),
        readAsync: async (handle, target, offset) =>
          bad.has(handle) ? fail() : disk.readAsync(handle, target, offset),
        close: (handle) => {
          bad.delete(handle);
          disk.close(handle);
        },
      });
      const store = await open(storage as MemoryDisk, { readOnly: true });
      expect(await answers(store)).toEqual(wanted);
      await store.close();
    }
  });
});

/** A disk on which index files cannot be opened, or read, for as long as is said. */
function failing(disk: MemoryDisk, call: 'openRead' | 'read', code: string): { storage: MemoryDisk; isOver: boolean } {
  const indexHandles = new Set<number>();
  const state = { storage: disk, isOver: false };
  const check = (isHit: boolean): void => {
    if (isHit && !state.isOver) throw storageError(Object.assign(new Error('no'), { code }), call);
  };
  state.storage = intercept(disk, {
    openRead: (file) => {
      check(call === 'openRead' && file.endsWith('.index'));
      const handle = disk.openRead(file);
      if (file.endsWith('.index')) indexHandles.add(handle);
      return handle;
    },
    read: (handle, target, offset) => {
      check(call === 'read' && indexHandles.has(handle));
      return disk.read(handle, target, offset);
    },
    readAsync: async (handle, target, offset) => {
      check(call === 'read' && indexHandles.has(handle));
      return disk.readAsync(handle, target, offset);
    },
    close: (handle) => {
      indexHandles.delete(handle);
      disk.close(handle);
    },
  }) as MemoryDisk;
  return state;
}

/** How many records a query looks at that an index answers. */
async function examined(store: Store): Promise<number> {
  const rows = store.query({ where: { session: { eq: 'session-2' }, sequence: { lte: 1500 } } });
  expect(await rows.toArray()).toHaveLength(25);
  return (await rows.explain()).recordsExamined;
}

describe('an index file that cannot be opened or read for the moment', () => {
  it.each([
    ['openRead', 'EMFILE'],
    ['openRead', 'ENFILE'],
    ['read', 'ENOMEM'],
  ] as const)('(%s: %s) is done without, neither made again nor forgotten', async (call, code) => {
    const disk = new MemoryDisk(sealed);
    const state = failing(disk, call, code);
    const store = await open(state.storage);
    expect(await answers(store)).toEqual(wanted);
    const { ok, problems } = await store.verify();
    expect(ok).toBe(false);
    expect(problems).toHaveLength(indexes.length);
    for (const problem of problems) {
      expect(problem).toMatchObject({ code: 'ERR_STORAGE', message: expect.stringContaining(code) });
    }
    state.isOver = true;
    expect(await examined(store)).toBe(25);
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.close();
    const names = disk.journal.flatMap((step) => ('to' in step ? [step.to] : []));
    expect(names.filter((name) => name.endsWith('.index'))).toEqual([]);
  });
});

describe('an index file that does not verify', () => {
  it('is looked at again by who only reads once it is another file', async () => {
    const [name] = indexes;
    const disk = new MemoryDisk(withFiles(sealed, { [name!]: Buffer.alloc(contentOf(sealed, name!).length) }));
    let reads = 0;
    const handles = new Set<number>();
    const storage = intercept(disk, {
      openRead: (file) => {
        const handle = disk.openRead(file);
        if (file.endsWith(name!)) handles.add(handle);
        return handle;
      },
      read: (handle, target, offset) => {
        if (handles.has(handle)) reads++;
        return disk.read(handle, target, offset);
      },
      close: (handle) => {
        handles.delete(handle);
        disk.close(handle);
      },
    });
    const reader = await open(storage as MemoryDisk, { readOnly: true, indexBytes: 0 });
    const without = await examined(reader);
    expect(without).toBeGreaterThan(25);
    const damaged = reads;
    expect(damaged).toBeGreaterThan(0);
    expect(await examined(reader)).toBe(without);
    expect(reads).toBe(damaged);
    expect(handles.size).toBe(0);
    await checkMendedOn(disk);
    expect(await examined(reader)).toBe(25);
    expect(reads).toBeGreaterThan(damaged + 1);
    expect(await answers(reader)).toEqual(wanted);
    await reader.close();
  });
});

describe('verify', () => {
  it(
    'says nothing of an index file that is missing, and finds every byte that is another one',
    async () => {
      const problemsOf = async (image: Image): Promise<readonly object[]> => {
        const store = await open(new MemoryDisk(image), { readOnly: true });
        const { ok, problems } = await store.verify({ deep: true });
        expect(ok).toBe(problems.length === 0);
        await store.close();
        return problems;
      };
      expect(await problemsOf(sealed)).toEqual([]);
      expect(await problemsOf(without(sealed, ...indexes))).toEqual([]);
      const [name] = indexes;
      const content = contentOf(sealed, name!);
      for (const at of sample([...content.keys()], 211)) {
        const problems = await problemsOf(withFiles(sealed, { [name!]: flippedAt(content, at) }));
        const wrong = { code: 'ERR_CORRUPT', file: pathOf(name!), message: expect.stringContaining('made again') };
        expect(problems, `at ${at}`).toEqual([wrong]);
      }
    },
    TIMEOUT_MS,
  );

  it('has a damaged one made again, where the store may write', async () => {
    const [name] = indexes;
    const disk = new MemoryDisk(withFiles(sealed, { [name!]: flippedAt(contentOf(sealed, name!), 3000) }));
    const store = await open(disk);
    expect((await store.verify()).problems).toHaveLength(1);
    await untilMended(disk);
    expect(await store.verify()).toMatchObject({ ok: true });
    await store.close();
  });
});

describe('where an index file cannot be made', () => {
  it.each(['ENOSPC', 'EIO'])('for %s, sealing is as it was, and it is told once for each', async (code) => {
    const disk = new MemoryDisk(raw);
    let failing = true;
    const handles = new Set<number>();
    const storage = intercept(disk, {
      openWrite: (file, mode) => {
        const handle = disk.openWrite(file, mode);
        if (file.includes('.index')) handles.add(handle);
        return handle;
      },
      write: (handle, parts, offset) => {
        if (!failing || !handles.has(handle)) return disk.write(handle, parts, offset);
        throw storageError(Object.assign(new Error('no'), { code }), 'write');
      },
      close: (handle) => {
        handles.delete(handle);
        disk.close(handle);
      },
    });
    const { logger, lines } = logged();
    const store: Store = await open(storage as MemoryDisk, { logger });
    const report = await store.seal();
    expect(report).toMatchObject({ segments: indexes.length, indexesMissing: indexes.length });
    expect(indexesIn(disk.image())).toEqual([]);
    expect(filesOf(disk.image()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
    expect(await answers(store)).toEqual(wanted);
    expect(lines.map(({ message }) => message)).toEqual(
      indexes.map(() => 'the index of a sealed segment could not be made: queries go on without it'),
    );
    expect(lines[0]!.fields.err).toMatchObject({ code: 'ERR_STORAGE', errno: code });
    await store.append('agent/1', { type: 'Said' });
    expect(await store.seal()).toMatchObject({ segments: 0, indexesMissing: indexes.length });
    failing = false;
    expect(await store.seal()).toMatchObject({ segments: 0, indexesMissing: 0 });
    await untilMended(disk);
    await store.close();
  });
});

describe('a repair', () => {
  it('leaves no index of a segment that it writes anew', async () => {
    const name = filesOf(sealed).filter((one) => one.endsWith('.sealed'))[1]!;
    const index = name.replace('.sealed', '.index');
    const disk = new MemoryDisk(withFiles(sealed, { [name]: flippedAt(contentOf(sealed, name), 2000) }));
    const report = await repair(disk);
    expect(report.lost.length).toBeGreaterThan(0);
    expect(indexesIn(disk.image())).toEqual(indexes.filter((one) => one !== index));
    const store = await open(disk);
    const before = await answers(store).catch((error) => error.code);
    const all = await store.read().toArray();
    await store.seal();
    expect(await store.read().toArray()).toHaveLength(all.length);
    expect(await answers(store).catch((error) => error.code)).toEqual(before);
    expect(await store.query({ where: { agent: { eq: 'bob' } } }).toArray()).toHaveLength(
      all.filter(({ metadata }) => metadata.agent === 'bob').length,
    );
    expect(indexesIn(disk.image())).toEqual(indexes);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
    await store.close();
  });
});

describe('a thread of the pool that ends over an index', () => {
  it('is followed by another one, and by none in the end', async () => {
    for (const ends of [2, 3]) {
      const disk = new MemoryDisk(without(sealed, indexes[0]!));
      const { storeId, nodeId } = await identityOf(disk);
      let left = ends;
      const failures: unknown[] = [];
      const made: number[] = [];
      const pool: Pool = {
        async run(task) {
          const { kind, step } = task as Extract<SealTask, { kind: 'index' }>;
          if (kind === 'index' && step.step === 'merge' && left-- > 0) {
            throw threadEnded(new Error('out of memory'));
          }
          return runSealTask(disk, task) as Promise<any>;
        },
        async close() {},
      };
      const indexer = new Indexer({
        storage: disk,
        pool,
        work: { dir: DIR, storeId: Buffer.from(storeId, 'hex'), nodeId, holes: [] },
        pace: paceOf(),
        lease: () => NO_LEASE,
        onMade: (number) => void made.push(number),
        onFailure: (error) => void failures.push(error),
      });
      expect(indexer.missing()).toEqual([1]);
      await indexer.make(1, WITHOUT_REST);
      if (ends === 2) {
        await untilMended(disk);
        expect([made, failures]).toEqual([[1], []]);
      } else {
        expect(failures).toEqual([expect.objectContaining({ code: 'ERR_STORAGE', syscall: 'worker' })]);
        expect(filesOf(disk.image()).filter((name) => /tmp$/.test(name))).toEqual([]);
        indexer.makeSoon(1); // has failed, and is not tried again by itself
        await indexer.close();
        expect(indexer.missing()).toEqual([1]);
      }
    }
  });
});

async function identityOf(disk: MemoryDisk): Promise<{ storeId: string; nodeId: string }> {
  const store = await open(disk, { readOnly: true });
  const { storeId, nodeId } = store.stats();
  await store.close();
  return { storeId, nodeId };
}
