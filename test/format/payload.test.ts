import { isDeepStrictEqual } from 'node:util';
import vm from 'node:vm';
import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePayload, PAYLOAD, PayloadEncoder } from '../../dist/shared/format/payload.js';
import { failure, refusal } from '../support/errors.js';
import { data, jsonData, stored } from '../support/values.js';

const LIMIT = 1024 * 1024;
const msgpack = new PayloadEncoder('msgpack', LIMIT);
const json = new PayloadEncoder('json', LIMIT);

function payload(encoder: PayloadEncoder, value: unknown): { codec: number; bytes: Buffer } {
  encoder.encode(value, 'data');
  const target = Buffer.alloc(encoder.maxBytes);
  return { codec: encoder.codec, bytes: target.subarray(0, encoder.writeTo(target, 0)) };
}

function roundTrip(encoder: PayloadEncoder, value: unknown): unknown {
  const { codec, bytes } = payload(encoder, value);
  return decodePayload(codec, bytes);
}

/** Equal by value and kind; an own member named constructor confuses the matchers of the test runner. */
function expectSame(actual: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(actual, expected)) expect(actual).toStrictEqual(expected);
}

function nested(depth: number): unknown {
  let value: unknown = 'bottom';
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { in: value };
  return value;
}

describe('both codecs', () => {
  test('give back what was stored, whatever it is', () => {
    fc.assert(
      fc.property(data, (value) => {
        const expected = stored(value);
        expectSame(roundTrip(msgpack, value), expected);
        expectSame(roundTrip(json, value), expected);
      }),
      { numRuns: 2000 },
    );
  });

  test('agree with the reference codec on everything', () => {
    fc.assert(
      fc.property(data, (value) => {
        fc.pre(value !== null && value !== undefined && !(value instanceof Uint8Array));
        const { codec, bytes } = payload(msgpack, value);
        expect(codec).toBe(PAYLOAD.msgpack);
        expectSame(decode(new Uint8Array(bytes), { useBigInt64: true }), stored(value));
        const byReference = encode(value, { useBigInt64: true, ignoreUndefined: true });
        expectSame(decodePayload(PAYLOAD.msgpack, Buffer.from(byReference)), stored(value));
      }),
      { numRuns: 2000 },
    );
  });

  test('encode by the reference what they encode otherwise', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ unit: 'grapheme' }).filter((key) => key !== '__proto__'),
          data,
        ),
        (value) => {
          const encoder = new PayloadEncoder('msgpack', LIMIT);
          encoder.encodeByReference(value, 'metadata');
          const target = Buffer.alloc(encoder.maxBytes);
          encoder.writeTo(target, 0);
          expectSame(decodePayload(PAYLOAD.msgpack, target), stored(value));
        },
      ),
    );
  });

  test('leave the value as it was', () => {
    fc.assert(
      fc.property(data, (value) => {
        const before = structuredClone(value);
        payload(msgpack, value);
        payload(json, value);
        expectSame(value, before);
      }),
    );
  });

  test('take frozen values', () => {
    const value = Object.freeze({ list: Object.freeze([1, 2]), at: new Date(5) });
    expect(roundTrip(msgpack, value)).toStrictEqual({ list: [1, 2], at: new Date(5) });
  });

  test('drop absent members beside numbers that JSON does not hold', () => {
    const value = { absent: undefined, nan: Number.NaN };
    expect(roundTrip(msgpack, value)).toStrictEqual({ nan: Number.NaN });
    expect(roundTrip(json, value)).toStrictEqual({ nan: Number.NaN });
  });

  test('store -0 as 0', () => {
    expect(roundTrip(msgpack, { zero: -0 })).toStrictEqual({ zero: 0 });
    expect(roundTrip(json, { zero: -0 })).toStrictEqual({ zero: 0 });
    expect(roundTrip(msgpack, [-0, new Date(0)])).toStrictEqual([0, new Date(0)]);
  });

  test('keep numbers and bigints apart', () => {
    const value = [1, 1n, 2 ** 40, 2n ** 40n, 2 ** 53, 2n ** 53n];
    expect(roundTrip(msgpack, value)).toStrictEqual(value);
    expect(roundTrip(json, value)).toStrictEqual(value);
  });

  test('write nothing for null and for what is absent', () => {
    expect(payload(msgpack, null)).toEqual({ codec: PAYLOAD.none, bytes: Buffer.alloc(0) });
    expect(payload(json, undefined)).toEqual({ codec: PAYLOAD.none, bytes: Buffer.alloc(0) });
    expect(decodePayload(PAYLOAD.none, Buffer.alloc(0))).toBeNull();
  });

  test('store bytes as they are', () => {
    const bytes = new Uint8Array([1, 2, 3]);
    expect(payload(json, bytes)).toEqual({ codec: PAYLOAD.bytes, bytes: Buffer.from(bytes) });
    expect(roundTrip(msgpack, Buffer.from('abc'))).toStrictEqual(new Uint8Array(Buffer.from('abc')));
  });

  test('take objects without a prototype and of another realm', () => {
    const bare = Object.assign(Object.create(null), { a: 1 });
    const foreign: unknown = vm.runInNewContext('({ list: [1, { b: 2 }] })');
    expect(roundTrip(msgpack, { bare, foreign })).toStrictEqual({ bare: { a: 1 }, foreign: { list: [1, { b: 2 }] } });
    expect(roundTrip(json, { bare, foreign })).toStrictEqual({ bare: { a: 1 }, foreign: { list: [1, { b: 2 }] } });
  });

  test('store the same object in two places twice', () => {
    const shared = { a: [1] };
    expect(roundTrip(msgpack, [shared, shared])).toStrictEqual([{ a: [1] }, { a: [1] }]);
  });

  test('take what is nested 64 deep', () => {
    expect(roundTrip(msgpack, nested(64))).toStrictEqual(nested(64));
    expect(roundTrip(json, nested(64))).toStrictEqual(nested(64));
  });
});

