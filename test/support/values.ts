/** Arbitrary data that an event may hold. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';

const KEYS = ['constructor', 'toJSON', 'hasOwnProperty', 'toString', 'then', 'length', '', '0', '-1', 'é', '😀'];

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', minLength: 60, maxLength: 90 }),
  fc.constantFrom('', 'x'.repeat(300), 'ü'.repeat(65)),
);

const number = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53, -1, -32, -33, -129),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1.5, 1e300, 5e-324),
);

const date = fc.oneof(
  fc.date({ noInvalidDate: true }),
  fc.constantFrom(0, -1, 1, 999, -999, 1e12, -1e12, 8.64e15, -8.64e15, 2 ** 34 * 1000).map((ms) => new Date(ms)),
);

const key = fc.oneof(
  fc.constantFrom(...KEYS),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.string({ unit: 'grapheme-ascii', minLength: 60, maxLength: 70 }),
);

/** What JSON holds as well. */
export const jsonLeaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.integer(),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  text,
);

const leaf = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  number,
  text,
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, -1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)),
  fc.uint8Array({ maxLength: 40 }),
  date,
  fc.constant(undefined),
);

function containers(leaf: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  return fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      leaf,
      fc.array(tie('value'), { maxLength: 6 }),
      fc
        .array(fc.tuple(key, tie('value')), { maxLength: 6 })
        .filter((entries) => entries.every(([name]) => name !== '__proto__'))
        .map((entries) => Object.fromEntries(entries)),
    ),
  })).value;
}

/** Anything that may be stored. */
export const data = containers(leaf);

/** Anything that may be stored and that JSON holds. */
export const jsonData = containers(jsonLeaf);

/** What comes back: absent members are dropped, absent items are null, -0 is 0, bytes are Uint8Array. */
export function stored(value: unknown): unknown {
  if (value === undefined) return null;
  if (Object.is(value, -0)) return 0;
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(stored);
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, stored(member)]));
}

/** Equal by value and kind; an own member named constructor confuses the matchers of the test runner. */
export function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toStrictEqual(expected);
}
