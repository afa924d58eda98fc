/** Groups that postings tell of, without a look at a record: how many events are in them, which is the first and the last. */
import type { Aggregation, GroupValue, ParsedAggregate } from '../../../shared/portable/query/aggregate.js';
import type { PostedField } from '../../../shared/portable/query/narrow.js';
import type { Postings } from '../postings.js';

/** A range of a segment, and the places of those records in it that are counted: of all, where they are not named. */
export interface Counting {
  readonly firstSequence: number;
  readonly low: number;
  readonly high: number;
  readonly ordinals: Uint32Array | undefined;
}

/** What was counted. */
export interface CountedGroups {
  /** So many entries of postings it took. */
  readonly read: number;
  /** Take it in. */
  add(): void;
}

/** Counts records into groups; undefined where postings cannot tell. */
export type Count = (postings: Postings, counting: Counting) => Promise<CountedGroups | undefined>;

/** Fields with postings of which an event has one value at most. */
const SINGLE = ['stream', 'type', 'agent', 'session', 'correlationId'] as const satisfies PostedField[];

/** How to count what is asked into an aggregation; undefined where it asks for what no postings tell. */
export function countFor({ groupBy, min, max }: ParsedAggregate, aggregation: Aggregation): Count | undefined {
  if (groupBy.length > 1 || ![...min, ...max].every(({ field }) => field.name === 'sequence')) return undefined;
  if (groupBy.length === 0) {
    return async (_, { firstSequence, low, high, ordinals }) => {
      const [first, last] =
        ordinals === undefined ? [low, high] : [ordinals[0], ordinals.at(-1)].map((place) => firstSequence + place!);
      const count = ordinals?.length ?? high - low + 1;
      return {
        read: 0,
        add: () => {
          if (count > 0) aggregation.addMany(null, count, first!, last!);
        },
      };
    };
  }
  const field = SINGLE.find((name) => name === groupBy[0]);
  return field && ((postings, counting) => countByField(field, aggregation, postings, counting));
}

/** A group in a range: how many records, and the places of the first and the last one. */
interface Grouped {
  readonly value: GroupValue;
  readonly count: number;
  readonly first: number;
  readonly last: number;
}

async function countByField(
  field: PostedField,
  aggregation: Aggregation,
  postings: Postings,
  counting: Counting,
): Promise<CountedGroups> {
  const { firstSequence, low, high, ordinals } = counting;
  const groups: Grouped[] = [];
  const wanted = ordinals?.length ?? high - low + 1;
  let read = 0;
  let grouped = 0;
  const isWhole = ordinals === undefined && low <= postings.firstSequence && high >= postings.lastSequence;
  if (isWhole) {
    for await (const { value, count, first, last } of postings.ofEach(field, '')) {
      read++;
      grouped += count;
      groups.push({ value, count, first, last });
    }
  }
  if (grouped < wanted) {
    groups.length = 0;
    const isGrouped = new Uint8Array(high - low + 1);
    const offset = low - firstSequence;
    for await (const list of postings.ofEach(field, '')) {
      const own = ordinals === undefined ? await list.within(low, high) : await list.among(ordinals);
      read += own.length;
      if (own.length > 0) groups.push(groupOf(list.value, own));
      for (const place of own) isGrouped[place - offset] = 1;
    }
    const rest = placesOf(counting).filter((place) => isGrouped[place - offset] === 0);
    if (rest.length > 0) groups.push(groupOf(null, rest));
  }
  groups.sort((one, other) => one.first - other.first);
  const add = (): void => {
    for (const { value, count, first, last } of groups) {
      aggregation.addMany(value, count, firstSequence + first, firstSequence + last);
    }
  };
  return { read, add };
}

function groupOf(value: GroupValue, places: Uint32Array): Grouped {
  return { value, count: places.length, first: places[0]!, last: places.at(-1)! };
}

function placesOf({ ordinals, firstSequence, low, high }: Counting): Uint32Array {
  return ordinals ?? Uint32Array.from({ length: high - low + 1 }, (_, i) => low - firstSequence + i);
}
