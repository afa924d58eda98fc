import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { FRAME_HEADER_BYTES, readFrameHeader, sameChecksum, verifyFrameBody } from '../../dist/shared/format/frame.js';
import { flipped, hasher, otherHasher, viewOf } from '../support/bytes.js';
import { checksum, frameOf, recordOf, sequence } from '../support/records.js';

const SEGMENT = 3;
const RECORDS = [1, 2].map((sequence) => recordOf({ stream: 's', event: { type: 't', data: { sequence } }, sequence }));
const FRAME = frameOf(RECORDS, SEGMENT);

function headerOf(bytes: Buffer, segment = SEGMENT, by: PlaceHasher = hasher): ReturnType<typeof readFrameHeader> {
  return readFrameHeader(bytes, viewOf(bytes), 0, by, segment);
}

describe('a frame', () => {
  test('gives back its header, and its body verifies', () => {
    fc.assert(
      fc.property(
        fc.record({
          firstSequence: sequence,
          epoch: sequence,
          durableUpTo: sequence,
          previous: checksum,
        }),
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.array(
          fc
            .uint8Array({ minLength: 64, maxLength: 128 })
            .map((bytes) => Buffer.from(bytes.subarray(bytes.length % 8))),
          { minLength: 1, maxLength: 5 },
        ),
        (fields, segment, parts) => {
          const bytes = frameOf(parts, segment, fields);
          const header = headerOf(bytes, segment)!;
          expect(header).toMatchObject({
            ...fields,
            count: parts.length,
            bodyBytes: bytes.length - FRAME_HEADER_BYTES,
          });
          expect(verifyFrameBody(bytes, 0, header, hasher, segment)).toBe(true);
          expect(sameChecksum(header.checksum, bytes.subarray(56, 64))).toBe(true);
        },
      ),
    );
  });

  test('is not found with any byte of its header changed', () => {
    for (const { at, bytes } of flipped(FRAME.subarray(0, FRAME_HEADER_BYTES))) {
      expect(headerOf(bytes), `byte ${at}`).toBeUndefined();
    }
  });

  test('does not verify with any byte of its body changed', () => {
    const header = headerOf(FRAME)!;
    for (const { at, bytes } of flipped(FRAME.subarray(FRAME_HEADER_BYTES))) {
      const changed = Buffer.concat([FRAME.subarray(0, FRAME_HEADER_BYTES), bytes]);
      expect(verifyFrameBody(changed, 0, header, hasher, SEGMENT), `byte ${at}`).toBe(false);
    }
  });

  test('of another store is not found, and its body does not verify', () => {
    expect(headerOf(FRAME, SEGMENT, otherHasher)).toBeUndefined();
    expect(verifyFrameBody(FRAME, 0, headerOf(FRAME)!, otherHasher, SEGMENT)).toBe(false);
  });

  test('of another segment is not found, and its body does not verify', () => {
    expect(headerOf(FRAME, SEGMENT + 1)).toBeUndefined();
    expect(verifyFrameBody(FRAME, 0, headerOf(FRAME)!, hasher, SEGMENT + 1)).toBe(false);
  });

  test('is not found in zeros, nor where its header is cut off', () => {
    expect(headerOf(Buffer.alloc(4096))).toBeUndefined();
    expect(headerOf(Buffer.from(FRAME.subarray(0, FRAME_HEADER_BYTES - 1)))).toBeUndefined();
  });

  test('of a later format is refused, not passed over', () => {
    const bytes = Buffer.from(FRAME);
    bytes.writeUInt16LE(3, 4);
    bytes.set(hasher.digest(SEGMENT, bytes.subarray(0, 56)), 56);
    expect(() => headerOf(bytes)).toThrow(RangeError);
  });
});
