/** Groups that postings tell of, without a look at a record: how many events are in them, which is the first and the last. */
import { Aggregation, type GroupValue, type ParsedAggregate } from '../../../shared/portable/query/aggregate.js';
import type { FieldName } from '../../../shared/portable/query/fields.js';
import { SEQUENCE } from '../../../shared/portable/query/intervals.js';
import type { PostedField } from '../../../shared/portable/query/narrow.js';
import { compareText } from '../../../shared/portable/query/operand.js';
import type { PlaceList, Postings } from '../postings.js';
import { type Counting, combined } from './combined.js';

/** What was counted. */
export interface CountedGroups {
  /** So many entries of postings it took. */
  readonly read: number;
  /** Take it in. */
  add(): void;
}

/** Counts records into groups; undefined where it is as well to look at them: there are more values than records that are counted. */
export type Count = (postings: Postings, counting: Counting) => Promise<CountedGroups | undefined>;

/** Fields with postings of which an event has one value at most. */
const SINGLE = ['stream', 'type', 'agent', 'session', 'correlationId'] as const satisfies PostedField[];

/** How to count what is asked into an aggregation; undefined where it asks for what no postings tell. */
export function countFor(asked: ParsedAggregate, aggregation: Aggregation): Count | undefined {
  const { groupBy, min, max } = asked;
  const extremes = [...min, ...max].map(({ field }) => field.name).filter((name) => name !== SEQUENCE.name);
  const names = new Set<FieldName>([...groupBy, ...extremes]);
  const fields = SINGLE.filter((name) => names.has(name));
  if (fields.length < names.size) return undefined;
  return async (postings, counting) => {
    if (fields.some((field) => postings.valuesOf(field) > countOf(counting))) return undefined;
    // Apart at first: where an index turns out to be damaged, another is asked.
    const found = new Counter(asked, fields, postings, counting);
    const groups = await found.groups();
    return { read: found.read, add: () => aggregation.merge(groups) };
  };
}

class Counter {
  readonly #asked: ParsedAggregate;
  readonly #fields: readonly PostedField[];
  readonly #postings: Postings;
  readonly #counting: Counting;
  readonly #wanted: number;
  #groups: Aggregation;
  read = 0;

  constructor(asked: ParsedAggregate, fields: readonly PostedField[], postings: Postings, counting: Counting) {
    this.#asked = asked;
    this.#fields = fields;
    this.#postings = postings;
    this.#counting = counting;
    this.#wanted = countOf(counting);
    this.#groups = new Aggregation(asked);
  }

  async groups(): Promise<Aggregation> {
    if (this.#wanted === 0) return this.#groups;
    const [field] = this.#fields;
    if (this.#asked.groupBy.length === 0) {
      this.#addAll(this.#wanted, () => null);
      for (const name of this.#fields) await this.#addValues(name);
    } else if (this.#fields.length === 1) {
      await this.#countBy(field!);
    } else {
      for await (const { values, count, first, last, read } of combined(this.#fields, this.#postings, this.#counting)) {
        this.read += read;
        this.#add((name) => values[this.#fields.indexOf(name as PostedField)] ?? null, count, first, last);
      }
    }
    return this.#groups;
  }

  get #isWhole(): boolean {
    const { low, high, ordinals } = this.#counting;
    return ordinals === undefined && low <= this.#postings.firstSequence && high >= this.#postings.lastSequence;
  }

  #add(valueIn: (name: FieldName) => GroupValue, count: number, first: number, last: number): void {
    const { firstSequence } = this.#counting;
    this.#groups.addMany(valueIn, count, firstSequence + first, firstSequence + last);
  }

  /** Everything at once. */
  #addAll(count: number, valueIn: (name: FieldName) => GroupValue): void {
    const { ordinals, low, high, firstSequence } = this.#counting;
    const [first, last] = [ordinals?.[0] ?? low - firstSequence, ordinals?.at(-1) ?? high - firstSequence];
    this.#add(valueIn, count, first, last);
  }

  /** The least and the greatest value of a field. */
  async #addValues(field: PostedField): Promise<void> {
    let least: string | undefined;
    let greatest: string | undefined;
    for await (const list of this.#postings.ofEach(field, '')) {
      const { value } = list;
      const isLess = least === undefined || compareText(value, least) < 0;
      const isGreater = greatest === undefined || compareText(value, greatest) > 0;
      if (this.#isWhole) this.read++;
      else if (!(isLess || isGreater) || (await this.#own(list)).length === 0) continue;
      if (isLess) least = value;
      if (isGreater) greatest = value;
    }
    for (const value of [least, greatest]) {
      if (value !== undefined) this.#addAll(0, (name) => (name === field ? value : null));
    }
  }

  async #countBy(field: PostedField): Promise<void> {
    if (this.#isWhole) {
      let grouped = 0;
      for await (const { value, count, first, last } of this.#postings.ofEach(field, '')) {
        this.read++;
        grouped += count;
        this.#add(() => value, count, first, last);
      }
      if (grouped === this.#wanted) return;
      // Some have none: which these are, the others have to be known for.
      this.#groups = new Aggregation(this.#asked);
    }
    const { low, high, firstSequence } = this.#counting;
    const isGrouped = new Uint8Array(high - low + 1);
    const offset = low - firstSequence;
    for await (const list of this.#postings.ofEach(field, '')) {
      const own = await this.#own(list);
      if (own.length > 0) this.#add(() => list.value, own.length, own[0]!, own.at(-1)!);
      for (const place of own) isGrouped[place - offset] = 1;
    }
    const rest = placesOf(this.#counting).filter((place) => isGrouped[place - offset] === 0);
    if (rest.length > 0) this.#add(() => null, rest.length, rest[0]!, rest.at(-1)!);
  }

  /** The records of a list that are counted. */
  async #own(list: PlaceList): Promise<Uint32Array> {
    const { low, high, ordinals } = this.#counting;
    const own = await (ordinals === undefined ? list.within(low, high) : list.among(ordinals));
    this.read += own.length;
    return own;
  }
}

function countOf({ ordinals, low, high }: Counting): number {
  return ordinals?.length ?? high - low + 1;
}

function placesOf({ ordinals, firstSequence, low, high }: Counting): Uint32Array {
  return ordinals ?? Uint32Array.from({ length: high - low + 1 }, (_, i) => low - firstSequence + i);
}
