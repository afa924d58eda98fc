import vm from 'node:vm';
import { decode, encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { Packr } from 'msgpackr/pack';
import { describe, expect, test } from 'vitest';
import { NO_ROOM } from '../../dist/shared/format/messagepack-writer.js';
import { decodePayload, PAYLOAD, PayloadWriter } from '../../dist/shared/format/payload.js';
import { memoryOf } from '../../dist/shared/format/record.js';
import { failure, refusal } from '../support/errors.js';
import { data, expectSame, jsonData, stored } from '../support/values.js';

const LIMIT = 1024 * 1024;
const msgpack = new PayloadWriter('msgpack');
const json = new PayloadWriter('json');
const memory = memoryOf(Buffer.alloc(LIMIT));

function write(writer: PayloadWriter, value: unknown, room = LIMIT): number {
  return writer.write(value, 'data', memory, 0, room);
}

function payload(writer: PayloadWriter, value: unknown): { codec: number; bytes: Buffer } {
  const length = write(writer, value);
  expect(length).not.toBe(NO_ROOM);
  return { codec: writer.codec, bytes: Buffer.from(memory.bytes.subarray(0, length)) };
}

function roundTrip(encoder: PayloadWriter, value: unknown): unknown {
  const { codec, bytes } = payload(encoder, value);
  return decodePayload(codec, bytes);
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

  test('write what msgpackr writes, where JSON holds it', () => {
    const packr = new Packr({ useRecords: false });
    fc.assert(
      fc.property(jsonData, (value) => {
        fc.pre(value !== null);
        const { bytes } = payload(msgpack, value);
        // msgpackr looks at these keys.
        if (/"(?:constructor|toJSON|hasOwnProperty)":/.test(JSON.stringify(value))) return;
        expectSame(bytes, packr.pack(value));
      }),
    );
  });

  test('need no more room than what they write and a few bytes, and touch nothing behind it', () => {
    fc.assert(
      fc.property(data, fc.nat({ max: 300 }), (value, room) => {
        for (const writer of [msgpack, json]) {
          const whole = payload(writer, value).bytes;
          memory.bytes.fill(0xa5, 0, whole.length + room + 1);
          const length = write(writer, value, room);
          if (length === NO_ROOM) expect(room).toBeLessThan(whole.length + 16);
          else expectSame(Buffer.from(memory.bytes.subarray(0, length)), whole);
          expect(memory.bytes[Math.max(room, length)]).toBe(0xa5);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('read every member once as MessagePack', () => {
    let reads = 0;
    const value = {
      get n(): number {
        return ++reads;
      },
    };
    expect(roundTrip(msgpack, value)).toStrictEqual({ n: 1 });
  });

  test('take an object of more members than 16 bits count', () => {
    const value = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}`, i]));
    expectSame(roundTrip(msgpack, value), value);
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
        // A key that JSON.stringify would look at is left to MessagePack.
        if (/"toJSON":/.test(keys)) return;
        expect(codec).toBe(PAYLOAD.json);
        expect(bytes.toString()).toBe(keys);
      }),
    );
  });

  test('keeps text that looks like an escaped surrogate', () => {
    const value = { text: '\\ud800', more: '\\\\udfff' };
    const { codec, bytes } = payload(json, value);
    expect(codec).toBe(PAYLOAD.json);
    expect(bytes.toString()).toBe(JSON.stringify(value));
  });

  test.each([
    ['an object with a toJSON of its own', Object.defineProperty({ a: 1 }, 'toJSON', { value: 2 })],
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
    expect(await refusal(() => write(msgpack, value))).toEqual({ code: 'ERR_INVALID_EVENT', path });
    expect(await refusal(() => write(json, value))).toEqual({ code: 'ERR_INVALID_EVENT', path });
  });

  test('a cycle', async () => {
    const { path } = await failure('ERR_INVALID_EVENT', () => write(msgpack, cycle));
    expect(path).toBe(`data${'.again'.repeat(64)}`);
  });

  test('and the encoder goes on as if nothing had been', async () => {
    await refusal(() => write(msgpack, { run: () => 1 }));
    expect(roundTrip(msgpack, { a: 1 })).toStrictEqual({ a: 1 });
  });
});

describe('a value for which there is no room is given up early', () => {
  test('a small object that stands for more members than there are atoms', () => {
    let dag: unknown = ['x'];
    for (let i = 0; i < 60; i++) dag = [dag, dag];
    expect(write(msgpack, dag)).toBe(NO_ROOM);
    expect(write(json, dag)).toBe(NO_ROOM);
  });

  test('a sparse array of absurd length', () => {
    const sparse: unknown[] = [];
    sparse.length = 2 ** 32 - 1;
    expect(write(msgpack, sparse)).toBe(NO_ROOM);
    expect(write(json, sparse)).toBe(NO_ROOM);
  });

  test('a long text', () => {
    expect(write(msgpack, { text: 'x'.repeat(LIMIT) })).toBe(NO_ROOM);
    expect(write(json, { text: 'x'.repeat(LIMIT) })).toBe(NO_ROOM);
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
