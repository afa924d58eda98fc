/**
 * What an index can say about a predicate. Never more than holds: what it leaves out cannot match, what it leaves in is still
 * to be tested.
 */
import type { FieldName } from './fields.js';
import { type Intervals, isOfSequence, testIntervals } from './intervals.js';
import type { Operand } from './operand.js';
import { all, type Group, type Predicate, type Term } from './predicate.js';

/** Fields that an index keeps postings of. */
const POSTED = ['stream', 'type', 'tags', 'agent', 'session', 'correlationId', 'causes'] as const satisfies FieldName[];

/** A field that an index keeps postings of. */
export type PostedField = (typeof POSTED)[number];

/**
 * Which records, in terms of postings: those of a value, those of all values with a prefix, those of some sequences, all of them or
 * any of them.
 */
export type PostingQuery =
  | { readonly kind: 'value' | 'prefix'; readonly field: PostedField; readonly value: string }
  | { readonly kind: 'sequences'; readonly intervals: Intervals }
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

/** Whether any list has to be read, rather than sequences be counted off. */
export function asksLists(query: PostingQuery): boolean {
  if ('of' in query) return query.of.some(asksLists);
  return query.kind !== 'sequences';
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

function termPostings({ field, test }: Term): Served | undefined {
  if (isOfSequence(field)) return { postings: { kind: 'sequences', intervals: testIntervals(test) }, exact: true };
  const { name } = field;
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
