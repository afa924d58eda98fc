import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TombstoneTable } from '../../dist/main/read/tombstone-table.js';
import { TOMBSTONES_BUDGET_BYTES, Tombstones } from '../../dist/main/read/tombstones.js';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { decodeTombstones, encodePacked } from '../../dist/shared/format/tombstones.js';

const STORE = Buffer.alloc(16, 7);
const hasher = await PlaceHasher.create(STORE);

type Step =
  | { readonly kind: 'set'; readonly name: string; readonly sequence: number }
  | { readonly kind: 'drop'; readonly below: number };

// Few, some of which begin with others, and some of several bytes a character.
const name = fc.oneof(
  fc.constantFrom('a', 'aa', 'aaa', 'ä', 'ää', '\ufffd', '流', 'a'.repeat(512)),
  fc.nat(200).map((n) => `s-${n}`),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ kind: fc.constant('set' as const), name, sequence: fc.integer({ min: 1, max: 1000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const), below: fc.integer({ min: 1, max: 1000 }) }) },
);

function get(table: TombstoneTable, stream: string): number {
  const bytes = Buffer.from(`before${stream}behind`);
  return table.get(bytes, 6, bytes.length - 6);
}

describe('the table of tombstones', () => {
  it('behaves as a map', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 600 }), (steps) => {
        const table = new TombstoneTable();
        const model = new Map<string, number>();
        for (const one of steps) {
          if (one.kind === 'set') {
            table.set(Buffer.from(one.name), one.sequence);
            model.set(one.name, one.sequence);
          } else {
            table.dropBelow(one.below);
            for (const [stream, sequence] of model) if (sequence < one.below) model.delete(stream);
          }
        }
        expect(table.count).toBe(model.size);
        expect([...table]).toEqual([...model]);
        for (const stream of ['a', 'aa', 'aaa', 'ä', 's-7', 'none', ''])
          expect(get(table, stream)).toBe(model.get(stream) ?? 0);
        for (const [stream, sequence] of model) expect(get(table, stream)).toBe(sequence);
      }),
    );
  });

  it('is packed as the file has it, in the order of the sequences, also where a stream was deleted again', () => {
    const tombstones = new Tombstones();
    for (let i = 1; i <= 5000; i++) tombstones.add(`stream ${i}`, i);
    tombstones.add('stream 7', 6000);
    tombstones.add('stream 3', 7000);
    tombstones.add('stream 5000', 4000);
    const file = Buffer.concat(encodePacked(8000, tombstones.pack(), STORE, hasher));
    const inOrder = [...tombstones].sort(([, one], [, other]) => one - other);
    expect(decodeTombstones(file, STORE, hasher)).toEqual({ sequence: 8000, tombstones: inOrder });
    expect(inOrder.slice(-2)).toEqual([
      ['stream 7', 6000],
      ['stream 3', 7000],
    ]);
  });

  it('is gone through by who has begun, though entries go and come meanwhile', () => {
    const tombstones = new Tombstones();
    for (let i = 1; i <= 100; i++) tombstones.add(`stream ${i}`, i);
    const seen: string[] = [];
    for (const [stream] of tombstones) {
      seen.push(stream);
      if (seen.length === 10) tombstones.dropBelow(90);
      tombstones.add(`new ${seen.length}`, 1000 + seen.length);
    }
    expect(seen.slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, i) => `stream ${i + 1}`));
    expect(tombstones.of('stream 89')).toBe(0);
    expect(tombstones.of('stream 90')).toBe(90);
  });

  it('takes what is documented, off the heap: below 64 bytes a stream with a name of 40 bytes, nothing where none was deleted', () => {
    const streams = 200_000;
    const tombstones = new Tombstones();
    expect(tombstones.bytes).toBeLessThan(1024);
    // Where the slots have just grown it takes the most.
    let most = 0;
    for (let i = 0; i < streams; i++) {
      tombstones.add(`agent-session/${String(i).padStart(26, '0')}`, 2 ** 40 + i);
      if (i > 100_000) most = Math.max(most, tombstones.bytes / (i + 1));
    }
    expect(most).toBeLessThan(TOMBSTONES_BUDGET_BYTES / 1e6);
    expect(most).toBeLessThan(64);
    expect(tombstones.of(`agent-session/${String(7).padStart(26, '0')}`)).toBe(2 ** 40 + 7);
  });
});
