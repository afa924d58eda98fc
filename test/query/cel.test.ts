/** CEL text: what it stands for in the structured form, and what of the language is refused, with the place. */
import fc from 'fast-check';
import { isKeeperError, type Where } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { parseCel } from '../../dist/main/read/query/cel.js';
import { parseWhere } from '../../dist/shared/portable/query/parse-where.js';
import { effort, SEED } from '../support/effort.js';
import { refusal } from '../support/errors.js';

describe('CEL is another way to write', () => {
  test.each<[string, Where]>([
    ['true', {}],
    ['false', { not: {} }],
    ['!true', { not: {} }],
    // The example of docs/query.md.
    [
      'type in ["OrderPlaced", "OrderPaid"] && data.total > 5 && !("test" in tags)',
      { type: { in: ['OrderPlaced', 'OrderPaid'] }, 'data.total': { gt: 5 }, not: { tags: { eq: 'test' } } },
    ],
    ['type == "A"', { type: { eq: 'A' } }],
    ["'A' == type", { type: { eq: 'A' } }],
    ['event.type == "A"', { type: { eq: 'A' } }],
    ['type != "A"', { type: { ne: 'A' } }],
    ['!(type == "A")', { type: { ne: 'A' } }],
    ['type in ["A", "B"]', { type: { in: ['A', 'B'] } }],
    ['!(type in ["A", "B"])', { not: { type: { in: ['A', 'B'] } } }],
    ['stream.startsWith("task/")', { stream: { prefix: 'task/' } }],
    ['"x" in tags', { tags: { eq: 'x' } }],
    ['!("x" in event.tags)', { tags: { ne: 'x' } }],
    ['tags.exists(t, t == "x")', { tags: { eq: 'x' } }],
    ['tags.exists(t, "x" == t)', { tags: { eq: 'x' } }],
    ['tags.exists(t, t in ["x", "y"])', { tags: { in: ['x', 'y'] } }],
    ['tags.exists(tag, tag.startsWith("p:"))', { tags: { prefix: 'p:' } }],
    ['has(event.tags)', { tags: { exists: true } }],
    ['has(tags)', { tags: { exists: true } }],
    ['!has(agent)', { agent: { exists: false } }],
    ['has(type)', { type: { exists: true } }],
    ['has(data)', { data: { exists: true } }],
    ['has(metadata.agent)', { agent: { exists: true } }],
    ['metadata.agent == "ada"', { agent: { eq: 'ada' } }],
    ['!has(data.n)', { 'data.n': { exists: false } }],
    ['has(data["a b"])', { 'data.a b': { exists: true } }],
    ['data.n > 5', { 'data.n': { gt: 5 } }],
    ['5 > data.n', { 'data.n': { lt: 5 } }],
    ['5 <= data.n', { 'data.n': { gte: 5 } }],
    ['data.n >= -5 && data.n < 1.5e3', { 'data.n': { gte: -5, lt: 1500 } }],
    ['data.n == 5.0', { 'data.n': { eq: 5n } }],
    ['data.n == 0x10u', { 'data.n': { eq: 16 } }],
    ['data.n == 1e18', { 'data.n': { eq: 10n ** 18n } }],
    ['data.n == 18446744073709551615u', { 'data.n': { eq: 2n ** 64n - 1n } }],
    ['data.n == -9223372036854775808', { 'data.n': { eq: -(2n ** 63n) } }],
    ['data.n < double("Infinity") && data.n > double("-Infinity")', { 'data.n': { lt: Infinity, gt: -Infinity } }],
    ['data.ok == true || data.ok == null', { or: [{ 'data.ok': { eq: true } }, { 'data.ok': { eq: null } }] }],
    ['data == "x"', { data: { eq: 'x' } }],
    ['data["a.b"].c["d\\"e"] == 1', { 'data.a\\.b.c.d"e': { eq: 1 } }],
    ['data.items[0].n == 1', { 'data.items.0.n': { eq: 1 } }],
    ['data.items["0"] == 1', { 'data.items.0': { eq: 1 } }],
    ['"x" in data.items', { 'data.items': { eq: 'x' } }],
    ['data.if == 1', { 'data.if': { eq: 1 } }],
    ['time >= timestamp("2026-01-31T12:00:00Z")', { time: { gte: new Date(Date.UTC(2026, 0, 31, 12)) } }],
    [
      'data.at < timestamp("2026-01-31T12:00:00.5+01:00")',
      { 'data.at': { lt: new Date(Date.UTC(2026, 0, 31, 11, 0, 0, 500)) } },
    ],
    [
      'type == "A" && type == "B" && type == "C"',
      { and: [{ type: { eq: 'A' } }, { type: { eq: 'B' } }, { type: { eq: 'C' } }] },
    ],
    [
      '(type == "A" || stream == "b") // why\n && sequence > 3',
      { or: [{ type: { eq: 'A' } }, { stream: { eq: 'b' } }], sequence: { gt: 3 } },
    ],
    ['!(type == "A" && data.n > 5)', { not: { type: { eq: 'A' }, 'data.n': { gt: 5 } } }],
    ['r"\\n" == data.s', { 'data.s': { eq: '\\n' } }],
    ['data.s == "\\u00fc\\n\\x41"', { 'data.s': { eq: 'ü\nA' } }],
  ])('%s', async (text, where) => {
    expect(await parseCel(text)).toEqual(parseWhere(where));
  });
});

