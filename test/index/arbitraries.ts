/** Records of a segment, with values that are alike, are ids, or are cut between the halves of a character. */
import fc from 'fast-check';
import { label, name } from '../support/records.js';
import { FIRST, type Made, NODE, timestampOf } from './kit.js';

export const anyLabel = fc.oneof(
  label,
  fc.constantFrom('a', 'ab', 'abc', 'b', '\u{1f600}', '\u{1f600}x', '\uffff', 'ü'),
);
const cause = fc.oneof(
  { weight: 3, arbitrary: fc.nat(500).map((place) => `${timestampOf(place)}_${FIRST + place}_${NODE}`) },
  fc.constantFrom(`1700000000000000000_07_${NODE}`, `1700000000000000000_9007199254740991_${NODE}`, `_${NODE}`),
  fc.constantFrom('1700000000000000000_7_other', '0000000000000000001_1_node-1', 'c', '17000000000000000007_1_node-1'),
  fc.nat(2),
);
const event = fc.record({
  type: fc.oneof(fc.constantFrom('Said', 'Done'), name),
  tags: fc.array(anyLabel, { maxLength: 3 }),
  causes: fc.array(cause, { maxLength: 3 }),
  metadata: fc.record(
    { agent: fc.constantFrom('ada', 'bob'), session: anyLabel, correlationId: anyLabel },
    { requiredKeys: [] },
  ),
});
export const made = fc
  .record({
    places: fc.uniqueArray(fc.oneof(fc.nat(300), fc.nat(140_000)), { minLength: 1, maxLength: 120 }),
    events: fc.array(fc.tuple(fc.oneof(fc.constantFrom('s', 's/1'), name), event), { minLength: 1, maxLength: 30 }),
    runs: fc.integer({ min: 1, max: 5 }),
    behind: fc.nat(3),
  })
  .map(({ places, events, runs, behind }) => {
    const records = places
      .sort((one, other) => one - other)
      .map((place, i): Made => {
        const [stream, event] = events[i % events.length]!;
        return { place, stream, event };
      });
    const size = Math.ceil(records.length / runs);
    const batches = Array.from({ length: Math.ceil(records.length / size) }, (_, i) =>
      records.slice(i * size, (i + 1) * size),
    );
    return { records, batches, places: records.at(-1)!.place + 1 + behind };
  });
