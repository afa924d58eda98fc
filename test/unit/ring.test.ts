import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { recordFlags, recordLength, recordSequence } from '../../dist/shared/format/record.js';
import { takeGroup } from '../../dist/workers/writer/group.js';
import { addRecord, flags, isIntact, type Ring, ringOf } from '../support/ring.js';

/** More than the ring may use before it begins anew where it is empty, so that it wraps too. */
const LIMIT = 512 * 1024;
const RESERVE = 64 * 1024;
const LARGEST = 32 * 1024;

const size = fc.oneof(
  fc.integer({ min: 8, max: 64 }).map((n) => n * 8),
  fc.integer({ min: 8, max: LARGEST / 8 }).map((n) => n * 8),
);

/** What the caller does; the writer takes what it is given in between. */
type Step =
  | { readonly kind: 'append'; readonly sizes: number[]; readonly spare: number }
  | { readonly kind: 'discard'; readonly sizes: number[] }
  | { readonly kind: 'publish' | 'write' | 'settle' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      sizes: fc.array(size, { minLength: 1, maxLength: 8 }),
      spare: fc.nat({ max: 100 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('discard' as const),
      sizes: fc.array(size, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 6, arbitrary: fc.constantFrom<Step>({ kind: 'publish' }, { kind: 'write' }, { kind: 'settle' }) },
);

/** A draft of records, or undefined where there is no room. */
function draft(ring: Ring, sizes: readonly number[], spare: number, firstSequence: number): number[] | undefined {
  const starts: number[] = [];
  for (const [i, length] of sizes.entries()) {
    const at = addRecord(ring.producer, length, firstSequence + i, { flags: flags(i, sizes.length), spare: spare * 8 });
    if (at === -1) {
      ring.producer.discard();
      return undefined;
    }
    starts.push(at);
  }
  return starts;
}

describe('the ring', () => {
  test('hands every record to the writer, in order, whole, and keeps it until its room is given back', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
        const ring = ringOf(LIMIT, RESERVE, LARGEST);
        const { producer, consumer, state } = ring;
        const kept: { at: number; length: number; sequence: number }[] = [];
        const written: { position: number; upTo: number }[] = [];
        let sequence = 0;
        let taken = 0;
        for (const step of steps) {
          if (step.kind === 'append') {
            const starts = draft(ring, step.sizes, step.spare, sequence + 1);
            if (starts === undefined) continue;
            producer.commit();
            for (const [i, at] of starts.entries()) kept.push({ at, length: step.sizes[i]!, sequence: ++sequence });
          } else if (step.kind === 'discard') {
            draft(ring, step.sizes, 0, sequence + 1);
            producer.discard();
          } else if (step.kind === 'publish') {
            producer.publish();
          } else if (step.kind === 'write') {
            const group = takeGroup(consumer, 0);
            if (group === undefined) continue;
            expect(group.firstSequence).toBe(taken + 1);
            expect(group.lastSequence).toBe(taken + group.count);
            const expected = kept.filter(({ sequence }) => sequence > taken && sequence <= group.lastSequence);
            const bytes = Buffer.concat(group.parts);
            expect(bytes.length).toBe(group.bytes);
            expect(bytes.length).toBe(expected.reduce((sum, { length }) => sum + length, 0));
            taken = group.lastSequence;
            written.push({ position: group.end.position, upTo: taken });
          } else {
            const settled = written.shift();
            if (settled === undefined) continue;
            while (kept[0] !== undefined && kept[0].sequence <= settled.upTo) kept.shift();
            producer.reclaim(settled.position);
          }
          // Nothing that is still wanted has been written over, but for the checksums that the writer sets.
          const damaged = [...kept.slice(0, 4), ...kept.slice(-4)].filter(
            ({ at, length, sequence }) => !isIntact(state.ring, at, length, sequence),
          );
          expect(damaged).toEqual([]);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('has room for a batch up to its limit, wherever the last one ended', () => {
    const batch = 256 * 1024;
    for (const length of [4096, 24 * 1024, LARGEST]) {
      for (let before = 0; before < 320 * 1024; before += 8 * 1024) {
        const ring = ringOf(batch + RESERVE, RESERVE, LARGEST);
        for (let left = before; left > 0; left -= 8 * 1024) {
          expect(draft(ring, [8 * 1024], 0, 1)).toBeDefined();
          ring.producer.commit();
          ring.producer.reclaim(ring.producer.head.position);
        }
        const sizes = Array.from({ length: Math.floor(batch / length) }, () => length);
        expect(draft(ring, sizes, 0, 1), `${length} bytes behind ${before}`).toBeDefined();
      }
    }
  });

  test('keeps its reserve for the system', () => {
    const { producer } = ringOf(LIMIT, RESERVE, LARGEST);
    for (let used = 0; used < LIMIT - RESERVE; used += LARGEST) {
      expect(addRecord(producer, LARGEST, 1)).not.toBe(-1);
    }
    expect(addRecord(producer, 64, 1)).toBe(-1);
    for (let used = 0; used < RESERVE; used += LARGEST) {
      expect(addRecord(producer, LARGEST, 1, { system: true })).not.toBe(-1);
    }
    expect(addRecord(producer, 64, 1, { system: true })).toBe(-1);
  });

  test('shows the writer nothing before it is published, and nothing that was discarded', () => {
    const ring = ringOf(LIMIT, RESERVE, LARGEST);
    draft(ring, [64, 128], 0, 1);
    ring.producer.commit();
    expect(takeGroup(ring.consumer, 0)).toBeUndefined();
    draft(ring, [256], 0, 3);
    ring.producer.discard();
    ring.producer.publish();
    expect(takeGroup(ring.consumer, 0)).toMatchObject({ firstSequence: 1, lastSequence: 2, bytes: 192 });
    expect(takeGroup(ring.consumer, 0)).toBeUndefined();
  });

  test('begins anew at its start where it is empty and much of it was used', () => {
    const ring = ringOf(LIMIT, RESERVE, LARGEST);
    let sequence = 0;
    while (ring.producer.head.offset < 256 * 1024) {
      draft(ring, [LARGEST], 0, ++sequence);
      ring.producer.commit();
    }
    ring.producer.publish();
    const group = takeGroup(ring.consumer, 0)!;
    ring.producer.reclaim(group.end.position);
    expect(ring.producer.head).toEqual({ position: group.end.position, offset: 0 });
    expect(draft(ring, [64], 0, sequence + 1)).toEqual([0]);
    ring.producer.commit();
    ring.producer.publish();
    expect(takeGroup(ring.consumer, 0)).toMatchObject({ firstSequence: sequence + 1, bytes: 64 });
  });
});

describe('a group commit', () => {
  test('ends at the end of an append, after about a mebibyte', () => {
    const limit = 8 * 1024 * 1024;
    const ring = ringOf(limit, 0, LARGEST);
    const { view } = ring.state;
    let sequence = 1;
    for (let i = 0; i < 60; i++) {
      const sizes = [LARGEST, LARGEST, LARGEST];
      draft(ring, sizes, 0, sequence);
      sequence += sizes.length;
      ring.producer.commit();
    }
    ring.producer.publish();
    for (let next = 1; next < sequence; ) {
      const group = takeGroup(ring.consumer, 0)!;
      expect(group.firstSequence).toBe(next);
      expect(group.count % 3).toBe(0);
      expect(group.bytes).toBeLessThanOrEqual(1024 * 1024 + 2 * LARGEST);
      next = group.lastSequence + 1;
    }
    expect(recordFlags(view, 0)).toBe(1);
    expect(recordLength(view, 0)).toBe(LARGEST);
    expect(recordSequence(view, LARGEST)).toBe(2);
  });

  test('takes a single larger append whole', () => {
    const ring = ringOf(4 * 1024 * 1024, 0, LARGEST);
    const sizes = Array.from({ length: 80 }, () => LARGEST);
    draft(ring, sizes, 0, 1);
    ring.producer.commit();
    ring.producer.publish();
    expect(takeGroup(ring.consumer, 0)).toMatchObject({ count: 80, bytes: 80 * LARGEST });
  });
});
