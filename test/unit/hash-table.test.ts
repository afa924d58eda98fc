import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HashTable } from '../../dist/main/append/hash-table.js';
import { bytesOfEntries, entriesOf, randomHash } from '../support/entries.js';

type Step =
  | { readonly kind: 'put'; readonly hash: Uint32Array; readonly a: number; readonly b: number }
  | { readonly kind: 'removeOldest' | 'removeNewest' };

const number = fc.maxSafeNat();
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('put' as const), hash: randomHash, a: number, b: number }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ kind: 'removeOldest' }, { kind: 'removeNewest' }) },
);

function put(table: HashTable, hash: Uint32Array, a: number, b: number): void {
  const entry = table.find(hash);
  if (entry === -1) table.add(hash, a, b);
  else table.update(entry, a, b);
}

function contentOf(table: HashTable): unknown[] {
  const entries: unknown[] = [];
  table.forEach((hash, a, b) => void entries.push({ hash: [...hash], a, b }));
  return entries;
}

describe('the hash table', () => {
  test('behaves as a map that keeps its order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const table = new HashTable();
        const model = new Map<string, { hash: number[]; a: number; b: number }>();
        for (const step of steps) {
          if (step.kind === 'put') {
            put(table, step.hash, step.a, step.b);
            model.set(step.hash.join(), { hash: [...step.hash], a: step.a, b: step.b });
            continue;
          }
          const names = [...model.keys()];
          const gone = step.kind === 'removeOldest' ? names[0] : names.at(-1);
          if (gone === undefined) continue;
          model.delete(gone);
          table[step.kind]();
        }
        const expected = [...model.values()];
        expect(table.count).toBe(expected.length);
        expect(contentOf(table)).toEqual(expected);
        for (const { hash, a, b } of expected) {
          const entry = table.find(Uint32Array.from(hash));
          expect([table.first(entry), table.second(entry)]).toEqual([a, b]);
        }
        const bytes = entriesOf(expected.map(({ hash, a, b }) => ({ hash: Uint32Array.from(hash), a, b })));
        expect(bytesOfEntries(table.entries())).toEqual(bytes);
      }),
      { numRuns: 300 },
    );
  });

  test.each([0, 2 ** 30 - 9000])('goes on being right as it grows and its oldest go, from number %i on', (first) => {
    const table = new HashTable(first);
    const hashOf = (i: number): Uint32Array => Uint32Array.of(i, i * 7, i % 64, i ^ 5);
    let oldest = 0;
    for (let i = 0; i < 20_000; i++) {
      table.add(hashOf(i), i, i * 2 ** 22);
      if (i % 3 === 0) {
        table.removeOldest();
        oldest++;
      }
    }
    expect(table.count).toBe(20_000 - oldest);
    expect(table.first(table.oldest)).toBe(oldest);
    expect(table.bytes).toBeLessThan(1_000_000);
    const left: number[] = [];
    table.forEach((_, a) => void left.push(a));
    expect(left).toEqual(Array.from({ length: 20_000 - oldest }, (_, i) => oldest + i));
    expect(bytesOfEntries(table.entries())).toEqual(
      entriesOf(left.map((i) => ({ hash: hashOf(i), a: i, b: i * 2 ** 22 }))),
    );
    for (let i = 0; i < 20_000; i += 61) {
      const entry = table.find(hashOf(i));
      if (i < oldest) expect(entry).toBe(-1);
      else expect([table.first(entry), table.second(entry)]).toEqual([i, i * 2 ** 22]);
    }
  });

  test('takes at most 64 MiB for a million entries', () => {
    const table = new HashTable();
    for (let i = 0; i < 1_000_000; i++) table.add(Uint32Array.of(i, i, (i * 2_654_435_761) >>> 0, i), i, i);
    expect(table.bytes).toBeLessThanOrEqual(64 * 1024 * 1024);
  });
});
