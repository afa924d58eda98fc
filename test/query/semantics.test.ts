/** What each operator means, by example: the values of `data.v` that it finds. */
import type { Where } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { compile, type Examined, followPath } from '../../dist/shared/portable/query/evaluate.js';
import { compareText } from '../../dist/shared/portable/query/operand.js';
import { parseWhere } from '../../dist/shared/portable/query/parse-where.js';

const HEADER: Omit<Examined, 'data' | 'dataAt'> = {
  id: '1700000000000000000_7_n',
  sequence: 7,
  timestampNs: 1_700_000_000_000_000_000n,
  time: 1_700_000_000_000,
  stream: 'task/1',
  revision: 3,
  type: 'Added',
  tags: ['p:1', 'x'],
  causes: [],
  agent: 'ada',
  session: undefined,
  correlationId: undefined,
  schemaVersion: 1,
  idempotencyKey: undefined,
  metadata: { agent: 'ada', custom: { deep: [1] } },
};

const finds = (where: Where, data: unknown = null, header: Partial<Examined> = {}): boolean =>
  compile(parseWhere(where))({ ...HEADER, data, dataAt: (path) => followPath(data, path), ...header });

const MISSING = Symbol('missing');

/** Those of the values that a test of `data.v` finds. */
function found(tests: object, values: readonly unknown[]): unknown[] {
  return values.filter((v) => finds({ 'data.v': tests }, v === MISSING ? {} : { v }));
}

const BIG = 2 ** 60;
const NUMBERS = [4, 5, 5n, 5.5, 6n, BIG, 2n ** 60n, 2n ** 60n + 1n, Number.NaN, Number.POSITIVE_INFINITY];
const OTHERS = [MISSING, null, true, 'a', new Date(5), [], {}, new Uint8Array([5])];
const ALL = [...NUMBERS, ...OTHERS];

describe('numbers', () => {
  test.each<[string, object, unknown[]]>([
    ['eq of an integer', { eq: 5 }, [5, 5n]],
    ['eq of a bigint', { eq: 5n }, [5, 5n]],
    ['eq of a double', { eq: 5.5 }, [5.5]],
    ['eq beyond the safe integers', { eq: BIG }, [BIG, 2n ** 60n]],
    ['eq of a bigint beyond the safe integers', { eq: 2n ** 60n }, [BIG, 2n ** 60n]],
    ['in beyond the safe integers', { in: [2n ** 60n, 4n] }, [4, BIG, 2n ** 60n]],
    ['in of what is rounded', { in: [BIG] }, [BIG, 2n ** 60n]],
    ['gt', { gt: 5 }, [5.5, 6n, BIG, 2n ** 60n, 2n ** 60n + 1n, Number.POSITIVE_INFINITY]],
    ['gte', { gte: 6 }, [6n, BIG, 2n ** 60n, 2n ** 60n + 1n, Number.POSITIVE_INFINITY]],
    ['gt compares exactly', { gt: BIG }, [2n ** 60n + 1n, Number.POSITIVE_INFINITY]],
    ['lt', { lt: 5.5 }, [4, 5, 5n]],
    ['lte', { lte: 5 }, [4, 5, 5n]],
    ['both ends', { gt: 4, lte: 5n }, [5, 5n]],
    ['no end', { lt: Number.POSITIVE_INFINITY, gt: 6 }, [BIG, 2n ** 60n, 2n ** 60n + 1n]],
  ])('%s', (_, tests, expected) => {
    expect(found(tests, ALL)).toEqual(expected);
  });

  test('negative zero is zero', () => {
    expect(found({ eq: -0 }, [0, -0])).toHaveLength(2);
    expect(parseWhere({ 'data.v': { eq: -0 } })).toEqual(parseWhere({ 'data.v': { eq: 0n } }));
  });

  test('NaN is there, equals nothing and has no order', () => {
    expect(found({ exists: true }, [Number.NaN])).toHaveLength(1);
    expect(found({ ne: 5 }, [Number.NaN])).toHaveLength(1);
    expect(finds({ not: { 'data.v': { gt: 5 } } }, { v: Number.NaN })).toBe(false);
    expect(found({ lte: 5 }, [Number.NaN])).toEqual([]);
  });
});

