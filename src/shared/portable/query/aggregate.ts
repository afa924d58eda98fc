/** Groups of events: how many, and the least and greatest values. One pass, and memory for the groups alone. */
import { type Examined, readerOf } from './evaluate.js';
import type { Field, FieldName } from './fields.js';
import { SEQUENCE } from './intervals.js';
import { compareText } from './operand.js';
import type { AggregateRow, ExtremeValue, GroupField } from './query.js';
import { refuse } from './refusal.js';

/** Groups of one query. */
export const MAX_GROUPS = 10_000;

/** A field with the name that it was given. */
export interface NamedField {
  readonly text: string;
  readonly field: Field;
}

/** What is asked of each group. */
export interface ParsedAggregate {
  readonly groupBy: readonly GroupField[];
  readonly count: boolean;
  readonly min: readonly NamedField[];
  readonly max: readonly NamedField[];
}

/** What a group is made by; null where an event has none. */
export type GroupValue = string | number | bigint | null;

interface Group {
  readonly values: readonly GroupValue[];
  count: number;
  /** The least sequence of events that were not looked at. */
  first: number;
  readonly min: Extreme[];
  readonly max: Extreme[];
}

/** Groups by the value of one member, of the next one in it, and so on. */
type Level = Map<GroupValue, Level | Group>;

/** Takes in events, one after the other. */
export class Aggregation {
  readonly #asked: ParsedAggregate;
  readonly #root: Level = new Map();
  readonly #groups: Group[] = [];

  constructor(asked: ParsedAggregate) {
    this.#asked = asked;
    // Without groups there is one, also of no events.
    if (asked.groupBy.length === 0) this.#open([]);
  }

  /** @throws ERR_INVALID_QUERY at the first group that is one too many */
  add(event: Examined): void {
    const group = this.#groupOf((name) => event[name] ?? null);
    group.count++;
    for (const extreme of group.min) extreme.add(event);
    for (const extreme of group.max) extreme.add(event);
  }

  /**
   * Take in many events that are not looked at, which have the same values in all the fields that make groups or of which there
   * are extremes; but sequences, of which the first and the last one are known. Of an aggregation that is merged into another they
   * may come in any order.
   */
  addMany(valueIn: (name: FieldName) => GroupValue, count: number, firstSequence: number, lastSequence: number): void {
    const group = this.#groupOf(valueIn);
    group.count += count;
    group.first = Math.min(group.first, firstSequence);
    for (const extreme of group.min) extreme.addValue(extreme.isOfSequence ? firstSequence : valueIn(extreme.name));
    for (const extreme of group.max) extreme.addValue(extreme.isOfSequence ? lastSequence : valueIn(extreme.name));
  }

  /** Take in what another one has, of the same groups and extremes, to which many events were added at a time. */
  merge(other: Aggregation): void {
    for (const own of other.#groups.toSorted((one, next) => one.first - next.first || 0)) {
      const group = this.#groupOf((name) => own.values[this.#asked.groupBy.indexOf(name)]!);
      group.count += own.count;
      for (const [i, extreme] of group.min.entries()) extreme.merge(own.min[i]!);
      for (const [i, extreme] of group.max.entries()) extreme.merge(own.max[i]!);
    }
  }

  /** The groups, in the order in which they were met. */
  rows(): AggregateRow[] {
    const { groupBy, count, min, max } = this.#asked;
    return this.#groups.map((group) => ({
      group: Object.fromEntries(groupBy.map((name, i) => [name, group.values[i]!])),
      ...(count && { count: group.count }),
      ...(min.length > 0 && { min: valuesOf(min, group.min) }),
      ...(max.length > 0 && { max: valuesOf(max, group.max) }),
    }));
  }

  #groupOf(valueIn: (name: GroupField) => GroupValue): Group {
    const { groupBy } = this.#asked;
    if (groupBy.length === 0) return this.#groups[0]!;
    let level = this.#root;
    for (let i = 0; i < groupBy.length - 1; i++) {
      const value = valueIn(groupBy[i]!);
      const next = (level.get(value) as Level | undefined) ?? new Map();
      level.set(value, next);
      level = next;
    }
    const last = valueIn(groupBy.at(-1)!);
    let group = level.get(last) as Group | undefined;
    if (group === undefined) {
      group = this.#open(groupBy.map(valueIn));
      level.set(last, group);
    }
    return group;
  }

  #open(values: readonly GroupValue[]): Group {
    if (this.#groups.length === MAX_GROUPS) {
      throw refuse('groupBy', `makes more than ${MAX_GROUPS} groups: leave a member out, or ask for fewer events`);
    }
    const { min, max } = this.#asked;
    const extremes = (fields: readonly NamedField[], sign: 1 | -1): Extreme[] =>
      fields.map(({ field }) => new Extreme(field, sign));
    const group: Group = {
      values,
      count: 0,
      first: Number.POSITIVE_INFINITY,
      min: extremes(min, -1),
      max: extremes(max, 1),
    };
    this.#groups.push(group);
    return group;
  }
}

function valuesOf(fields: readonly NamedField[], extremes: readonly Extreme[]): Record<string, ExtremeValue> {
  return Object.fromEntries(fields.map(({ text }, i) => [text, extremes[i]!.value]));
}

/** Kinds in order: where a field has values of several, the order does not depend on which comes first. */
const RANKS = { nothing: 0, number: 1, time: 2, text: 3 } as const;

/** The least or the greatest value of a field. */
class Extreme {
  readonly name: FieldName;
  readonly #read: (event: Examined) => unknown;
  readonly #isTime: boolean;
  readonly #sign: 1 | -1;
  #rank: number = RANKS.nothing;
  #value: number | bigint | string | Date | undefined;

  /** @param sign 1 for the greatest, -1 for the least */
  constructor(field: Field, sign: 1 | -1) {
    this.name = field.name;
    this.#read = readerOf(field);
    this.#isTime = field.name === 'time';
    this.#sign = sign;
  }

  get isOfSequence(): boolean {
    return this.name === SEQUENCE.name;
  }

  get value(): ExtremeValue {
    if (this.#value === undefined) return null;
    return this.#isTime ? new Date(this.#value as number) : this.#value;
  }

  add(event: Examined): void {
    this.addValue(this.#read(event));
  }

  merge(other: Extreme): void {
    this.addValue(other.#value);
  }

  addValue(value: unknown): void {
    const rank = rankOf(value);
    if (rank === RANKS.nothing) return;
    const known = this.#value;
    const order = known === undefined ? this.#sign : rank - this.#rank || orderOf(value, known, rank);
    if (order * this.#sign <= 0) return;
    this.#value = value as number | bigint | string | Date;
    this.#rank = rank;
  }
}

function rankOf(value: unknown): number {
  switch (typeof value) {
    case 'bigint':
      return RANKS.number;
    case 'number':
      return Number.isNaN(value) ? RANKS.nothing : RANKS.number;
    case 'string':
      return RANKS.text;
    default:
      return value instanceof Date ? RANKS.time : RANKS.nothing;
  }
}

/** The order of two values of the same rank. */
function orderOf(one: unknown, other: unknown, rank: number): number {
  if (rank === RANKS.text) return compareText(one as string, other as string);
  return (one as number) < (other as number) ? -1 : Number((one as number) > (other as number));
}
