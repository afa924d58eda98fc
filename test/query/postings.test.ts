/** What is chosen of postings holds every record that it should, and nothing else where it says so. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PlaceList, Postings } from '../../dist/main/read/postings.js';
import { choose } from '../../dist/main/read/query/choose.js';
import { intersection, union } from '../../dist/main/read/query/lists.js';
import type { PostedField, PostingQuery } from '../../dist/shared/portable/query/narrow.js';
import { SEED } from '../support/effort.js';

const FIELDS = ['stream', 'type', 'tags', 'causes'] as const satisfies PostedField[];
const VALUES = ['a', 'ab', 'b'];

const list = (maxLength: number): fc.Arbitrary<Uint32Array> =>
  fc
    .uniqueArray(fc.nat({ max: 300 }), { maxLength })
    .map((numbers) => Uint32Array.from(numbers.sort((one, other) => one - other)));

type Lists = Readonly<Record<string, Uint32Array>>;

const lists: fc.Arbitrary<Lists> = fc.record(
  Object.fromEntries(
    FIELDS.flatMap((field) => VALUES.map((value, i) => [`${field} ${value}`, list([2, 20, 300][i]!)])),
  ),
);

/** Postings of lists. */
function postingsOf(all: Lists): Postings {
  const listOf = (places: readonly number[]): PlaceList => ({
    count: places.length,
    within: async (low, high) => Uint32Array.from(places.filter((place) => place >= low && place <= high)),
    among: async (some) => some.filter((place) => places.includes(place)),
  });
  const places = (field: string, value: string): number[] => [...(all[`${field} ${value}`] ?? [])];
  return {
    firstSequence: 0,
    lastSequence: 300,
    valuesOf: () => VALUES.length,
    ofValue: async (field, value) => listOf(places(field, value)),
    ofPrefix: async (field, prefix) => {
      const joined = VALUES.filter((value) => value.startsWith(prefix)).flatMap((value) => places(field, value));
      return listOf([...new Set(joined)].sort((one, other) => one - other));
    },
    ofEach: () => {
      throw new Error('not asked for');
    },
  };
}

const query: fc.Arbitrary<PostingQuery> = fc.letrec<{ query: PostingQuery }>((tie) => ({
  query: fc.oneof(
    { depthSize: 'small' },
    fc.record({
      kind: fc.constantFrom('value' as const, 'prefix' as const),
      field: fc.constantFrom(...FIELDS),
      value: fc.constantFrom(...VALUES, 'none', ''),
    }),
    fc
      .uniqueArray(fc.nat(300), { maxLength: 6 })
      .map((ends) => ends.sort((one, other) => one - other))
      .map((ends) => ({
        kind: 'sequences' as const,
        intervals: ends.flatMap((low, i) =>
          i % 2 === 0 && ends[i + 1] !== undefined ? [{ low, high: ends[i + 1]! }] : [],
        ),
      })),
    fc.record({
      kind: fc.constantFrom('all' as const, 'any' as const),
      of: fc.array(tie('query'), { minLength: 1, maxLength: 4 }),
    }),
  ),
})).query;

function isNamed(query: PostingQuery, all: Lists, place: number): boolean {
  if ('of' in query) {
    const named = query.of.map((part) => isNamed(part, all, place));
    return query.kind === 'all' ? !named.includes(false) : named.includes(true);
  }
  if (query.kind === 'sequences') return query.intervals.some(({ low, high }) => place >= low && place <= high);
  const { kind, field, value } = query;
  const values = VALUES.filter((one) => (kind === 'prefix' ? one.startsWith(value) : one === value));
  return values.some((one) => all[`${field} ${one}`]!.includes(place));
}

test('all that is asked for is chosen, ascending, and no more where that is exact', async () => {
  let exact = 0;
  await fc.assert(
    fc.asyncProperty(query, lists, fc.nat(300), fc.nat(300), async (postings, all, low, high) => {
      const chosen = await choose({ postings, exact: true }, postingsOf(all), low, high);
      const ordinals = [...chosen.ordinals];
      expect(ordinals).toEqual([...new Set(ordinals)].sort((one, other) => one - other));
      const wanted: number[] = [];
      for (let place = low; place <= high; place++) if (isNamed(postings, all, place)) wanted.push(place);
      if (chosen.exact) {
        exact++;
        expect(ordinals).toEqual(wanted);
      } else {
        expect(ordinals).toEqual(expect.arrayContaining(wanted));
        expect(ordinals.every((place) => place >= low && place <= high)).toBe(true);
      }
    }),
    { seed: SEED, numRuns: 2000 },
  );
  expect(exact).toBeGreaterThan(500);
});

test('lists are united and intersected as sets are', () => {
  const several = fc.array(list(100), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(several, list(3), list(300), (all, few, many) => {
      const joined = [...new Set(all.flatMap((places) => [...places]))].sort((one, other) => one - other);
      expect([...union(all)]).toEqual(joined);
      const common = [...few].filter((place) => many.includes(place));
      expect([...intersection(few, many)]).toEqual(common);
      expect([...intersection(many, few)]).toEqual(common);
    }),
    { seed: SEED, numRuns: 2000 },
  );
});
