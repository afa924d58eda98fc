import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
} from '../../dist/shared/format/segment.js';
import { flipped, hasher, OTHER_STORE, otherHasher, STORE } from '../support/bytes.js';
import { checksum, sequence } from '../support/records.js';

const HEADER: SegmentHeader = {
  number: 2,
  firstSequence: 101,
  epoch: 4,
  previousBytes: 65_536,
  previous: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]),
  createdMs: 1_700_000_000_000,
  previousTimestampNs: 1_700_000_000_000_000_000n,
};
const BYTES = encodeSegmentHeader(HEADER, STORE, hasher);

const decode = (bytes: Buffer, number = 2): ReturnType<typeof decodeSegmentHeader> =>
  decodeSegmentHeader(bytes, number, STORE, hasher);

describe('the header of a segment', () => {
  test('is read as it was written', () => {
    const header = fc.record({
      number: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      firstSequence: sequence,
      epoch: sequence,
      previousBytes: sequence,
      previous: checksum,
      createdMs: sequence,
      previousTimestampNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    });
    fc.assert(
      fc.property(header, (header) => {
        const bytes = encodeSegmentHeader(header, STORE, hasher);
        expect(bytes.length).toBe(SEGMENT_HEADER_BYTES);
        expect(decode(bytes, header.number)).toEqual({ kind: 'valid', header });
      }),
    );
  });

  test('is not valid with any byte changed', () => {
    for (const { at, bytes } of flipped(BYTES)) expect(decode(bytes).kind, `byte ${at}`).not.toBe('valid');
  });

  test('counts as torn with any byte changed beyond the store id', () => {
    for (const { at, bytes } of flipped(BYTES)) {
      if (at >= 8 && at < 24) continue;
      expect(decode(bytes), `byte ${at}`).toEqual({ kind: 'unused' });
    }
  });

  test('of another number is foreign', () => {
    expect(decode(BYTES, 3)).toEqual({ kind: 'foreign' });
  });

  test('of another store is foreign', () => {
    expect(decodeSegmentHeader(BYTES, 2, OTHER_STORE, otherHasher)).toEqual({ kind: 'foreign' });
  });

  test('of zeros, or cut off, was never used', () => {
    expect(decode(Buffer.alloc(SEGMENT_HEADER_BYTES))).toEqual({ kind: 'unused' });
    expect(decode(BYTES.subarray(0, SEGMENT_HEADER_BYTES - 1))).toEqual({ kind: 'unused' });
    expect(decode(Buffer.alloc(0))).toEqual({ kind: 'unused' });
  });

  test('of a later format is told apart', () => {
    const bytes = Buffer.from(BYTES);
    bytes.writeUInt16LE(2, 4);
    bytes.set(hasher.digest(2, bytes.subarray(0, 120)), 120);
    expect(decode(bytes)).toEqual({ kind: 'unsupported', format: 2 });
  });
});
