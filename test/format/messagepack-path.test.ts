/** What a path finds in the bytes is what it finds in the decoded value. */
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findValue, pathKeysOf } from '../../dist/shared/format/messagepack-path.js';
import { decodeAtPath, decodePayload, PAYLOAD, PayloadWriter } from '../../dist/shared/format/payload.js';
import { memoryOf } from '../../dist/shared/format/record.js';
import { followPath } from '../../dist/shared/portable/query/evaluate.js';
import { data, expectSame } from '../support/values.js';

const writer = new PayloadWriter('msgpack');
const memory = memoryOf(Buffer.alloc(1024 * 1024));
/** Something stands before a payload, and behind it. */
const START = 100;

function expectSameAt(value: unknown, path: readonly string[]): unknown {
  memory.bytes.fill(0xc1);
  const end = START + writer.writeMessagePack(value, 'data', memory, START, memory.bytes.length);
  const expected = followPath(decodePayload(PAYLOAD.msgpack, memory.bytes, START, end), path);
  const keys = pathKeysOf(path);
  if (keys !== undefined) expectSame(decodeAtPath(memory.bytes, START, end, keys), expected);
  return expected;
}

/** Every path that leads somewhere in a value, and some that do not. */
function* pathsIn(value: unknown, path: readonly string[] = []): Generator<readonly string[]> {
  yield [...path, 'nowhere'];
  yield [...path, '0'];
  yield [...path, 'length'];
  if (typeof value !== 'object' || value === null) return;
  for (const [key, member] of Object.entries(value)) {
    yield [...path, key];
    yield* pathsIn(member, [...path, key]);
  }
}

describe('a path', () => {
  test('leads in bytes to what it leads to in the decoded value', () => {
    let somewhere = 0;
    fc.assert(
      fc.property(data, (value) => {
        fc.pre(value !== null && value !== undefined);
        for (const path of pathsIn(value)) if (expectSameAt(value, path) !== undefined) somewhere++;
      }),
      { numRuns: 1000 },
    );
    expect(somewhere).toBeGreaterThan(1000);
  });

  const long = Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`key ${i}`, i]));
  test.each<[string, unknown, string[]]>([
    ['the last of many members', long, ['key 69999']],
    ['one behind many bytes', { text: 'x'.repeat(70_000), n: -7 }, ['n']],
    ['a long key', { ['k'.repeat(300)]: 1.5 }, ['k'.repeat(300)]],
    ['a key of 40 bytes', { ['k'.repeat(40)]: [2n ** 60n] }, ['k'.repeat(40), '0']],
    ['a key of 70,000 bytes', { ['ü'.repeat(35_000)]: 'there' }, ['ü'.repeat(35_000)]],
    ['the last of many elements', Array.from({ length: 70_000 }, (_, i) => i), ['69999']],
    ['a date', { at: [new Date(5)] }, ['at', '0']],
    ['an object', { of: { a: { b: [1] } } }, ['of', 'a']],
    ['null', { none: null }, ['none']],
    ['a list in bytes', { raw: new Uint8Array([1]) }, ['raw']],
  ])('leads to %s', (_, value, path) => {
    expect(expectSameAt(value, path)).not.toBeUndefined();
  });

  test.each<[string, unknown, string[]]>([
    ['behind the last element', [1, 2], ['2']],
    ['in a number', { n: 5 }, ['n', '0']],
    ['in a text', { s: 'text' }, ['s', '0']],
    ['in bytes', { raw: new Uint8Array([1]) }, ['raw', '0']],
    ['in a date', { at: new Date(5) }, ['at', 'getTime']],
    ['by a place of another form', [1, 2], ['01']],
    ['by the beginning of a key', { name: 1 }, ['nam']],
    ['by a longer key', { name: 1 }, ['names']],
    ['in an empty object', {}, ['n']],
    ['by what a value is', { a: 'n' }, ['n']],
  ])('leads nowhere %s', (_, value, path) => {
    expect(expectSameAt(value, path)).toBeUndefined();
  });

  test('is followed in the decoded value where decoders change its keys', () => {
    expect(pathKeysOf(['a', '__proto__'])).toBeUndefined();
  });

  test('meets bytes that are cut off', () => {
    const bytes = encode({ first: 'some text', n: [1, 2, 3], last: 5 });
    const keys = pathKeysOf(['last'])!;
    expect(findValue(bytes, 0, bytes.length, keys)).toEqual({ start: bytes.length - 1, end: bytes.length });
    for (let end = 0; end < bytes.length; end++) expect(() => findValue(bytes, 0, end, keys)).toThrow('MessagePack');
  });

  test('does not go beyond what a header claims of what is not there', () => {
    // Lists and objects of 2^32 - 1 members.
    for (const head of [0xdd, 0xdf]) {
      const bytes = Uint8Array.of(head, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 0x01);
      expect(() => findValue(bytes, 0, bytes.length, pathKeysOf(['4000000000'])!)).toThrow('MessagePack');
    }
  });
});