describe('CEL that is no part of queries is told by name, and what to write instead', () => {
  test.each<[string, RegExp]>([
    ['type.endsWith("x")', /endsWith\(\).*startsWith/],
    ['type.matches("x.*")', /matches\(\).*startsWith/],
    ['data.s.contains("x")', /contains\(\).*startsWith/],
    ['type == "A" ? true : false', /\? :.*\(a && b\) \|\| \(!a && c\)/],
    ['size(tags) > 1', /size\(\).*has\(event\.tags\)/],
    ['tags.size() > 1', /size\(\).*has\(event\.tags\)/],
    ['data.n + 1 > 5', /calculates \(\+\).*data\.n > 4/],
    ['data.n > 2 * 3', /literal.*calculates \(\*\)/],
    ['data.n > data.m', /literal.*not with each other/],
    ['tags.all(t, t == "x")', /all\(\).*exists/],
    ['has(data.n, data.m)', /has\(\).*one member.*has\(event\.agent\)/],
    ['time > duration("1h")', /duration\(\).*timestamp\("/],
    ['f(data.n) == 1', /calls f\(\)/],
    ['has(typ)', /no member of an event.*agent/],
  ])('%s', async (text, message) => {
    await expect(parseCel(text)).rejects.toThrow(message);
  });
});

describe('CEL is refused at its place', () => {
  test.each<[string, number]>([
    ['', 0],
    ['type = "A"', 5],
    ['type == "A" &&', 14],
    ['type == "A', 8],
    ['type == @', 8],
    ['(type == "A"', 12],
    ['type', 0],
    ['data.ok', 0],
    ['!data.ok', 1],
    ['5', 0],
    ['"x"', 0],
    ['1 == 1', 0],
    ['type == stream', 8],
    ['data.n == data.m', 10],
    ['data.n + 1 > 5', 0],
    ['data.n > 2 + 3', 9],
    ['type == "A" && typ == "B"', 15],
    ['sequence > "5"', 11],
    ['type == 5', 8],
    ['type == null', 8],
    ['type > true', 7],
    ['data.n > null', 9],
    ['data.n == 18446744073709551616', 10],
    ['data.n == b"ab"', 10],
    ['data.n == [1]', 10],
    ['data.n == {"a": 1}', 10],
    ['data.n == duration("1s")', 10],
    ['data.n == double("NaN")', 10],
    ['data.n == double("5")', 10],
    ['time > timestamp("yesterday")', 17],
    ['time > timestamp("2026-01-01T00:00:00.0001Z")', 17],
    ['time > 5', 7],
    ['data.n in []', 10],
    ['data.n in data.m', 10],
    ['data.n in [1, data.m]', 14],
    ['"x" in type', 7],
    ['"x" in ["x"]', 0],
    ['5 in tags', 0],
    ['tags == "x"', 0],
    ['tags in ["x"]', 0],
    ['tags.startsWith("x")', 0],
    ['tags.exists(t, t > "x")', 15],
    ['tags.exists(t, x == "x")', 15],
    ['tags.all(t, t == "x")', 0],
    ['type.exists(t, t == "x")', 0],
    ['type.startsWith(5)', 16],
    ['type.endsWith("x")', 0],
    ['type.matches("x")', 0],
    ['size(tags) > 0', 0],
    ['has(typ)', 4],
    ['has(event)', 4],
    ['has("x")', 0],
    ['has()', 0],
    ['tags.size() > 0', 0],
    ['1 < size(tags)', 4],
    ['-data.n > 5', 0],
    ['has(data.n, data.m)', 0],
    ['type == "A" ? true : false', 0],
    ['data[type] == 1', 5],
    ['data[1.5] == 1', 5],
    ['data[-1] == 1', 5],
    ['data[""] == 1', 0],
    ['type.x == 1', 0],
    ['event == 1', 0],
    ['[1][0] == 1', 0],
    ['f(data.n) == 1', 0],
    ['data.f() == 1', 0],
    ['data.?n == 1', 5],
  ])('%s', async (text, place) => {
    expect(await refusal(() => parseCel(text))).toEqual({ code: 'ERR_INVALID_QUERY', path: `query[${place}]` });
  });

  test.each([
    ['nots', '!'.repeat(50_000)],
    ['minuses', `data.n == ${'-'.repeat(50_000)}1`],
    ['brackets', '('.repeat(50_000)],
    ['lists', `data.n in ${'['.repeat(50_000)}`],
    ['members', `data${'.x'.repeat(30_000)} == 1`],
    ['conditions', 'true ? '.repeat(9_000)],
    ['groups', `${'(type == "A" || (stream == "b" && '.repeat(100)}true${'))'.repeat(100)}`],
  ])('where it has too many %s', async (_, text) => {
    expect((await refusal(() => parseCel(text))).code).toBe('ERR_INVALID_QUERY');
  });

  test('but may have many terms in a row, up to a thousand', async () => {
    const terms = (count: number): string => Array.from({ length: count }, (_, i) => `data.n != ${i}`).join(' && ');
    expect(await parseCel(terms(1000))).toMatchObject({ kind: 'all', of: { length: 1000 } });
    expect((await refusal(() => parseCel(terms(1001)))).path).toBe(`query[${terms(1000).length + 4}]`);
  });

  test('whatever it is', async () => {
    const token = fc.constantFrom(
      ...[
        'type',
        'data',
        '.',
        'n',
        '[',
        ']',
        '(',
        ')',
        '0',
        '"x"',
        '==',
        '&&',
        '||',
        '!',
        '-',
        'in',
        '<',
        ',',
        'has',
        '{',
        '}',
        ':',
        '?',
      ],
      ...[
        'startsWith',
        'exists',
        'tags',
        'timestamp',
        '1.5',
        'true',
        'null',
        ' ',
        "'",
        '\\',
        'b"',
        'event',
        'time',
        '5u',
      ],
    );
    const text = fc.oneof(
      fc.array(token, { maxLength: 20 }).map((tokens) => tokens.join(' ')),
      fc.array(token, { maxLength: 20 }).map((tokens) => tokens.join('')),
      fc.string({ unit: 'binary', maxLength: 40 }),
    );
    await fc.assert(
      fc.asyncProperty(text, async (text) => {
        try {
          await parseCel(text);
        } catch (error) {
          if (!isKeeperError(error, 'ERR_INVALID_QUERY')) throw error;
          const place = Number(/^query\[(\d+)\]$/.exec(error.path)![1]);
          expect(place).toBeLessThanOrEqual(text.length);
        }
      }),
      { seed: SEED, numRuns: effort(5_000, 500_000) },
    );
  });
});
