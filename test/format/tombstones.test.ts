import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeTombstones,
  decodeTombstonesHeader,
  encodeTombstones,
  TOMBSTONES_HEADER_BYTES,
  type TombstonesContent,
} from '../../dist/shared/format/tombstones.js';
import { flipped, hasher, otherHasher, STORE } from '../support/bytes.js';

const CONTENT: TombstonesContent = {
  sequence: 2 ** 40 + 9,
  tombstones: [
    ['task/1', 7],
    ['grün', 2 ** 40 + 1],
    ['x'.repeat(512), 2 ** 40 + 2],
  ],
};
const FILE = encodeTombstones(CONTENT, STORE, hasher);

const encode = (content: TombstonesContent): Buffer => encodeTombstones(content, STORE, hasher);
const decode = (file: Buffer): TombstonesContent | undefined => decodeTombstones(file, STORE, hasher);

describe('the file of tombstones', () => {
  test('is read as it was written, by sequence', () => {
    const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 });
    const tombstones = fc.uniqueArray(fc.tuple(name, fc.integer({ min: 1, max: 2 ** 50 })), {
      selector: ([stream, sequence]) => [stream, sequence].join(),
      maxLength: 30,
    });
    fc.assert(
      fc.property(tombstones, (given) => {
        const bySequence = new Map(given.map(([stream, sequence]) => [sequence, stream]));
        const byStream = new Map([...bySequence].map(([sequence, stream]) => [stream, sequence]));
        const all = [...byStream].sort(([, a], [, b]) => a - b);
        expect(decode(encode({ sequence: 2 ** 50, tombstones: [...byStream] }))).toEqual({
          sequence: 2 ** 50,
          tombstones: all,
        });
      }),
    );
  });

  test('may have none', () => {
    const none = { sequence: 5, tombstones: [] };
    expect(decode(encode(none))).toEqual(none);
    expect(encode(none)).toHaveLength(TOMBSTONES_HEADER_BYTES);
  });

  test('tells by its header how long it is, and up to where it is complete', () => {
    const bytes = FILE.length - TOMBSTONES_HEADER_BYTES;
    const header = decodeTombstonesHeader(FILE.subarray(0, TOMBSTONES_HEADER_BYTES), STORE, hasher);
    expect(header).toEqual({ sequence: CONTENT.sequence, count: 3, bytes });
  });

  test('tells nothing with any byte changed', () => {
    for (const { at, bytes } of flipped(FILE)) expect(decode(bytes), `byte ${at}`).toBeUndefined();
  });

  test('tells nothing where it is cut off, goes on, is empty or zero', () => {
    for (let end = 0; end < FILE.length; end++) expect(decode(FILE.subarray(0, end))).toBeUndefined();
    expect(decode(Buffer.concat([FILE, Buffer.alloc(1)]))).toBeUndefined();
    expect(decode(Buffer.alloc(512))).toBeUndefined();
  });

  test('of another store tells nothing', () => {
    expect(decodeTombstones(FILE, STORE, otherHasher)).toBeUndefined();
    expect(decodeTombstones(FILE, Buffer.alloc(16, 0xab), hasher)).toBeUndefined();
  });

  test.each<[string, TombstonesContent]>([
    ['a tombstone behind where it is complete', { sequence: 5, tombstones: [['a', 6]] }],
    ['a sequence that is none', { sequence: 5, tombstones: [['a', 0]] }],
    ['a stream without a name', { sequence: 5, tombstones: [['', 3]] }],
    [
      'two of the same place',
      {
        sequence: 5,
        tombstones: [
          ['a', 3],
          ['b', 3],
        ],
      },
    ],
    [
      'two of the same stream',
      {
        sequence: 5,
        tombstones: [
          ['a', 3],
          ['a', 4],
        ],
      },
    ],
  ])('with %s tells nothing, whatever its checksums say', (_, content) => {
    expect(decode(encode(content))).toBeUndefined();
  });
});
