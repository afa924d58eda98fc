/**
 * Sets of sequences, and what a predicate says of them. A set is a list of intervals, ascending, of which none overlaps or touches
 * another. Ends may be infinite.
 */
import type { Field } from './fields.js';
import { ALWAYS, all, any, NEVER, type Predicate, type Test } from './predicate.js';

/** From low to high, both inclusive. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export type Intervals = readonly Interval[];

/** The place in the store: of what is in order by it, each range is one of sequences. */
export const SEQUENCE: Field = { name: 'sequence', path: [] };

const FIRST = Number.NEGATIVE_INFINITY;
const LAST = Number.POSITIVE_INFINITY;
const EVERYWHERE: Intervals = [{ low: FIRST, high: LAST }];

/** Where what matches lies, as far as sequences tell: outside of it nothing matches. */
export function intervalsOf(predicate: Predicate): Intervals {
  if (predicate.kind === 'term') return isOfSequence(predicate.field) ? testIntervals(predicate.test) : EVERYWHERE;
  const parts = predicate.of.map(intervalsOf);
  return predicate.kind === 'all' ? parts.reduce(common, EVERYWHERE) : joined(parts.flat());
}

/** What is left of a predicate to be asked of records whose sequences are known to lie in an interval. */
export function decided(predicate: Predicate, within: Interval): Predicate {
  if (predicate.kind !== 'term') {
    const of = predicate.of.map((part) => decided(part, within));
    return predicate.kind === 'all' ? all(of) : any(of);
  }
  if (!isOfSequence(predicate.field)) return predicate;
  const [first] = common(testIntervals(predicate.test), [within]);
  if (first === undefined) return NEVER;
  return first.low === within.low && first.high === within.high ? ALWAYS : predicate;
}

export function isOfSequence({ name }: Field): boolean {
  return name === SEQUENCE.name;
}

/** The sequences of which a test holds. */
export function testIntervals(test: Test): Intervals {
  switch (test.op) {
    case 'exists':
      return EVERYWHERE;
    case 'eq':
      return ofNumbers([test.value]);
    case 'ne':
      return outside(ofNumbers([test.value]));
    case 'in':
      return ofNumbers(test.values);
    case 'notIn':
      return outside(ofNumbers(test.values));
    case 'gt':
      return [{ low: Math.floor(Number(test.value)) + 1, high: LAST }];
    case 'gte':
      return [{ low: Math.ceil(Number(test.value)), high: LAST }];
    case 'lt':
      return [{ low: FIRST, high: Math.ceil(Number(test.value)) - 1 }];
    case 'lte':
      return [{ low: FIRST, high: Math.floor(Number(test.value)) }];
    default:
      // It is always there, and no text.
      return [];
  }
}

/** What is in both. */
export function common(one: Intervals, other: Intervals): Intervals {
  const found: Interval[] = [];
  for (let i = 0, j = 0; i < one.length && j < other.length; ) {
    const [a, b] = [one[i]!, other[j]!];
    const [low, high] = [Math.max(a.low, b.low), Math.min(a.high, b.high)];
    if (low <= high) found.push({ low, high });
    if (a.high < b.high) i++;
    else j++;
  }
  return found;
}

/** Whether any of them reaches into an interval. */
export function reaches(intervals: Intervals, { low, high }: Interval): boolean {
  let from = 0;
  for (let to = intervals.length; from < to; ) {
    const middle = (from + to) >>> 1;
    if (intervals[middle]!.high < low) from = middle + 1;
    else to = middle;
  }
  return from < intervals.length && intervals[from]!.low <= high;
}

function ofNumbers(values: readonly unknown[]): Intervals {
  const numbers = values.map(Number).filter(Number.isInteger);
  return joined(numbers.map((number) => ({ low: number, high: number })));
}

/** What is in any of some intervals, in whatever order they come. */
function joined(intervals: readonly Interval[]): Intervals {
  const found: { low: number; high: number }[] = [];
  for (const { low, high } of [...intervals].sort((one, other) => Math.sign(one.low - other.low) || 0)) {
    const last = found.at(-1);
    if (last !== undefined && low <= last.high + 1) last.high = Math.max(last.high, high);
    else found.push({ low, high });
  }
  return found;
}

/** What is in none of them. */
function outside(intervals: Intervals): Intervals {
  const found: Interval[] = [];
  let low = FIRST;
  for (const interval of intervals) {
    if (low <= interval.low - 1) found.push({ low, high: interval.low - 1 });
    low = interval.high + 1;
  }
  if (low <= LAST) found.push({ low, high: LAST });
  return found;
}
