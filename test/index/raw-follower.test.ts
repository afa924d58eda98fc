/** The index of the newest segment is kept up with the log while queries come, and only then. */
import path from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Store } from '../../dist/main/index.js';
import { Catalog, type Segment } from '../../dist/main/read/catalog.js';
import type { RawIndex } from '../../dist/main/read/raw-index.js';
import { RawIndexes } from '../../dist/main/read/raw-indexes.js';
import { Records } from '../../dist/main/read/records.js';
import type { Run } from '../../dist/main/read/run.js';
import { TailCache } from '../../dist/main/read/tail-cache.js';
import { PlaceHasher, recordSeed } from '../../dist/shared/format/checksum.js';
import { inspectStore, readManifest } from '../../dist/shared/inspect.js';
import { storageError } from '../../dist/shared/storage.js';
import { EMPTY_DISK, type Image } from '../crash/image.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { open } from '../repair/kit.js';
import { failure } from '../support/errors.js';
import { answers, event } from './questions.js';

const EVENTS = 6000;
const BATCH = 50;
const SEGMENT_BYTES = 256 * 1024;
/** So many records at most are left to the next query. */
const LAG = 256;
const FOLLOWED_MS = 10_000;

async function append(store: Store, count: number, ids: string[] = []): Promise<void> {
  for (let n = 0; n < count; n += BATCH) {
    const events = Array.from({ length: BATCH }, (_, i) => event(n + i, ids));
    ids.push(...(await store.append(`agent/${(n / BATCH) % 7}`, events)).ids);
  }
}

/** The same events in several segments, and in one. */
let several: Image;
let single: Image;

beforeAll(async () => {
  several = await imageOf(SEGMENT_BYTES);
  single = await imageOf(16 * 1024 * 1024);
});

async function imageOf(segmentBytes: number): Promise<Image> {
  const disk = new MemoryDisk(EMPTY_DISK);
  const store = await open(disk, { segmentBytes });
  await append(store, EVENTS);
  await store.close();
  return disk.image();
}

/** A cache that has all that is durable. */
class WholeCache extends TailCache {
  #runs: readonly Run[] = [];

  async fill(catalog: Catalog, lastSequence: number): Promise<void> {
    const runs: Run[] = [];
    for (let sequence = 1; sequence <= lastSequence; sequence = runs.at(-1)!.lastSequence + 1) {
      const run = await catalog.load(sequence, lastSequence);
      runs.push({ ...run, fileOffset: -1 });
    }
    this.#runs = runs;
  }

  override load(sequence: number): Run | undefined {
    return this.#runs.find((run) => sequence >= run.firstSequence && sequence <= run.lastSequence);
  }
}

interface Log {
  readonly indexes: RawIndexes;
  readonly records: Records;
  readonly segments: readonly { readonly number: number; readonly firstSequence: number }[];
  readonly durable: number;
  /** Whether anybody hears of what becomes durable. */
  readonly isHeard: boolean;
  moveTo(durable: number): void;
  /** The segments that are in use by now. */
  segment(number: number): Segment;
}

/** The log of the store, of which some is durable by now; nothing is in the cache, or everything. */
async function log(
  durable: number,
  {
    indexBytes = 64 * 1024 * 1024,
    wrap = (disk: MemoryDisk): MemoryDisk => disk,
    image = several,
    isCached = false,
  } = {},
): Promise<Log> {
  const disk = wrap(new MemoryDisk(image));
  const manifest = readManifest(disk, DIR)!;
  const { storeId, segments } = await inspectStore(disk, DIR, manifest);
  const hasher = await PlaceHasher.create(storeId);
  const catalog = new Catalog(disk, DIR, storeId, hasher, manifest, indexBytes);
  const tail = new WholeCache(0);
  const state = { durable };
  const horizon = {
    refresh: () => state.durable,
    newestSegment: () => segments.findLast(({ firstSequence }) => firstSequence <= state.durable)!.number,
  };
  const records = new Records(catalog, tail, horizon, recordSeed(storeId), manifest);
  if (isCached) {
    // By a catalog of its own: in the other one the newest segment is that of what is durable.
    const all = new Catalog(disk, DIR, storeId, hasher, manifest, 0);
    all.discover(segments.at(-1)!.number);
    await tail.fill(all, EVENTS);
    all.close();
  }
  const indexes = new RawIndexes(records, catalog.indexFiles.memory);
  onTestFinished(async () => {
    await indexes.close();
    catalog.close();
  });
  records.durable();
  return {
    indexes,
    records,
    segments,
    get durable() {
      return state.durable;
    },
    get isHeard() {
      return tail.onTaken !== undefined;
    },
    moveTo(sequence) {
      state.durable = sequence;
      tail.onTaken?.(sequence);
    },
    segment: (number) => catalog.segments.find((one) => one.number === number)!,
  };
}

