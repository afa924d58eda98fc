import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TailCache } from '../../dist/main/read/tail-cache.js';
import { addRecord, isIntact, ringOf } from '../support/ring.js';

const LARGEST = 2048;

interface Taken {
  readonly cache: TailCache;
  readonly lengths: Map<number, number>;
}

/** Bring batches of records through a small ring into a cache. */
function takeAll(cacheBytes: number, batches: readonly (readonly number[])[], onTaken?: (taken: Taken) => void): Taken {
  const ring = ringOf(16 * 1024, 0, LARGEST);
  const cache = new TailCache(cacheBytes);
  const lengths = new Map<number, number>();
  let sequence = 0;
  for (const batch of batches) {
    const first = sequence + 1;
    for (const length of batch) {
      addRecord(ring.producer, length, ++sequence);
      lengths.set(sequence, length);
    }
    ring.producer.commit();
    const { position } = ring.producer.head;
    cache.take(ring.state, position, first, sequence);
    ring.producer.reclaim(position);
    cache.skipTo(ring.producer.head);
    onTaken?.({ cache, lengths });
  }
  return { cache, lengths };
}

/** Every record that the cache holds is whole; tells how many bytes and records there are. */
function check({ cache, lengths }: Taken): { bytes: number; count: number } {
  let bytes = 0;
  let count = 0;
  for (const [sequence, length] of lengths) {
    const run = cache.load(sequence);
    expect(cache.holdsFrom(sequence)).toBe(run !== undefined);
    if (sequence < cache.first) expect(run).toBeUndefined();
    if (run === undefined) continue;
    expect(run.firstSequence).toBe(cache.first);
    expect(run.lastSequence).toBe(lengths.size);
    expect(isIntact(run.memory.bytes, run.at(sequence), length, sequence), `sequence ${sequence}`).toBe(true);
    bytes += length;
    count++;
  }
  return { bytes, count };
}

const length = fc.integer({ min: 8, max: LARGEST / 8 }).map((n) => n * 8);
const batch = fc.array(length, { minLength: 1, maxLength: 6 });

describe('the tail cache', () => {
  test('holds the newest records, whole, within its budget', () => {
    const budget = fc.oneof(fc.nat({ max: 64 * 1024 }), fc.nat({ max: 4096 }), fc.constantFrom(0, 1, 8, 9, 72, 100));
    fc.assert(
      fc.property(budget, fc.array(batch, { maxLength: 40 }), (cacheBytes, batches) => {
        takeAll(cacheBytes, batches, (taken) => {
          const { bytes, count } = check(taken);
          expect(bytes).toBeLessThanOrEqual(cacheBytes);
          expect(taken.cache.bytes).toBeLessThanOrEqual(cacheBytes);
          const newest = taken.lengths.size;
          expect(count === 0 || taken.cache.load(newest) !== undefined).toBe(true);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('holds everything where there is room', () => {
    fc.assert(
      fc.property(fc.array(batch, { minLength: 1, maxLength: 30 }), (batches) => {
        const taken = takeAll(1024 * 1024, batches);
        expect(check(taken).count).toBe(taken.lengths.size);
      }),
    );
  });

  test('uses at least half of its budget once more has come', () => {
    const batches = Array.from({ length: 100 }, (_, i) => [64 + (i % 7) * 8, 512]);
    expect(check(takeAll(16 * 1024, batches)).bytes).toBeGreaterThan(8 * 1024);
  });

  test('holds nothing without a budget', () => {
    const { cache } = takeAll(0, [[64, 64], [128]]);
    expect(cache.load(3)).toBeUndefined();
    expect(cache.holdsFrom(3)).toBe(false);
    expect(cache.bytes).toBe(0);
  });

  test('holds nothing before anything has come', () => {
    expect(new TailCache(1024).holdsFrom(1)).toBe(false);
  });

  test('begins anew behind a record that is larger than it', () => {
    const taken = takeAll(1024, [[64, 64], [2048], [64, 72]]);
    expect(taken.cache.first).toBe(4);
    expect(check(taken).count).toBe(2);
  });
});
