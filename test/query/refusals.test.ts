/** What is no query, in its structured form: the code, and the path of just what is wrong. */
import fc from 'fast-check';
import { isKeeperError } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { parseQuery } from '../../dist/shared/portable/query/parse-query.js';
import { effort, SEED } from '../support/effort.js';
import { failure, refusal } from '../support/errors.js';

/** Built from the inside out: it is the query that is deep here, not the stack of the test. */
function nested(depth: number): object {
  let where: object = { type: { eq: 'A' } };
  for (let level = 0; level < depth; level++) where = { not: where };
  return where;
}

const many = <T>(count: number, of: T): T[] => Array.from({ length: count }, () => of);

describe('a where is refused with the path', () => {
  test.each<[string, unknown]>([
    ['where', null],
    ['where', []],
    ['where', new Date(0)],
    ['where', new Map()],
    ['where', 'type == "A"'],
    ['where.typ', { typ: { eq: 'A' } }],
    ["where['x y']", { 'x y': { eq: 'A' } }],
    ["where['it\\'s']", { "it's": { eq: 'A' } }],
    ['where.type', { type: 'A' }],
    ['where.type', { type: ['A'] }],
    ['where.type', { type: undefined }],
    ['where.type', { type: {} }],
    ['where.type.equals', { type: { equals: 'A' } }],
    ['where.type.eq', { type: { eq: 5 } }],
    ['where.type.eq', { type: { eq: null } }],
    ['where.type.eq', { type: { eq: undefined } }],
    ['where.type.in', { type: { in: 'A' } }],
    ['where.type.in', { type: { in: [] } }],
    ['where.type.in[1]', { type: { in: ['A', 5] } }],
    // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested
    ['where.type.in[1]', { type: { in: ['A', , 'B'] } }],
    ['where.type.exists', { type: { exists: 1 } }],
    ['where.type.prefix', { type: { prefix: /A/ } }],
    ['where.type.eq', { type: { eq: '\ud800' } }],
    ['where.type.eq', { type: { eq: 'x'.repeat(8193) } }],
    ['where.type.in', { type: { in: many(1001, 'A') } }],
    ['where.sequence.eq', { sequence: { eq: '5' } }],
    ['where.sequence.prefix', { sequence: { prefix: '5' } }],
    ['where.sequence.gt', { sequence: { gt: Number.NaN } }],
    ["where['sequence.x']", { 'sequence.x': { gt: 5 } }],
    ['where.tags.gt', { tags: { gt: 'x' } }],
    ['where.tags.eq', { tags: { eq: ['x'] } }],
    ["where['tags.0']", { 'tags.0': { eq: 'x' } }],
    ['where.time.gt', { time: { gt: '2026-11-24' } }],
    ['where.time.gt', { time: { gt: '2026-02-30T00:00:00Z' } }],
    ['where.time.gt', { time: { gt: '2026-02-20T00:00:00.0001Z' } }],
    ['where.time.gt', { time: { gt: '2026-02-20T00:00:00' } }],
    ['where.time.gt', { time: { gt: 1_700_000_000_000 } }],
    ['where.time.gt', { time: { gt: new Date(Number.NaN) } }],
    ['where.time.prefix', { time: { prefix: '2026' } }],
    ["where['data.n'].eq", { 'data.n': { eq: Number.NaN } }],
    ["where['data.n'].eq", { 'data.n': { eq: 2n ** 64n } }],
    ["where['data.n'].eq", { 'data.n': { eq: {} } }],
    ["where['data.n'].eq", { 'data.n': { eq: new Uint8Array(1) } }],
    ["where['data.n'].gt", { 'data.n': { gt: true } }],
    ["where['data.n'].lt", { 'data.n': { lt: null } }],
    ["where['data.n'].prefix", { 'data.n': { prefix: 5 } }],
    ["where['data.n']['x y']", { 'data.n': { gt: 5, 'x y': 1 } }],
    ["where['data.']", { 'data.': { eq: 5 } }],
    ["where['data..n']", { 'data..n': { eq: 5 } }],
    ["where['data.\\\\n']", { 'data.\\n': { eq: 5 } }],
    ["where['data.n\\\\']", { 'data.n\\': { eq: 5 } }],
    ["where['data.\ud800']", { 'data.\ud800': { eq: 5 } }],
    [`where['data.${'x'.repeat(1020)}']`, { [`data.${'x'.repeat(1020)}`]: { eq: 5 } }],
    [`where['data${'.x'.repeat(65)}']`, { [`data${'.x'.repeat(65)}`]: { eq: 5 } }],
    ['where.and', { and: {} }],
    ['where.and', { and: [] }],
    ["where.or[1]['data.n'].gt2", { or: [{ type: { eq: 'A' } }, { 'data.n': { gt: '5', gt2: 1 } }] }],
    ['where.or[1]', { or: [{ type: { eq: 'A' } }, null] }],
    ['where.not', { not: [{}] }],
    ['where.not.not.type.eq', { not: { not: { type: { eq: 5 } } } }],
    ['where.and[1000].type.eq', { and: many(1001, { type: { eq: 'A' } }) }],
  ])('%s', async (path, where) => {
    expect(await refusal(() => parseQuery({ where }))).toEqual({ code: 'ERR_INVALID_QUERY', path });
  });

  test('where it is nested too deep, and only there', async () => {
    expect(parseQuery({ where: nested(60) })).toBeDefined();
    const { code, path } = await refusal(() => parseQuery({ where: nested(100) }));
    expect(code).toBe('ERR_INVALID_QUERY');
    expect(path).toMatch(/^where(\.not){64}$/);
    const deep = nested(10_000);
    expect((await refusal(() => parseQuery({ where: deep }))).code).toBe('ERR_INVALID_QUERY');
  });

  test('and a thousand tests are not too many', () => {
    expect(parseQuery({ where: { or: many(1000, { type: { in: many(1000, 'A') } }) } })).toBeDefined();
  });
});

