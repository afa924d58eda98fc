/** What is found is what a plain filter finds; in both forms; and what indexes are told never leaves a match out. */
import fc from 'fast-check';
import type { Where } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { parseCel } from '../../dist/main/read/query/cel.js';
import {
  asksPayload,
  compile,
  type Examined,
  followPath,
  onHeader,
} from '../../dist/shared/portable/query/evaluate.js';
import { type PostingQuery, postingsOf, zoneOf } from '../../dist/shared/portable/query/narrow.js';
import { parseWhere } from '../../dist/shared/portable/query/parse-where.js';
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
    'and the ranges of sequence and time hold every match',
    () => {
      let narrow = 0;
      property((where, events) => {
        const { sequence, time } = zoneOf(parseWhere(where));
        if (sequence.low > 1 || time.low > 0 || sequence.high < 10 || time.high < 9e12) narrow++;
        for (const event of events) {
          if (!isFound(where, event)) continue;
          expect(event.sequence).toBeGreaterThanOrEqual(sequence.low);
          expect(event.sequence).toBeLessThanOrEqual(sequence.high);
          expect(event.time.getTime()).toBeGreaterThanOrEqual(Math.floor(time.low));
          expect(event.time.getTime()).toBeLessThanOrEqual(Math.ceil(time.high));
        }
      });
      expect(narrow).toBeGreaterThan(options.numRuns / 50);
    },
    TIMEOUT_MS,
  );
});

describe('ranges are as narrow as the predicate says', () => {
  test.each<[Where, number, number]>([
    [{ sequence: { gte: 5, lt: 9 } }, 5, 9],
    [{ and: [{ sequence: { gt: 2 } }, { type: { eq: 'A' } }, { sequence: { in: [7, 4] } }] }, 4, 7],
    [{ or: [{ sequence: { eq: 3 } }, { id: { eq: '1700000000000000000_8_n' } }] }, 3, 8],
    [{ or: [{ sequence: { eq: 3 } }, { type: { eq: 'A' } }] }, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
    [{ not: { sequence: { lt: 6 } } }, 6, Number.POSITIVE_INFINITY],
    [{ or: [{ sequence: { eq: 3 } }, { sequence: { gt: 9, lt: 2 } }] }, 3, 3],
  ])('%j', (where, low, high) => {
    expect(zoneOf(parseWhere(where)).sequence).toEqual({ low, high });
  });

  test('and so are those of time', () => {
    const { time } = zoneOf(parseWhere({ time: { gte: '2026-01-01T00:00:00Z', lt: new Date(1_800_000_000_000) } }));
    expect(time).toEqual({ low: Date.UTC(2026, 0, 1), high: 1_800_000_000_000 });
    const { time: ofIds } = zoneOf(parseWhere({ timestampNs: { eq: 1_700_000_000_000_000_000n } }));
    expect(ofIds.high - ofIds.low).toBeLessThan(5);
  });
});
