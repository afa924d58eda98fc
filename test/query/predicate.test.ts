/** What is found is what a plain filter finds; in both forms; and what indexes are told never leaves a match out. */
import fc from 'fast-check';
import type { Where } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { parseCel } from '../../dist/main/read/query/cel.js';
import { located, type OrderedLog } from '../../dist/main/read/query/locate.js';
import {
  asksPayload,
  compile,
  type Examined,
  followPath,
  onHeader,
} from '../../dist/shared/portable/query/evaluate.js';
import { decided, type Intervals, intervalsOf } from '../../dist/shared/portable/query/intervals.js';
import { type PostingQuery, postingsOf } from '../../dist/shared/portable/query/narrow.js';
import { parseWhere } from '../../dist/shared/portable/query/parse-where.js';
import type { Predicate } from '../../dist/shared/portable/query/predicate.js';
import { toCel } from '../../dist/shared/portable/query/to-cel.js';
import { effort, SEED, TIMEOUT_MS } from '../support/effort.js';
import { plainEvents, where } from './arbitraries.js';
import { isFound, type Plain } from './oracle.js';

const options = { seed: SEED, numRuns: effort(2_000, 100_000) };

/** The event as a predicate sees it, and how often its payload was asked for. */
function examined(event: Plain): Examined & { looks: number } {
  const { data, metadata, time, ...header } = event;
  const labels = metadata as { agent?: string; session?: string; correlationId?: string };
  let looks = 0;
  const counted = (value: unknown) => {
    looks++;
    return value;
  };
  return Object.defineProperties(
    {
      ...header,
      time: time.getTime(),
      agent: labels.agent,
      session: labels.session,
      correlationId: labels.correlationId,
    },
    {
      data: { get: () => counted(data) },
      dataAt: { value: (path: string[]) => followPath(counted(data), path) },
      metadata: { get: () => counted(metadata) },
      looks: { get: () => looks },
    },
  ) as unknown as Examined & { looks: number };
}

const property = (check: (where: Where, events: Plain[]) => void): void =>
  fc.assert(fc.property(where, plainEvents, check), options);

describe('a predicate', () => {
  test(
    'finds what a plain filter finds',
    () =>
      property((where, events) => {
        const matches = compile(parseWhere(where));
        expect(events.filter((event) => matches(examined(event)))).toEqual(
          events.filter((event) => isFound(where, event)),
        );
      }),
    TIMEOUT_MS,
  );

  test(
    'does not ask for a payload where the header decides',
    () =>
      property((where, events) => {
        const predicate = parseWhere(where);
        const matches = compile(predicate);
        const onHeaders = compile(onHeader(predicate));
        for (const event of events) {
          const seen = examined(event);
          matches(seen);
          if (!asksPayload(predicate) || !onHeaders(examined(event))) expect(seen.looks).toBe(0);
        }
      }),
    TIMEOUT_MS,
  );

  test(
    'survives a structured clone',
    () =>
      property((where) => {
        const predicate = parseWhere(where);
        expect(structuredClone(predicate)).toEqual(predicate);
      }),
    TIMEOUT_MS,
  );

  test(
    'is the same when it is written as CEL',
    () =>
      fc.assert(
        fc.asyncProperty(where, async (where) => {
          const predicate = parseWhere(where);
          const text = toCel(predicate);
          expect(await parseCel(text)).toEqual(predicate);
          expect(toCel(await parseCel(text))).toBe(text);
        }),
        options,
      ),
    TIMEOUT_MS,
  );
});

/** Whether postings name an event. */
function isNamed(query: PostingQuery, event: Plain): boolean {
  if ('of' in query) {
    const named = query.of.map((part) => isNamed(part, event));
    return query.kind === 'all' ? !named.includes(false) : named.includes(true);
  }
  if (query.kind === 'sequences') return isIn(query.intervals, event.sequence);
  const { field, value } = query;
  const has = field in event ? event[field as 'stream'] : (event.metadata[field] as string | undefined);
  const values: readonly string[] = has === undefined ? [] : typeof has === 'string' ? [has] : has;
  return values.some((one) => (query.kind === 'prefix' ? one.startsWith(value) : one === value));
}

describe('what an index is asked', () => {
  test(
    'never leaves a match out, and is just the matches where it says so',
    () => {
      let exact = 0;
      let served = 0;
      property((where, events) => {
        const asked = postingsOf(parseWhere(where));
        if (asked === undefined) return;
        served++;
        const matches = events.filter((event) => isFound(where, event));
        const named = events.filter((event) => isNamed(asked.postings, event));
        expect(named).toEqual(expect.arrayContaining(matches));
        if (!asked.exact) return;
        exact++;
        expect(named).toEqual(matches);
      });
      expect(served).toBeGreaterThan(options.numRuns / 10);
      expect(exact).toBeGreaterThan(options.numRuns / 100);
    },
    TIMEOUT_MS,
  );

  test(
    'and the ranges of sequences hold every match, and leave the same to be asked',
    async () => {
      let narrow = 0;
      await fc.assert(
        fc.asyncProperty(where, plainEvents, async (where, events) => {
          const here = await located(parseWhere(where), logOf(events));
          const intervals = intervalsOf(here);
          if (!isIn(intervals, 0) || !isIn(intervals, 13)) narrow++;
          const matches = events.filter((event) => isFound(where, event));
          for (const { sequence } of matches) expect(isIn(intervals, sequence)).toBe(true);
          const found = compile(here);
          expect(events.filter((event) => found(examined(event)))).toEqual(matches);
          for (const within of [
            { low: 1, high: events.length },
            { low: 3, high: 5 },
            { low: 2, high: 2 },
          ]) {
            const rest = compile(decided(here, within));
            const part = ({ sequence }: Plain): boolean => sequence >= within.low && sequence <= within.high;
            expect(events.filter((event) => part(event) && rest(examined(event)))).toEqual(matches.filter(part));
          }
        }),
        options,
      );
      expect(narrow).toBeGreaterThan(options.numRuns / 20);
    },
    TIMEOUT_MS,
  );
});

