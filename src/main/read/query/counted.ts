/** Groups that postings tell of, without a look at a record: how many events are in them, which is the first and the last. */
import type { Aggregation, GroupValue, ParsedAggregate } from '../../../shared/portable/query/aggregate.js';
import type { PostedField } from '../../../shared/portable/query/narrow.js';
import type { Postings } from '../postings.js';
import { intersection } from './lists.js';

/** A range of a segment, and the places of those records in it that are counted: of all, where they are not named. */
export interface Counting {
  readonly firstSequence: number;
  readonly low: number;
  readonly high: number;
  readonly ordinals: Uint32Array | undefined;
}

/** Counts records into groups. Returns how many entries of postings it took; undefined where they cannot tell. */
export type Count = (postings: Postings, counting: Counting) => number | undefined;

/** Fields with postings of which an event has one value at most. */
const SINGLE = ['stream', 'type', 'agent', 'session', 'correlationId'] as const satisfies PostedField[];

/** How to count what is asked into an aggregation; undefined where it asks for what no postings tell. */
export function countFor({ groupBy, min, max }: ParsedAggregate, aggregation: Aggregation): Count | undefined {
  if (groupBy.length > 1 || ![...min, ...max].every(({ field }) => field.name === 'sequence')) return undefined;
  if (groupBy.length === 0) {
    return (_, counting) => {
      addGroup(aggregation, counting, null, placesOf(counting));
      return 0;
    };
  }
  const field = SINGLE.find((name) => name === groupBy[0]);
  return field && ((postings, counting) => countByField(field, aggregation, postings, counting));
}

function countByField(
  field: PostedField,
  aggregation: Aggregation,
  postings: Postings,
  counting: Counting,
): number | undefined {
  const lists = postings.ofEach(field, counting.low, counting.high);
  if (lists === undefined) return undefined;
  const groups: [GroupValue, Uint32Array][] = [];
  const places = placesOf(counting);
  const offset = counting.low - counting.firstSequence;
  const isGrouped = new Uint8Array(counting.high - counting.low + 1);
  let read = 0;
  for (const [value, list] of lists) {
    read += list.length;
    const own = counting.ordinals === undefined ? list : intersection(counting.ordinals, list);
    if (own.length > 0) groups.push([value, own]);
    for (const place of own) isGrouped[place - offset] = 1;
  }
  const rest = places.filter((place) => isGrouped[place - offset] === 0);
  if (rest.length > 0) groups.push([null, rest]);
  groups.sort(([, one], [, other]) => one[0]! - other[0]!);
  for (const [value, own] of groups) addGroup(aggregation, counting, value, own);
  return read;
}

function addGroup(aggregation: Aggregation, { firstSequence }: Counting, value: GroupValue, places: Uint32Array): void {
  if (places.length === 0) return;
  aggregation.addMany(value, places.length, firstSequence + places[0]!, firstSequence + places.at(-1)!);
}

function placesOf({ ordinals, firstSequence, low, high }: Counting): Uint32Array {
  return ordinals ?? Uint32Array.from({ length: high - low + 1 }, (_, i) => low - firstSequence + i);
}
