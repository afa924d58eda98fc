import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { joinHoles, without } from '../../dist/main/repair/ranges.js';
import { type Hole, Holes } from '../../dist/shared/holes.js';

const MOST = 40;

/** Holes as a repair leaves them: ascending, none touching another, some of no sequences. */
const holes = fc
  .array(fc.tuple(fc.integer({ min: 1, max: MOST }), fc.integer({ min: -1, max: 4 })), { maxLength: 6 })
  .map((ranges) => joinHoles(ranges.map(([first, more]): Hole => [first, first + more])));

function isIn(list: readonly Hole[], sequence: number): boolean {
  return list.some(([first, last]) => sequence >= first && sequence <= last);
}

const SEQUENCES = Array.from({ length: MOST + 10 }, (_, i) => i + 1);

describe('holes', () => {
  test('are joined so that they take away the same, ascending, and do not touch', () => {
    const ranges = fc.array(fc.tuple(fc.integer({ min: 1, max: MOST }), fc.nat(5)), { maxLength: 8 });
    fc.assert(
      fc.property(ranges, (pairs) => {
        const list = pairs.map(([first, more]): Hole => [first, first + more]);
        const joined = joinHoles(list);
        for (const sequence of SEQUENCES) expect(isIn(joined, sequence)).toBe(isIn(list, sequence));
        for (const [i, [first]] of joined.entries()) if (i > 0) expect(first).toBeGreaterThan(joined[i - 1]![1] + 1);
      }),
    );
  });

  test('say of each sequence where the next and the last one is that is there', () => {
    fc.assert(
      fc.property(holes, (list) => {
        const own = new Holes(list);
        for (const sequence of SEQUENCES) {
          let next = sequence;
          while (isIn(list, next)) next++;
          let before = sequence;
          while (isIn(list, before)) before--;
          expect([own.skip(sequence), own.skipBack(sequence)]).toEqual([next, before]);
          expect(own.at(sequence) !== undefined).toBe(isIn(list, sequence));
          const anew = list.some(([, last]) => last === sequence - 1);
          if (!isIn(list, sequence)) expect(own.beginsAnew(sequence)).toBe(anew);
        }
      }),
    );
  });

  test('say in which range around a sequence nothing is missing', () => {
    fc.assert(
      fc.property(holes, (list) => {
        const own = new Holes(list);
        for (const sequence of SEQUENCES.filter((candidate) => !isIn(list, candidate))) {
          const [first, last] = own.around(sequence);
          for (let s = Math.max(1, first); s <= Math.min(last, MOST + 10); s++) expect(isIn(list, s)).toBe(false);
          expect(first === 1 || isIn(list, first - 1)).toBe(true);
          expect(last === Number.POSITIVE_INFINITY || isIn(list, last + 1)).toBe(true);
        }
      }),
    );
  });

  test('name what is missing of a range, and whether anything is missing between two events', () => {
    fc.assert(
      fc.property(holes, fc.integer({ min: 1, max: MOST }), fc.nat(MOST), (list, low, more) => {
        const own = new Holes(list);
        const missing = own.missing(low, low + more);
        const named = SEQUENCES.filter((s) =>
          missing.some(({ firstSequence, lastSequence }) => s >= firstSequence && s <= lastSequence),
        );
        expect(named).toEqual(SEQUENCES.filter((s) => s >= low && s <= low + more && isIn(list, s)));
        if (isIn(list, low) || isIn(list, low + more)) return;
        expect(own.isBetween(low, low + more)).toBe(named.length > 0);
      }),
    );
  });

  test('are taken out of ranges, one sequence or many', () => {
    fc.assert(
      fc.property(holes, holes, (ranges, taken) => {
        const left = without(ranges, taken);
        for (const s of SEQUENCES) expect(isIn(left, s)).toBe(isIn(ranges, s) && !isIn(taken, s));
      }),
    );
  });
});
