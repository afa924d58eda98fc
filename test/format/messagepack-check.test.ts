import { Encoder, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkMessagePack } from '../../dist/shared/format/messagepack-check.js';
import { data, jsonData } from '../support/values.js';

const options = { useBigInt64: true, ignoreUndefined: true };

describe('the look over MessagePack', () => {
  test('lets everything pass that may be stored', () => {
    fc.assert(fc.property(data, (value) => void checkMessagePack(encode(value, options))));
  });

  test('says whether there are bytes or timestamps', () => {
    fc.assert(
      fc.property(jsonData, (value) => {
        expect(checkMessagePack(encode(value, options))).toBe(false);
        expect(checkMessagePack(encode([value, new Date(0)], options))).toBe(true);
        expect(checkMessagePack(encode({ value, raw: new Uint8Array(3) }, options))).toBe(true);
      }),
    );
  });

  test('knows every kind of timestamp', () => {
    for (const ms of [0, 1, 1500, -1, -1500, 2 ** 32 * 1000, 2 ** 34 * 1000, 8.64e15]) {
      expect(checkMessagePack(encode(new Date(ms)))).toBe(true);
    }
  });

  test('refuses every value that is cut off', () => {
    fc.assert(
      fc.property(data, fc.nat(), (value, cut) => {
        const bytes = encode(value, options);
        expect(() => checkMessagePack(bytes.subarray(0, cut % bytes.length))).toThrow();
      }),
    );
  });

  test('refuses what stands behind the value', () => {
    fc.assert(
      fc.property(data, (value) => {
        const bytes = Buffer.concat([encode(value, options), Buffer.alloc(1)]);
        expect(() => checkMessagePack(bytes)).toThrow(/ends at byte/);
      }),
    );
  });

  test.each([
    ['an array of 2^32-1 items in five bytes', 'ddffffffff'],
    ['a map of 2^32-1 members in five bytes', 'dfffffffff'],
    ['a text of 2^32-1 bytes in five bytes', 'dbffffffff'],
    ['bytes of 2^32-1 in five bytes', 'c6ffffffff'],
    ['an array that claims one item more than there is', '9201'],
  ])('refuses %s', (_, hex) => {
    expect(() => checkMessagePack(Buffer.from(hex, 'hex'))).toThrow();
  });

  test.each([
    ['the byte that is never used', 'c1'],
    ['another extension of 4 bytes', 'd60100000000'],
    ['another extension of 8 bytes', 'd7010000000000000000'],
    ['another extension of 12 bytes', 'c70c01000000000000000000000000'],
    ['an extension of 1 byte', 'd4ff00'],
    ['an extension of 2 bytes', 'd5ff0000'],
    ['a timestamp of odd length', 'c705ff0000000000'],
    ['a key that is a number', '810101'],
    ['a key that is nil', '81c001'],
    ['a key that is an array', '819001'],
    ['a key that is bytes', '81c4016101'],
    ['nothing at all', ''],
  ])('refuses %s', (_, hex) => {
    expect(() => checkMessagePack(Buffer.from(hex, 'hex'))).toThrow();
  });

  test('lets 64 levels pass and refuses 65', () => {
    const deep = (depth: number): Uint8Array => {
      let value: unknown = 1;
      for (let i = 0; i < depth; i++) value = [value];
      return new Encoder({ maxDepth: 100 }).encode(value);
    };
    expect(checkMessagePack(deep(64))).toBe(false);
    expect(() => checkMessagePack(deep(65))).toThrow(/nested deeper/);
  });

  test('ends on arbitrary bytes, one way or the other', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          expect(typeof checkMessagePack(bytes)).toBe('boolean');
        } catch (error) {
          expect((error as Error).message).toMatch(/^MessagePack /);
        }
      }),
      { numRuns: 3000 },
    );
  });
});