describe('a query is refused with the path', () => {
  const AGGREGATE = { aggregate: { count: true } };

  test.each<[string, unknown, unknown]>([
    ['query', undefined, undefined],
    ['query', null, undefined],
    ['query', [], undefined],
    ['query', 5, undefined],
    ['wher', { wher: {} }, undefined],
    ["['a b']", { 'a b': {} }, undefined],
    ['signal', { signal: new AbortController().signal }, undefined],
    ['limit', {}, { limit: 5 }],
    ['signal', {}, { signal: 5 }],
    ['options', {}, null],
    ['where', 'true', { where: {} }],
    ['limit', 'true', { limit: -1 }],
    ['query', 'x'.repeat(65_537), undefined],
    ['direction', { direction: 'up' }, undefined],
    ['limit', { limit: 1.5 }, undefined],
    ['limit', { limit: '5' }, undefined],
    ['limit', { limit: -1 }, undefined],
    ['limit', { limit: null }, undefined],
    ['cursor', { cursor: 5 }, undefined],
    ['select', { select: 'id' }, undefined],
    ['select', { select: [] }, undefined],
    ['select[1]', { select: ['id', 'data.'] }, undefined],
    ['select[1]', { select: ['id', 5] }, undefined],
    ['select[1]', { select: ['id', 'id'] }, undefined],
    ['select', { select: many(257, 'id') }, undefined],
    ['groupBy', { groupBy: 'type' }, undefined],
    ['aggregate', { aggregate: [] }, undefined],
    ['aggregate', { aggregate: {} }, undefined],
    ['aggregate', { aggregate: { count: false } }, undefined],
    ['aggregate.count', { aggregate: { count: 1 } }, undefined],
    ['aggregate.sum', { aggregate: { sum: 'data.n' } }, undefined],
    ['aggregate.min', { aggregate: { min: 5 } }, undefined],
    ['aggregate.min', { aggregate: { min: [] } }, undefined],
    ['aggregate.max[1]', { aggregate: { max: ['data.n', 'tags'] } }, undefined],
    ['aggregate.max', { aggregate: { max: 'dat' } }, undefined],
    ['groupBy', { ...AGGREGATE, groupBy: 'data.n' }, undefined],
    ['groupBy[1]', { ...AGGREGATE, groupBy: ['type', 'tags'] }, undefined],
    ['groupBy[1]', { ...AGGREGATE, groupBy: ['type', 'time'] }, undefined],
    ['groupBy', { ...AGGREGATE, groupBy: [] }, undefined],
    ['select', { ...AGGREGATE, select: ['id'] }, undefined],
    ['limit', { ...AGGREGATE, limit: 5 }, undefined],
    ['cursor', { ...AGGREGATE, cursor: 'x' }, undefined],
    ['direction', { ...AGGREGATE, direction: 'backwards' }, undefined],
  ])('%s', async (path, query, options) => {
    expect(await refusal(() => parseQuery(query, options))).toEqual({ code: 'ERR_INVALID_QUERY', path });
  });

  test('what is undefined is left out', () => {
    const query = { where: undefined, select: undefined, direction: undefined, limit: undefined, cursor: undefined };
    expect(parseQuery({ ...query, aggregate: undefined, groupBy: undefined })).toEqual(parseQuery({}));
  });
});