/** What a query does. */
async function use({ indexes, records, segments }: Log, number = 1): Promise<RawIndex | undefined> {
  const durable = records.durable();
  const { firstSequence } = segments.find((one) => one.number === number + 1) ?? { firstSequence: durable + 1 };
  const segment = records.catalog.segments.find((one) => one.number === number)!;
  return indexes.get(segment, Math.min(durable, firstSequence - 1), () => {});
}

/** Turns of the event loop, more than anything takes that is begun. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise(setImmediate);
}

function keptUp(index: RawIndex, durable: number): Promise<void> {
  return vi.waitFor(() => expect(durable - index.nextSequence).toBeLessThan(LAG));
}

describe('the index of the newest segment', () => {
  it('takes in what becomes durable once a query has used it', async () => {
    const one = await log(300);
    const index = (await use(one))!;
    expect(index.nextSequence).toBe(301);
    for (const durable of [600, 900]) {
      one.moveTo(durable);
      await keptUp(index, durable);
    }
    expect(await use(one)).toBe(index);
    expect(index.nextSequence).toBe(901);
  });

  it('leaves a few records to the query', async () => {
    const one = await log(300);
    const index = (await use(one))!;
    one.moveTo(310);
    await turns();
    expect(index.nextSequence).toBe(301);
  });

  it('is not followed where no query has used it', async () => {
    const one = await log(300);
    expect(one.isHeard).toBe(false);
    one.moveTo(900);
    await turns();
    expect(one.records.catalog.indexFiles.memory.bytes).toBe(0);
  });

  it('is not followed for a query of an older segment', async () => {
    const one = await log(4000);
    expect(one.segments.length).toBeGreaterThan(2);
    await use(one, 1);
    expect(one.isHeard).toBe(false);
  });

  it.each([false, true])(
    'is finished when the log goes on in the next one, which is followed from then on (cached: %s)',
    async (isCached) => {
      const one = await log(300, { isCached });
      const index = (await use(one))!;
      const second = one.segments[1]!.firstSequence;
      one.moveTo(second + 300);
      const next = await vi.waitFor(() => {
        const found = one.indexes.inMemory(one.segment(2));
        expect(found?.nextSequence).toBeGreaterThan(second);
        return found!;
      });
      expect([index.nextSequence, index.openSequence]).toEqual([second, second]);
      one.moveTo(second + 800);
      await keptUp(next, second + 800);
    },
  );

  it('takes its records from the cache, and their places from the file while they are still there', async () => {
    let isFile = false;
    const wrap = (disk: MemoryDisk): MemoryDisk =>
      intercept(disk, {
        readAsync: async (...read) => {
          isFile = true;
          return disk.readAsync(...read);
        },
      });
    const one = await log(300, { image: single, isCached: true, wrap });
    isFile = false;
    const index = (await use(one))!;
    one.moveTo(1000);
    await keptUp(index, 1000);
    expect([isFile, index.openSequence]).toEqual([false, 1]);
    one.moveTo(EVENTS);
    await keptUp(index, EVENTS);
    await vi.waitFor(() => expect(index.openBytes).toBeLessThan(1024 * 1024));
    expect(isFile).toBe(true);
    expect(index.openSequence).toBeGreaterThan(1);
  });

  it('tells the places of many records, wherever these came from, and of a few only where they are not in the cache', async () => {
    const cached = (await use(await log(3000, { image: single, isCached: true })))!;
    const other = (await use(await log(3000, { image: single })))!;
    const some = (count: number): Uint32Array => Uint32Array.from({ length: count }, (_, i) => 3 * i);
    expect(await cached.recordsAt(some(500))).toBeUndefined();
    expect(await cached.recordsAt(some(900))).toEqual(await other.recordsAt(some(900)));
    expect(await other.recordsAt(some(10))).toBeDefined();
    expect(cached.openSequence).toBeGreaterThan(2690);
  });

  it('is followed for ten seconds after the last query', async () => {
    const one = await log(300);
    const now = performance.now();
    const clock = vi.spyOn(performance, 'now').mockReturnValue(now);
    onTestFinished(() => clock.mockRestore());
    const index = (await use(one))!;
    clock.mockReturnValue(now + FOLLOWED_MS - 10);
    one.moveTo(600);
    await keptUp(index, 600);
    const { nextSequence } = index;
    clock.mockReturnValue(now + FOLLOWED_MS + 1000);
    one.moveTo(900);
    expect(one.isHeard).toBe(false);
    await turns();
    expect(index.nextSequence).toBe(nextSequence);
    await use(one);
    one.moveTo(1200);
    await keptUp(index, 1200);
  });

  it('that the memory has let go is not built again before a query wants it', async () => {
    const one = await log(300);
    await use(one);
    one.records.catalog.indexFiles.renewed(1);
    one.moveTo(900);
    await vi.waitFor(() => expect(one.isHeard).toBe(false));
    expect(one.indexes.inMemory(one.segment(1))).toBeUndefined();
    const index = (await use(one))!;
    one.moveTo(1200);
    await keptUp(index, 1200);
  });

  it('is not followed beyond the budget', async () => {
    const one = await log(300, { indexBytes: 100_000 });
    expect(await use(one)).toBeDefined();
    one.moveTo(1500);
    await vi.waitFor(() => expect(one.isHeard).toBe(false));
    expect(one.records.catalog.indexFiles.memory.bytes).toBeLessThanOrEqual(100_000);
    expect(await use(one)).toBeUndefined();
  });

  it('that cannot be read on is left as it is, and the next query is told', async () => {
    let isBad = false;
    const wrap = (disk: MemoryDisk): MemoryDisk =>
      intercept(disk, {
        readAsync: async (handle, target, offset) => {
          if (isBad) throw storageError(Object.assign(new Error('bad sector'), { code: 'EIO' }), 'read');
          return disk.readAsync(handle, target, offset);
        },
      });
    const one = await log(300, { wrap });
    const index = (await use(one))!;
    isBad = true;
    one.moveTo(900);
    await vi.waitFor(() => expect(one.isHeard).toBe(false));
    expect(index.nextSequence).toBe(301);
    await failure('ERR_STORAGE', () => use(one));
    isBad = false;
    expect(await use(one)).toBe(index);
    one.moveTo(1200);
    await keptUp(index, 1200);
  });

  it('that the memory lets go during a read is not put back', async () => {
    const reads = heldUp();
    const one = await log(300, reads);
    const index = (await use(one))!;
    reads.begin();
    one.moveTo(900);
    const finish = await reads.next();
    one.records.catalog.indexFiles.renewed(1);
    finish();
    await vi.waitFor(() => expect(one.isHeard).toBe(false));
    expect(one.indexes.inMemory(one.segment(1))).toBeUndefined();
    expect(index.nextSequence).toBeLessThan(900);
  });

  it('is read no more once it is closed, which waits for the read under way', async () => {
    const reads = heldUp();
    const one = await log(300, reads);
    const index = (await use(one))!;
    reads.begin();
    one.moveTo(700);
    const finish = await reads.next();
    let isClosed = false;
    const closed = one.indexes.close().then(() => {
      isClosed = true;
    });
    await turns();
    expect(isClosed).toBe(false);
    finish();
    await closed;
    expect(index.nextSequence).toBeLessThan(700);
    reads.end();
    one.moveTo(1000);
    await use(one);
    expect(one.isHeard).toBe(false);
  });
});

/** Reads that wait for the test, from one moment to another. */
function heldUp(): {
  wrap(disk: MemoryDisk): MemoryDisk;
  begin(): void;
  end(): void;
  /** What lets the read go on that waits. */
  next(): Promise<() => void>;
} {
  let isHeld = false;
  let finish: (() => void) | undefined;
  return {
    wrap: (disk) =>
      intercept(disk, {
        readAsync: async (...read) => {
          if (isHeld) {
            await new Promise<void>((resolve) => {
              finish = resolve;
            });
          }
          return disk.readAsync(...read);
        },
      }),
    begin: () => {
      isHeld = true;
    },
    end: () => {
      isHeld = false;
    },
    next: () =>
      vi.waitFor(() => {
        expect(finish).toBeDefined();
        return finish!;
      }),
  };
}