describe('the JSON codec', () => {
  test('writes JSON text for what JSON holds', () => {
    fc.assert(
      fc.property(jsonData, (value) => {
        fc.pre(value !== null);
        const keys = JSON.stringify(value);
        const { codec, bytes } = payload(json, value);
        // Keys that JSON.stringify would look at are left to MessagePack.
        if (/"(?:constructor|toJSON|hasOwnProperty)":/.test(keys)) return;
        expect(codec).toBe(PAYLOAD.json);
        expect(bytes.toString()).toBe(keys);
      }),
    );
  });

  test.each([
    ['NaN', Number.NaN],
    ['an infinity', Number.NEGATIVE_INFINITY],
    ['a bigint', 5n],
    ['a date', new Date(0)],
    ['bytes', new Uint8Array(1)],
  ])('leaves %s to MessagePack', (_, value) => {
    expect(payload(json, { value }).codec).toBe(PAYLOAD.msgpack);
  });
});

describe('a value that cannot be stored is refused with its path', () => {
  class Point {
    x = 1;
  }
  const cycle: Record<string, unknown> = {};
  cycle.again = cycle;
  const sixtyFour = `data${'[0].in'.repeat(32)}`;
  test.each<[string, unknown, string]>([
    ['a function', { run: () => 1 }, 'data.run'],
    ['a symbol', [1, Symbol('x')], 'data[1]'],
    ['a class instance', { at: { point: new Point() } }, 'data.at.point'],
    ['a map', new Map(), 'data'],
    ['a set', { set: new Set() }, 'data.set'],
    ['an error', [new Error('x')], 'data[0]'],
    ['a regular expression', [/x/], 'data[0]'],
    ['a boxed string', [Object('x')], 'data[0]'],
    ['a typed array other than Uint8Array', { floats: new Float64Array(1) }, 'data.floats'],
    ['an ArrayBuffer', { buffer: new ArrayBuffer(1) }, 'data.buffer'],
    ['an invalid date', { at: new Date(Number.NaN) }, 'data.at'],
    ['a bigint above uint64', { n: 2n ** 64n }, 'data.n'],
    ['a bigint below int64', { n: -(2n ** 63n) - 1n }, 'data.n'],
    ['a lone surrogate in a value', { text: 'a\ud800b' }, 'data.text'],
    ['a lone surrogate by itself', '\udc00', 'data'],
    ['a lone surrogate in a key', { 'a\ud800': 1 }, 'data["a\\ud800"]'],
    ['the key __proto__', JSON.parse('{"a":{"__proto__":1}}'), 'data.a.__proto__'],
    ['a key that is no name', { 'a b': [{ 'c-d': () => 1 }] }, 'data["a b"][0]["c-d"]'],
    ['what is nested 65 deep', nested(65), sixtyFour],
  ])('%s', async (_, value, path) => {
    expect(await refusal(() => msgpack.encode(value, 'data'))).toEqual({ code: 'ERR_INVALID_EVENT', path });
    expect(await refusal(() => json.encode(value, 'data'))).toEqual({ code: 'ERR_INVALID_EVENT', path });
    expect(await refusal(() => msgpack.encodeByReference({ value }, 'data'))).toMatchObject({
      code: 'ERR_INVALID_EVENT',
    });
  });

  test('a cycle', async () => {
    const { path } = await failure('ERR_INVALID_EVENT', () => msgpack.encode(cycle, 'data'));
    expect(path).toBe(`data${'.again'.repeat(64)}`);
  });

  test('and the encoder goes on as if nothing had been', async () => {
    await refusal(() => msgpack.encode({ run: () => 1 }, 'data'));
    expect(roundTrip(msgpack, { a: 1 })).toStrictEqual({ a: 1 });
  });
});

describe('a value that is surely too large is refused before it is encoded', () => {
  test('a small object that stands for more members than there are atoms', async () => {
    let dag: unknown = ['x'];
    for (let i = 0; i < 60; i++) dag = [dag, dag];
    const { limit } = await failure('ERR_EVENT_TOO_LARGE', () => msgpack.encode(dag, 'data'));
    expect(limit).toBe(LIMIT);
  });

  test('a sparse array of absurd length', async () => {
    const sparse: unknown[] = [];
    sparse.length = 2 ** 32 - 1;
    await failure('ERR_EVENT_TOO_LARGE', () => json.encode(sparse, 'data'));
  });

  test('a long text', async () => {
    await failure('ERR_EVENT_TOO_LARGE', () => msgpack.encode({ text: 'x'.repeat(LIMIT) }, 'data'));
  });
});

describe('decoding', () => {
  test('gives memory of its own', () => {
    const { bytes } = payload(msgpack, { raw: new Uint8Array([1, 2, 3]) });
    const decoded = decodePayload(PAYLOAD.msgpack, bytes) as { raw: Uint8Array };
    bytes.fill(0);
    expect(decoded.raw).toStrictEqual(new Uint8Array([1, 2, 3]));
    expect(decoded.raw.buffer).not.toBe(bytes.buffer);
  });

  test('refuses a codec that there is not', () => {
    expect(() => decodePayload(9, Buffer.alloc(1))).toThrow('no such data codec');
  });

  test('never does more than throw on arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          decodePayload(PAYLOAD.msgpack, Buffer.from(bytes));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