describe('a missing path', () => {
  const OPERATORS: [string, object][] = [
    ['eq', { eq: 5 }],
    ['ne', { ne: 5 }],
    ['in', { in: [5] }],
    ['gt', { gt: 5 }],
    ['gte', { gte: 5 }],
    ['lt', { lt: 5 }],
    ['lte', { lte: 5 }],
    ['prefix', { prefix: 'a' }],
  ];

  test.each(OPERATORS)('is not found by %s, nor by its opposite', (_, tests) => {
    for (const data of [null, 5, {}, { w: 5 }, { v: {} }, { v: { x: 5 } }, []]) {
      const where = { 'data.v.n': tests } as Where;
      expect(finds(where, data)).toBe(false);
      expect(finds({ not: where }, data)).toBe(false);
      expect(finds({ not: { not: where } }, data)).toBe(false);
      expect(finds({ not: { or: [where, { stream: { eq: 'other' } }] } }, data)).toBe(false);
    }
  });

  test.each(OPERATORS)('with %s leaves alone what stands beside it', (_, tests) => {
    const missing = { 'data.v': tests } as Where;
    expect(finds({ or: [missing, { stream: { eq: 'task/1' } }] }, {})).toBe(true);
    expect(finds({ not: { and: [missing, { stream: { eq: 'other' } }] } }, {})).toBe(true);
  });

  test('is what exists can ask for', () => {
    expect(found({ exists: false }, ALL)).toEqual([MISSING]);
    expect(finds({ not: { 'data.v': { exists: true } } }, {})).toBe(true);
    expect(finds({ 'data.v.w.x': { exists: false } }, { v: 1 })).toBe(true);
  });

  test('is not null', () => {
    expect(found({ eq: null }, ALL)).toEqual([null]);
    expect(found({ ne: null }, [MISSING, null, 0])).toEqual([0]);
  });

  test('can be a label', () => {
    expect(finds({ session: { ne: 's' } })).toBe(false);
    expect(finds({ not: { session: { eq: 's' } } })).toBe(false);
    expect(finds({ session: { exists: false } })).toBe(true);
    expect(finds({ metadata: { exists: true } })).toBe(true);
    expect(finds({ metadata: { exists: true } }, null, { metadata: {} })).toBe(false);
    expect(finds({ metadata: { exists: false } }, null, { metadata: {} })).toBe(true);
    expect(finds({ not: { metadata: { exists: true } } }, null, { metadata: {} })).toBe(true);
    expect(finds({ data: { exists: true } })).toBe(true);
    expect(finds({ agent: { ne: 's' } })).toBe(true);
  });
});

describe('other kinds', () => {
  test('equal nothing, and so are unequal', () => {
    expect(found({ ne: 5 }, [5, 5n, '5', true, null, {}, [5], ['5'], new Date(5)])).toEqual([
      '5',
      true,
      null,
      {},
      ['5'],
      new Date(5),
    ]);
  });

  test('have no order, nor the opposite one', () => {
    expect(found({ gt: 'A' }, ALL)).toEqual(['a']);
    expect(finds({ not: { 'data.v': { gt: 'A' } } }, { v: 5 })).toBe(false);
    expect(finds({ not: { 'data.v': { lt: new Date(9) } } }, { v: 5 })).toBe(false);
  });

  test('begin with nothing, nor with something else', () => {
    expect(found({ prefix: '' }, ALL)).toEqual(['a']);
    expect(finds({ not: { 'data.v': { prefix: 'a' } } }, { v: 5 })).toBe(false);
    expect(finds({ not: { 'data.v': { prefix: 'b' } } }, { v: 'a' })).toBe(true);
  });
});

describe('the opposite of an order', () => {
  test.each<[string, object, unknown[]]>([
    ['gt', { gt: 5 }, [4, 5]],
    ['gte', { gte: 5 }, [4]],
    ['lt', { lt: 5 }, [5, 6]],
    ['lte', { lte: 5 }, [6]],
  ])('of %s has the operand where it belongs', (_, tests, expected) => {
    expect([4, 5, 6].filter((v) => finds({ not: { 'data.v': tests } }, { v }))).toEqual(expected);
  });
});

describe('texts', () => {
  test('compare by code point, not by UTF-16 unit', () => {
    const inOrder = [
      '',
      '\u0000',
      'A',
      'a',
      'ab',
      'b',
      'ü',
      '\ud7ff',
      '\ue000',
      '\uf8ff',
      '\ufffd',
      '\u{10000}',
      '\u{1f600}',
    ];
    for (const [i, one] of inOrder.entries()) {
      for (const [j, other] of inOrder.entries()) expect(Math.sign(compareText(one, other))).toBe(Math.sign(i - j));
    }
    expect(found({ gt: '\ufffd' }, inOrder)).toEqual(['\u{10000}', '\u{1f600}']);
  });

  test('begin with what they begin with', () => {
    expect(found({ prefix: 'a' }, ['a', 'ab', 'ba', 'A', ''])).toEqual(['a', 'ab']);
  });
});

describe('times', () => {
  test('of data are Dates', () => {
    const dates = [new Date(4), new Date(5), new Date(6), 5, '1970-01-01T00:00:00.005Z'];
    expect(found({ eq: new Date(5) }, dates)).toEqual([new Date(5)]);
    expect(found({ in: [new Date(5), new Date(6)] }, dates)).toEqual([new Date(5), new Date(6)]);
    expect(found({ lt: new Date(6) }, dates)).toEqual([new Date(4), new Date(5)]);
  });

  test('of an event are compared with Dates or their texts, by the millisecond', () => {
    for (const time of [new Date(HEADER.time), '2023-11-14T22:13:20Z', '2023-11-14T23:13:20.000+01:00']) {
      expect(finds({ time: { eq: time } })).toBe(true);
      expect(finds({ time: { in: [time] } })).toBe(true);
      expect(finds({ time: { gt: time } })).toBe(false);
      expect(finds({ time: { gte: time, lte: time } })).toBe(true);
    }
    expect(finds({ time: { lt: '2023-11-14T22:13:20.001Z' } })).toBe(true);
  });
});

