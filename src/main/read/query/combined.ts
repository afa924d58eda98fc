/** Groups of records by several fields at once, as postings tell of them. */
import type { GroupValue } from '../../../shared/portable/query/aggregate.js';
import type { PostedField } from '../../../shared/portable/query/narrow.js';
import type { Postings } from '../postings.js';
import { between } from './lists.js';

/** Of so many records the values are in memory at a time, as a number each. */
const AT_ONCE = 131_072;

/** A range of a segment, and the places of those records in it that are counted: of all, where they are not named. */
export interface Counting {
  readonly firstSequence: number;
  readonly low: number;
  readonly high: number;
  readonly ordinals: Uint32Array | undefined;
}

/** Records of a range that have the same values. */
export interface Combination {
  /** By field; null where they have none. */
  readonly values: readonly GroupValue[];
  readonly count: number;
  /** Places in the segment. */
  readonly first: number;
  readonly last: number;
  /** So many entries of postings it took since the one before. */
  readonly read: number;
}

/** The same values may come again, in a later part of the range. */
export async function* combined(
  fields: readonly PostedField[],
  postings: Postings,
  { low, high, firstSequence, ordinals }: Counting,
): AsyncGenerator<Combination> {
  for (let from = low; from <= high; from += AT_ONCE) {
    const to = Math.min(high, from + AT_ONCE - 1);
    const part = new Part(from - firstSequence, to - firstSequence, ordinals);
    let read = 0;
    for (const field of fields) {
      if (part.places.length > 0) read += await part.divide(postings.ofEach(field, ''), from, to);
    }
    for (const group of part.groups()) {
      yield { ...group, read };
      read = 0;
    }
  }
}

interface Group {
  /** The group of the fields before that it is a part of. */
  readonly of: Group | undefined;
  readonly value: GroupValue;
  count: number;
  readonly first: number;
  last: number;
}

/** A part of a range, divided into ever smaller groups. */
class Part {
  readonly places: Uint32Array;
  readonly #isNamed: boolean;
  readonly #first: number;
  readonly #size: number;
  /** By place, counted from the first one: the group it is in. */
  readonly #groupOf: Uint32Array;
  #groups: Group[] = [];

  constructor(first: number, last: number, ordinals: Uint32Array | undefined) {
    this.#first = first;
    this.#size = last - first + 1;
    this.#isNamed = ordinals !== undefined;
    this.places =
      ordinals === undefined
        ? Uint32Array.from({ length: this.#size }, (_, i) => first + i)
        : between(ordinals, first, last);
    this.#groupOf = new Uint32Array(this.#size);
  }

  /** By the values of one more field. Returns how many entries of its lists it took. */
  async divide(lists: ReturnType<Postings['ofEach']>, low: number, high: number): Promise<number> {
    const values: GroupValue[] = [null];
    const valueAt = new Uint32Array(this.#size);
    let read = 0;
    for await (const list of lists) {
      const own = this.#isNamed ? await list.among(this.places) : await list.within(low, high);
      if (own.length === 0) continue;
      read += own.length;
      for (const place of own) valueAt[place - this.#first] = values.length;
      values.push(list.value);
    }
    const groups: Group[] = [];
    const numbers = new Map<number, number>();
    for (const place of this.places) {
      const at = place - this.#first;
      const key = this.#groupOf[at]! * values.length + valueAt[at]!;
      let number = numbers.get(key);
      if (number === undefined) {
        number = groups.length;
        numbers.set(key, number);
        const of = this.#groups[this.#groupOf[at]!];
        groups.push({ of, value: values[valueAt[at]!]!, count: 0, first: place, last: place });
      }
      const group = groups[number]!;
      group.count++;
      group.last = place;
      this.#groupOf[at] = number;
    }
    this.#groups = groups;
    return read;
  }

  *groups(): Generator<Omit<Combination, 'read'>> {
    for (const group of this.#groups) {
      const values: GroupValue[] = [];
      for (let next: Group | undefined = group; next !== undefined; next = next.of) values.unshift(next.value);
      const { count, first, last } = group;
      yield { values, count, first, last };
    }
  }
}