test('anything at all is a query or is refused by code and path', () => {
  const operator = fc.constantFrom('eq', 'ne', 'in', 'gt', 'lte', 'prefix', 'exists', 'x', '__proto__');
  const field = fc.oneof(
    fc.constantFrom('type', 'tags', 'time', 'sequence', 'data', 'and', 'or', 'not', '__proto__', 'constructor'),
    fc.string({ unit: 'binary', maxLength: 10 }).map((key) => `data.${key}`),
    fc.string({ unit: 'binary', maxLength: 10 }),
  );
  const anything = fc.anything({
    maxDepth: 1,
    maxKeys: 3,
    withBigInt: true,
    withDate: true,
    withNullPrototype: true,
    withSparseArray: true,
  });
  const tests = fc.oneof(fc.dictionary(operator, anything, { maxKeys: 3 }), anything);
  const where = fc.letrec((tie) => ({
    where: fc.oneof(
      { depthSize: 'small' },
      fc.dictionary(field, tests, { maxKeys: 3 }),
      fc.dictionary(field, tie('where'), { maxKeys: 2 }),
      fc.array(tie('where'), { maxLength: 3 }),
      anything,
    ),
  })).where;
  const member = fc.constantFrom('where', 'select', 'limit', 'cursor', 'aggregate', 'groupBy', 'direction', 'x');
  const query = fc.oneof(
    where.map((where) => ({ where })),
    fc.dictionary(member, fc.oneof(anything, where, fc.array(field)), { maxKeys: 4 }),
    anything,
  );
  let taken = 0;
  fc.assert(
    fc.property(query, fc.oneof(fc.constant(undefined), anything), (query, options) => {
      try {
        parseQuery(query, options);
        taken++;
      } catch (error) {
        if (!isKeeperError(error, 'ERR_INVALID_QUERY')) throw error;
        expect(error.path).not.toBe('');
        expect(error.message.startsWith(error.path)).toBe(true);
      }
    }),
    { seed: SEED, numRuns: effort(3_000, 200_000) },
  );
  expect(taken).toBeGreaterThan(0);
});

test('a prefix of a number is told to be of texts alone, whatever it is compared with', async () => {
  for (const prefix of ['1', 1]) {
    const refused = await failure('ERR_INVALID_QUERY', () =>
      parseQuery({ where: { sequence: { prefix } } }, undefined),
    );
    expect(refused.message).toContain('prefix');
  }
});