function isIn(intervals: Intervals, sequence: number): boolean {
  return intervals.some(({ low, high }) => sequence >= low && sequence <= high);
}

/** A log that has these events. */
function logOf(events: readonly Plain[]): OrderedLog {
  return {
    nodeId: 'n',
    first: async (reached) => {
      const place = events.findIndex(({ timestampNs, sequence }) => reached(timestampNs, sequence));
      return place === -1 ? events.length + 1 : place + 1;
    },
  };
}

describe('ranges are as narrow as the predicate says', () => {
  const [FIRST, LAST] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

  test.each<[Where, [low: number, high: number][]]>([
    [{ sequence: { gte: 5, lt: 9 } }, [[5, 8]]],
    [{ sequence: { gt: 5, lte: 9n } }, [[6, 9]]],
    [{ sequence: { gt: 5.5, lt: 9.5 } }, [[6, 9]]],
    [{ sequence: { gt: 5, lt: 6 } }, []],
    [
      { sequence: { ne: 5 } },
      [
        [FIRST, 4],
        [6, LAST],
      ],
    ],
    [
      { sequence: { in: [10, 30_000, 11, 2.5, 10n] } },
      [
        [10, 11],
        [30_000, 30_000],
      ],
    ],
    [
      { or: [{ sequence: { eq: 30_000 } }, { sequence: { eq: 10 } }] },
      [
        [10, 10],
        [30_000, 30_000],
      ],
    ],
    [
      { not: { sequence: { in: [3, 4, 9] } } },
      [
        [FIRST, 2],
        [5, 8],
        [10, LAST],
      ],
    ],
    [
      { and: [{ sequence: { gt: 2 } }, { type: { eq: 'A' } }, { sequence: { in: [7, 4, 1] } }] },
      [
        [4, 4],
        [7, 7],
      ],
    ],
    [
      { or: [{ sequence: { eq: 3 } }, { id: { in: ['1700000000000000000_8_n', 'none'] } }] },
      [
        [3, 3],
        [8, 8],
      ],
    ],
    [{ id: { eq: 'none' } }, []],
    [{ or: [{ sequence: { eq: 3 } }, { type: { eq: 'A' } }] }, [[FIRST, LAST]]],
    [{ not: { sequence: { lt: 6 } } }, [[6, LAST]]],
    [{ or: [{ sequence: { eq: 3 } }, { sequence: { gt: 9, lt: 2 } }] }, [[3, 3]]],
  ])('%o', async (where, wanted) => {
    const intervals = intervalsOf(await located(parseWhere(where), logOf([])));
    expect(intervals).toEqual(wanted.map(([low, high]) => ({ low, high })));
  });

  const [events] = fc.sample(
    plainEvents.filter(({ length }) => length > 9),
    { seed: 1, numRuns: 1 },
  ) as [Plain[]];
  const { id, time, timestampNs } = events[4]!;

  test.each<[string, Where, number, number]>([
    ['time.gte', { time: { gte: time } }, 5, LAST],
    ['time.gt', { time: { gt: time } }, 6, LAST],
    ['time.lt', { time: { lt: time.toISOString() } }, FIRST, 4],
    ['time.lte', { time: { lte: time } }, FIRST, 5],
    ['time.eq', { time: { eq: time } }, 5, 5],
    ['time.in', { time: { in: [time, new Date(0)] } }, 5, 5],
    ['timestampNs.gt', { timestampNs: { gt: timestampNs } }, 6, LAST],
    ['timestampNs.lte', { timestampNs: { lte: timestampNs } }, FIRST, 5],
    ['timestampNs.eq', { timestampNs: { eq: timestampNs } }, 5, 5],
    ['id.gte', { id: { gte: id } }, 5, LAST],
    ['id.gt', { id: { gt: id } }, 6, LAST],
    ['id.lt', { id: { lt: id } }, FIRST, 4],
    ['id.lte', { id: { lte: id } }, FIRST, 5],
    ['id.prefix', { id: { prefix: id.slice(0, 21) } }, 5, 5],
  ])('of %s', async (_, where, low, high) => {
    const here = await located(parseWhere(where), logOf(events));
    expect(intervalsOf(here)).toEqual([{ low, high }]);
    // Nothing is left to be asked where a range is all that was.
    expect(asksIds(here)).toBe(false);
  });

  function asksIds(predicate: Predicate): boolean {
    if (predicate.kind !== 'term') return predicate.of.some(asksIds);
    return predicate.field.name !== 'sequence';
  }
});