describe('lists', () => {
  const LISTS = [['a', 'b'], ['b'], [], [['a']], [1, 'ab'], 'a'];

  test.each<[string, object, unknown[]]>([
    ['eq: has it', { eq: 'a' }, [['a', 'b'], 'a']],
    ['ne: has it not', { ne: 'a' }, [['b'], [], [['a']], [1, 'ab']]],
    ['in: has one of them', { in: ['b', 1] }, [['a', 'b'], ['b'], [1, 'ab']]],
    ['prefix: has one that begins so', { prefix: 'a' }, [['a', 'b'], [1, 'ab'], 'a']],
    ['order: have none', { gte: '' }, ['a']],
    ['exists: are there, empty or not', { exists: true }, LISTS],
  ])('%s', (_, tests, expected) => {
    expect(found(tests, LISTS)).toEqual(expected);
  });

  test('are looked into one level, and by place', () => {
    expect(finds({ 'data.v.0': { eq: 'a' } }, { v: [['a']] })).toBe(true);
    expect(finds({ 'data.v.0.0': { eq: 'a' } }, { v: [['a']] })).toBe(true);
    expect(finds({ 'data.v.1': { exists: false } }, { v: [['a']] })).toBe(true);
    expect(finds({ 'data.v.00': { exists: true } }, { v: ['a'] })).toBe(false);
    expect(finds({ 'data.v.-1': { exists: true } }, { v: ['a'] })).toBe(false);
    expect(finds({ 'data.v.length': { exists: true } }, { v: ['a'] })).toBe(false);
    expect(finds({ 'data.0': { eq: 'a' } }, ['a'])).toBe(true);
  });

  test('of tags and causes mean the same; they exist if there is one', () => {
    expect(finds({ tags: { eq: 'x' } })).toBe(true);
    expect(finds({ tags: { eq: 'y' } })).toBe(false);
    expect(finds({ tags: { ne: 'y' } })).toBe(true);
    expect(finds({ tags: { ne: 'y' } }, null, { tags: [] })).toBe(true);
    expect(finds({ tags: { in: ['y', 'x'] } })).toBe(true);
    expect(finds({ tags: { prefix: 'p:' } })).toBe(true);
    expect(finds({ not: { tags: { prefix: 'p:' } } })).toBe(false);
    expect(finds({ tags: { exists: true } })).toBe(true);
    expect(finds({ causes: { exists: false } })).toBe(true);
    expect(finds({ causes: { exists: false } }, null, { causes: ['1700000000000000000_1_n'] })).toBe(false);
  });
});

describe('paths', () => {
  test('lead through own members alone', () => {
    for (const key of ['constructor', 'toString', '__proto__', 'hasOwnProperty']) {
      expect(finds({ [`data.${key}`]: { exists: true } } as Where, {})).toBe(false);
    }
    expect(finds({ 'data.constructor': { eq: 1 } }, { constructor: 1 })).toBe(true);
    expect(finds({ 'data.v.0': { exists: true } }, { v: new Uint8Array([5]) })).toBe(false);
    expect(finds({ 'data.v.0': { exists: true } }, { v: 'text' })).toBe(false);
    expect(finds({ 'data.v.getTime': { exists: true } }, { v: new Date(0) })).toBe(false);
  });

  test('have a backslash before a dot of a key', () => {
    expect(finds({ 'data.a\\.b': { eq: 1 } }, { 'a.b': 1, a: { b: 2 } })).toBe(true);
    expect(finds({ 'data.a.b': { eq: 2 } }, { 'a.b': 1, a: { b: 2 } })).toBe(true);
    expect(finds({ 'data.a\\\\.b': { eq: 1 } }, { 'a\\': { b: 1 } })).toBe(true);
    expect(finds({ 'data.a b.ü': { eq: 1 } }, { 'a b': { ü: 1 } })).toBe(true);
  });

  test('of metadata that stands in the header are its fields', () => {
    expect(parseWhere({ 'metadata.agent': { eq: 'ada' } })).toEqual(parseWhere({ agent: { eq: 'ada' } }));
    expect(finds({ 'metadata.custom.deep.0': { eq: 1 } })).toBe(true);
  });

  test('can be the data itself', () => {
    expect(finds({ data: { eq: 'x' } }, 'x')).toBe(true);
    expect(finds({ data: { eq: null } }, null)).toBe(true);
    expect(finds({ data: { exists: true } }, null)).toBe(true);
  });
});

describe('and, or, not', () => {
  test('an empty where is every event, also within another', () => {
    expect(finds({})).toBe(true);
    expect(finds({ not: {} })).toBe(false);
    expect(finds({ or: [{}, { type: { eq: 'Other' } }] })).toBe(true);
  });

  test('members stand for all of them', () => {
    expect(finds({ type: { eq: 'Added' }, or: [{ stream: { eq: 'b' } }, { sequence: { eq: 7 } }] })).toBe(true);
    expect(finds({ type: { eq: 'Added' }, not: { sequence: { eq: 7 } } })).toBe(false);
  });
});
