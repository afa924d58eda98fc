/** What comes as text or as a value: ids, names, selectors. Decoded or refused with a typed error, and in an end. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { segmentNumber } from '../../dist/shared/format/file-names.js';
import { toJsonText } from '../../dist/shared/format/json-check.js';
import { encodeStream } from '../../dist/shared/names.js';
import { isKeeperError } from '../../dist/shared/portable/errors.js';
import { formatEventId, parseEventId } from '../../dist/shared/portable/event-id.js';
import { type Matcher, matchesName, parseSelectors } from '../../dist/shared/portable/selector.js';
import { effort, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { within } from './run.js';

const numRuns = effort(2_000, 100_000);
const options = { seed: SEED, numRuns };

const idLike = fc.stringMatching(/^[0-9]{0,21}_[0-9]{0,18}_[A-Za-z0-9-]{0,66}$/);
const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 80 }), fc.string({ maxLength: 80 }), idLike);

function matcherOf(pattern: string): Matcher {
  return parseSelectors({ streams: pattern })[0]!.streams![0]!;
}

test(
  'an id is what formatEventId writes, or none',
  () => {
    fc.assert(
      fc.property(text, (id) => {
        const parts = parseEventId(id);
        if (parts === undefined) return;
        expect(Number.isSafeInteger(parts.sequence)).toBe(true);
        expect(formatEventId(parts.timestampNs, parts.sequence, parts.nodeId).replace(/^0*/, '')).toBe(
          id.replace(/^0*/, ''),
        );
      }),
      options,
    );
    tally('fuzz', 'ids, names and selectors', numRuns);
  },
  TIMEOUT_MS,
);

test(
  'anything at all is a selector, a name and JSON, or is refused by code',
  () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything({ withBigInt: true, withNullPrototype: true }), text), (value) => {
        for (const decode of [parseSelectors, (name: unknown) => encodeStream(name, true)]) {
          try {
            decode(value);
          } catch (error) {
            if (!isKeeperError(error)) throw error;
          }
        }
        const json = toJsonText(value, 1000);
        if (json !== undefined) expect(JSON.stringify(JSON.parse(json))).toBe(json);
        if (typeof value === 'string') expect(segmentNumber(value) ?? 0).toBeGreaterThanOrEqual(0);
      }),
      options,
    );
    tally('fuzz', 'ids, names and selectors', numRuns);
  },
  TIMEOUT_MS,
);

test(
  'a pattern matches what the same regular expression does',
  () => {
    const few = fc.string({ unit: fc.constantFrom('a', 'b', '*', '$', '.', '\n', '😀'), minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(few, few, (pattern, name) => {
        const guard = pattern.startsWith('*') ? '(?!\\$)' : '';
        const parts = pattern.split('*').map((part) => part.replace(/[.$]/g, '\\$&'));
        const expected = new RegExp(`^${guard}${parts.join('.*')}$`, 'su').test(name);
        expect(matchesName(matcherOf(pattern), name)).toBe(expected);
      }),
      options,
    );
    tally('fuzz', 'ids, names and selectors', numRuns);
  },
  TIMEOUT_MS,
);

test('a pattern of many stars does not hang over a long name', () => {
  const matcher = matcherOf(`${'*a'.repeat(200)}*b`);
  within(
    60_000,
    () => expect(matchesName(matcher, 'a'.repeat(512))).toBe(false),
    () => 'it hangs',
  );
  expect(matchesName(matcher, `${'a'.repeat(511)}b`)).toBe(true);
});
