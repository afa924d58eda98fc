/**
 * What an index or a segment's ranges can say about a predicate. Never more than holds: what they leave out cannot match,
 * what they leave in is still to be tested.
 */
import { parseEventId } from '../event-id.js';
import type { FieldName } from './fields.js';
import { isInstant, type Operand } from './operand.js';
import { all, type Group, type Op, type Predicate, type Term } from './predicate.js';

/** Fields that an index keeps postings of. */
const POSTED = ['stream', 'type', 'tags', 'agent', 'session', 'correlationId', 'causes'] as const satisfies FieldName[];

/** A field that an index keeps postings of. */
export type PostedField = (typeof POSTED)[number];

/** Which records, in terms of postings: those of a value, those of all values with a prefix, all of them or any of them. */
export type PostingQuery =
  | { readonly kind: 'value' | 'prefix'; readonly field: PostedField; readonly value: string }
  | { readonly kind: 'all' | 'any'; readonly of: readonly PostingQuery[] };

/** Postings, and whether what they name is just what matches. */
export interface Served {
  readonly postings: PostingQuery;
  readonly exact: boolean;
}

/** The postings of what can match; undefined where they leave nothing out. */
export function postingsOf(predicate: Predicate): Served | undefined {
  if (predicate.kind === 'term') return termPostings(predicate);
  return predicate.kind === 'all' ? allPostings(predicate) : anyPostings(predicate);
}

/** What is left to be asked of records that the postings of a predicate name. */
export function restOf(predicate: Predicate): Predicate {
  const parts = predicate.kind === 'all' ? predicate.of : [predicate];
  return all(parts.filter((part) => postingsOf(part)?.exact !== true));
}

function allPostings({ of }: Group): Served | undefined {
  const served = of.map(postingsOf);
  const parts = served.filter((part) => part !== undefined);
  if (parts.length === 0) return undefined;
  const exact = parts.length === of.length && parts.every((part) => part.exact);
  return { postings: joined('all', parts), exact };
}

function anyPostings({ of }: Group): Served | undefined {
  const parts: Served[] = [];
  for (const part of of) {
    const served = postingsOf(part);
    if (served === undefined) return undefined;
    parts.push(served);
  }
  return { postings: joined('any', parts), exact: parts.every((part) => part.exact) };
}

function joined(kind: 'all' | 'any', parts: readonly Served[]): PostingQuery {
  return parts.length === 1 ? parts[0]!.postings : { kind, of: parts.map(({ postings }) => postings) };
}

function termPostings({ field: { name }, test }: Term): Served | undefined {
  if (!isPosted(name)) return undefined;
  const value = (text: Operand): PostingQuery => ({ kind: 'value', field: name, value: text as string });
  switch (test.op) {
    case 'eq':
      return { postings: value(test.value), exact: true };
    case 'in':
      return { postings: { kind: 'any', of: [...new Set(test.values)].map(value) }, exact: true };
    case 'prefix':
      return { postings: { kind: 'prefix', field: name, value: test.value }, exact: true };
    default:
      return undefined;
  }
}

function isPosted(name: FieldName): name is PostedField {
  return POSTED.some((posted) => posted === name);
}

/** From low to high, both inclusive; nothing where low is above high. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Ranges outside of which nothing matches. */
export interface Zone {
  readonly sequence: Interval;
  /** Milliseconds since 1970. */
  readonly time: Interval;
}

const EVERYTHING: Interval = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
const NOTHING: Interval = { low: Number.POSITIVE_INFINITY, high: Number.NEGATIVE_INFINITY };
const EVERYWHERE: Zone = { sequence: EVERYTHING, time: EVERYTHING };
const NOWHERE: Zone = { sequence: NOTHING, time: NOTHING };

const NS_PER_MS = 1_000_000;
/** More than what is lost where nanoseconds are turned into milliseconds. */
const ROUNDING_MS = 1;

/** The ranges that what matches is in. */
export function zoneOf(predicate: Predicate): Zone {
  if (predicate.kind === 'term') return termZone(predicate);
  const zones = predicate.of.map(zoneOf);
  if (predicate.kind === 'all') return zones.reduce((one, other) => combined(one, other, common), EVERYWHERE);
  const possible = zones.filter(({ sequence, time }) => sequence.low <= sequence.high && time.low <= time.high);
  return possible.reduce((one, other) => combined(one, other, around), NOWHERE);
}

function combined(one: Zone, other: Zone, combine: (one: Interval, other: Interval) => Interval): Zone {
  return { sequence: combine(one.sequence, other.sequence), time: combine(one.time, other.time) };
}

function common(one: Interval, other: Interval): Interval {
  return { low: Math.max(one.low, other.low), high: Math.min(one.high, other.high) };
}

function around(one: Interval, other: Interval): Interval {
  return { low: Math.min(one.low, other.low), high: Math.max(one.high, other.high) };
}

function termZone({ field: { name }, test }: Term): Zone {
  if (!('value' in test || 'values' in test)) return EVERYWHERE;
  const operands = 'values' in test ? test.values : [test.value];
  switch (name) {
    case 'sequence':
      return { ...EVERYWHERE, sequence: rangeOf(test.op, operands.map(Number)) };
    case 'time':
      return {
        ...EVERYWHERE,
        time: rangeOf(
          test.op,
          operands.filter(isInstant).map(({ ms }) => ms),
        ),
      };
    case 'timestampNs':
      return { ...EVERYWHERE, time: rangeOf(test.op, operands.map(msOf), ROUNDING_MS) };
    case 'id':
      return test.op === 'eq' || test.op === 'in' ? idZone(operands) : EVERYWHERE;
    default:
      return EVERYWHERE;
  }
}

/** Both ends belong to it, also where they need not. */
function rangeOf(op: Op, numbers: readonly number[], rounding = 0): Interval {
  const low = Math.min(...numbers) - rounding;
  const high = Math.max(...numbers) + rounding;
  switch (op) {
    case 'eq':
    case 'in':
      return { low, high };
    case 'gt':
    case 'gte':
      return { low, high: EVERYTHING.high };
    case 'lt':
    case 'lte':
      return { low: EVERYTHING.low, high };
    default:
      return EVERYTHING;
  }
}

/** About: a double does not hold all digits of a timestamp. */
function msOf(timestampNs: Operand): number {
  return Number(timestampNs) / NS_PER_MS;
}

function idZone(operands: readonly Operand[]): Zone {
  const ids = operands.map((operand) => parseEventId(operand as string)).filter((id) => id !== undefined);
  if (ids.length === 0) return NOWHERE;
  const times = ids.map(({ timestampNs }) => msOf(timestampNs));
  const sequences = ids.map(({ sequence }) => sequence);
  return { sequence: rangeOf('in', sequences), time: rangeOf('in', times, ROUNDING_MS) };
}
