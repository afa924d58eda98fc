import fc from 'fast-check';
import { compressSync } from 'lz4-napi';
import { describe, expect, it } from 'vitest';
import { unpackLz4 } from '../../dist/shared/format/lz4-block.js';

/** Texts that repeat themselves, near and far, in short pieces and in long ones. */
const repetitive = fc
  .array(
    fc.oneof(
      fc.record({ piece: fc.uint8Array({ minLength: 1, maxLength: 12 }), times: fc.nat(200) }),
      fc.record({ piece: fc.uint8Array({ minLength: 200, maxLength: 700 }), times: fc.nat(3) }),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts.flatMap(({ piece, times }) => Array.from({ length: times + 1 }, () => piece))));

/** The block, without the length that the library writes before it. */
const packed = (raw: Buffer): Buffer => compressSync(raw).subarray(4);

describe('an LZ4 block', () => {
  it('is unpacked to what was packed by the native library', () => {
    fc.assert(
      fc.property(repetitive, (raw) => {
        const unpacked = Buffer.alloc(raw.length);
        expect(unpackLz4(packed(raw), 0, unpacked, raw.length)).toBe(raw.length);
        expect(unpacked.equals(raw)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  it('is unpacked as far as is wanted, and not much further', () => {
    fc.assert(
      fc.property(repetitive, fc.double({ min: 0, max: 1, noNaN: true }), (raw, part) => {
        const unpacked = Buffer.alloc(raw.length);
        const wanted = Math.floor(raw.length * part);
        const got = unpackLz4(packed(raw), 0, unpacked, wanted);
        expect(got).toBeGreaterThanOrEqual(wanted);
        expect(unpacked.subarray(0, got).equals(raw.subarray(0, got))).toBe(true);
        // A few bytes more may have been written.
        expect(unpacked.subarray(got + 3).every((byte) => byte === 0)).toBe(true);
      }),
      { numRuns: 300 },
    );
    const records = Buffer.from(Array.from({ length: 300 }, (_, n) => `a record, the ${n}th of them; `).join(''));
    expect(unpackLz4(packed(records), 0, Buffer.alloc(records.length), 1000)).toBeLessThan(1100);
  });

  it('of other bytes, or of another length, is none, and nothing is written behind the memory', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 300 }), repetitive.map(packed)),
        fc.nat(4000),
        (bytes, length) => {
          const memory = Buffer.alloc(length + 64, 7);
          const got = unpackLz4(bytes, 0, memory.subarray(0, length), length);
          expect([-1, length]).toContain(got);
          expect(memory.subarray(length).every((byte) => byte === 7)).toBe(true);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it.each<[string, number[], number]>([
    ['is empty', [], 0],
    ['ends in a token of literals', [0xf0], 20],
    ['ends in its literals', [0x50, 1, 2], 5],
    ['ends in an offset', [0x10, 1, 1], 9],
    ['repeats what is before it', [0x10, 1, 2, 0, 0x00], 5],
    ['repeats from where it is', [0x10, 1, 0, 0, 0x00], 5],
    ['repeats more than there is room for', [0x1f, 1, 1, 0, 200, 0x00], 9],
    ['ends without literals of its own', [0x10, 1, 1, 0], 5],
  ])('that %s is none', (_, bytes, length) => {
    expect(unpackLz4(Uint8Array.from(bytes), 0, Buffer.alloc(length), length)).toBe(-1);
  });
});
