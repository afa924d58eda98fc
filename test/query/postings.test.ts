/** What is chosen of postings holds every record that it should, and nothing else where it says so. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Postings } from '../../dist/main/read/postings.js';
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

/** Postings of lists, without those of causes. */
function postingsOf(all: Lists): Postings {
  const within = (places: Uint32Array | undefined, low: number, high: number): Uint32Array =>
    (places ?? new Uint32Array(0)).filter((place) => place >= low && place <= high);
  const each = (field: string, low: number, high: number): [string, Uint32Array][] =>
    VALUES.map((value) => [value, within(all[`${field} ${value}`], low, high)]);
  return {
    ofValue: (field, value, low, high) =>
      field === 'causes' ? undefined : within(all[`${field} ${value}`], low, high),
    ofPrefix: (field, prefix, low, high) => {
      if (field === 'causes') return undefined;
      return each(field, low, high).flatMap(([value, places]) => (value.startsWith(prefix) ? [places] : []));
    },
    ofEach: (field, low, high) => (field === 'causes' ? undefined : each(field, low, high)),
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
  const { kind, field, value } = query;
  const values = VALUES.filter((one) => (kind === 'prefix' ? one.startsWith(value) : one === value));
  return values.some((one) => all[`${field} ${one}`]!.includes(place));
}

test('all that is asked for is chosen, ascending, and no more where that is exact', () => {
  let exact = 0;
  fc.assert(
    fc.property(query, lists, fc.nat(300), fc.nat(300), (postings, all, low, high) => {
      const chosen = choose({ postings, exact: true }, postingsOf(all), low, high);
      if (chosen === undefined) return;
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

test('what no postings can tell is left to the records', () => {
  const postings = postingsOf({ 'stream a': Uint32Array.of(1, 5) });
  const [stream, cause]: PostingQuery[] = [
    { kind: 'value', field: 'stream', value: 'a' },
    { kind: 'value', field: 'causes', value: 'a' },
  ];
  const asked = (kind: 'all' | 'any') =>
    choose({ postings: { kind, of: [stream!, cause!] }, exact: true }, postings, 0, 9);
  expect(asked('any')).toBeUndefined();
  expect(asked('all')).toMatchObject({ exact: false, ordinals: Uint32Array.of(1, 5) });
});
