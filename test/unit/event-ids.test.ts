import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventIds } from '#dist/main/append/event-ids.js';
import { formatEventId } from '#dist/shared/portable/event-id.js';

describe('ids of successive events', () => {
  const ids = new EventIds('node-1');

  test('are those that the format says, whatever was asked for before', () => {
    const seconds = fc.integer({ min: 1_000_000_000, max: 9_999_999_999 });
    const nanos = fc.oneof(fc.integer({ min: 0, max: 999_999_999 }), fc.integer({ min: 0, max: 1500 }));
    const sequence = fc.oneof(
      fc.integer({ min: 1, max: 2500 }),
      fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 9999 }),
    );
    const count = fc.integer({ min: 1, max: 1200 });
    fc.assert(
      fc.property(seconds, nanos, sequence, count, (s, n, first, size) => {
        const last = BigInt(s) * 1_000_000_000n + BigInt(n);
        const expected = Array.from({ length: size }, (_, i) =>
          formatEventId(last - BigInt(size - 1 - i), first + i, 'node-1'),
        );
        expect(ids.consecutive(s, n, first, size)).toEqual(expected);
      }),
    );
  });
});