describe('a store', () => {
  const where = { stream: { eq: 'agent/3' } };

  it('has its index grow between queries, in which the last events of a stream are then found without a file', async () => {
    const store = await open(new MemoryDisk(EMPTY_DISK), {
      segmentBytes: 8 * 1024 * 1024,
      cacheBytes: 8 * 1024 * 1024,
    });
    await append(store, 3000);
    await store.query({ where, direction: 'backwards', limit: 10 }).toArray();
    const { bytes } = store.stats().memory.index;
    await append(store, 3000);
    await vi.waitFor(() => expect(store.stats().memory.index.bytes).toBeGreaterThan(1.3 * bytes));
    const rows = store.query({ where, direction: 'backwards', limit: 100 });
    expect(await rows.toArray()).toHaveLength(100);
    expect(await rows.explain()).toMatchObject({ bytesRead: 0, recordsExamined: 100 });
    await store.close();
  });

  it('that nobody queries makes no index', async () => {
    const store = await open(new MemoryDisk(EMPTY_DISK), { segmentBytes: 8 * 1024 * 1024 });
    await append(store, 3000);
    await turns();
    expect(store.stats().memory.index.bytes).toBe(0);
    await store.close();
  });

  it('that is closed while its index is followed reads nothing more', async () => {
    const late: string[] = [];
    let isClosed = false;
    const disk = new MemoryDisk(EMPTY_DISK);
    const storage = intercept(disk, {
      openRead: (file) => {
        if (isClosed) late.push(path.basename(file));
        return disk.openRead(file);
      },
      readAsync: async (...read) => {
        if (isClosed) late.push('read');
        return disk.readAsync(...read);
      },
    });
    const store = await open(storage, { segmentBytes: 8 * 1024 * 1024 });
    await append(store, 3000);
    await store.query({ where, limit: 10 }).toArray();
    await append(store, 1000);
    await store.close();
    isClosed = true;
    await turns();
    expect(late).toEqual([]);
  });

  it.each([
    ['nothing', 0, 1],
    ['a little', 128 * 1024, 1],
    ['a little, in one segment', 128 * 1024, 16],
    ['everything', 16 * 1024 * 1024, 1],
  ])('answers the same with %s in its cache, while its index is followed', async (_, cacheBytes, segmentMib) => {
    const disk = new MemoryDisk(EMPTY_DISK);
    const store = await open(disk, { segmentBytes: segmentMib * 1024 * 1024, cacheBytes });
    const ids: string[] = [];
    for (let round = 0; round < 5; round++) {
      await append(store, 2500, ids);
      const found = await answers(store);
      const other = await open(new MemoryDisk(disk.image()), { readOnly: true, indexBytes: 0 });
      expect(found).toEqual(await answers(other));
      await other.close();
    }
    await store.seal();
    const found = await answers(store);
    await store.close();
    const again = await open(disk, { readOnly: true });
    expect(await answers(again)).toEqual(found);
    await again.close();
  });
});
