import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  decodeWatermark,
  encodeWatermark,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_BYTES,
  type Watermark,
  watermarkOffset,
} from '../../dist/shared/format/watermark.js';
import { flipped, hasher, otherHasher, viewOf } from '../support/bytes.js';
import { sequence } from '../support/records.js';

function slotOf(watermark: Watermark): Buffer {
  const slot = Buffer.alloc(WATERMARK_SLOT_BYTES, 0xee);
  encodeWatermark(slot, viewOf(slot), watermark, hasher);
  return slot;
}

function fileOf(...watermarks: Watermark[]): Buffer {
  const file = Buffer.alloc(WATERMARK_FILE_BYTES);
  for (const watermark of watermarks) file.set(slotOf(watermark), watermarkOffset(watermark.turn));
  return file;
}

const FIRST: Watermark = { epoch: 1, turn: 6, sequence: 10, segment: 1, endOffset: 4096, clean: false };
const SECOND: Watermark = { ...FIRST, turn: 7, sequence: 12, endOffset: 5000, clean: true };

describe('the watermark file', () => {
  test('is read as it was written', () => {
    const watermark = fc.record({
      epoch: sequence,
      turn: sequence,
      sequence: fc.maxSafeNat(),
      segment: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
      endOffset: sequence,
      clean: fc.boolean(),
    });
    fc.assert(
      fc.property(watermark, (watermark) => {
        expect(decodeWatermark(fileOf(watermark), hasher)).toEqual(watermark);
      }),
    );
  });

  test('tells the newer slot, whichever was written last', () => {
    expect(decodeWatermark(fileOf(FIRST, SECOND), hasher)).toEqual(SECOND);
    expect(decodeWatermark(fileOf(SECOND, { ...FIRST, turn: 8 }), hasher)).toEqual({ ...FIRST, turn: 8 });
  });

  test('falls back to the older slot where any byte of the newer one is changed', () => {
    for (const { at, bytes } of flipped(slotOf(SECOND))) {
      const file = fileOf(FIRST);
      file.set(bytes, watermarkOffset(SECOND.turn));
      expect(decodeWatermark(file, hasher), `byte ${at}`).toEqual(FIRST);
    }
  });

  test('tells nothing where it is zero, empty or cut off', () => {
    expect(decodeWatermark(Buffer.alloc(WATERMARK_FILE_BYTES), hasher)).toBeUndefined();
    expect(decodeWatermark(Buffer.alloc(0), hasher)).toBeUndefined();
    expect(decodeWatermark(fileOf(FIRST).subarray(0, WATERMARK_SLOT_BYTES - 1), hasher)).toBeUndefined();
  });

  test('of another store tells nothing', () => {
    expect(decodeWatermark(fileOf(FIRST, SECOND), otherHasher)).toBeUndefined();
  });
});
