/**
 * What a query asks of an event, as plain data: the form that both ways of writing a query are brought into. It survives a
 * structured clone.
 *
 * There is no `not` in it: each test has an opposite, and what a `not` stands before is turned into that. A test holds, its
 * opposite holds, or neither does, where there is nothing to be tested: the path is missing, or what it leads to has no
 * order with the operand. So an event that lacks a path is never found by a test of it, whatever stands around.
 */
import type { Field } from './fields.js';
import type { Operand } from './operand.js';

/** What has to hold of a value. On a list, the equalities and prefixes ask whether it has such an element. */
export type Test =
  | { readonly op: 'eq' | 'ne'; readonly value: Operand }
  | { readonly op: 'in' | 'notIn'; readonly values: readonly Operand[] }
  | { readonly op: 'gt' | 'gte' | 'lt' | 'lte'; readonly value: Exclude<Operand, null | boolean> }
  | { readonly op: 'prefix' | 'notPrefix'; readonly value: string }
  | { readonly op: 'exists' | 'missing' };

export type Op = Test['op'];

/** A test of one field. */
export interface Term {
  readonly kind: 'term';
  readonly field: Field;
  readonly test: Test;
}

/** Several predicates: `all` of them hold, of none always; `any` of them holds, of none never. */
export interface Group {
  readonly kind: 'all' | 'any';
  readonly of: readonly Predicate[];
}

export type Predicate = Term | Group;

export const ALWAYS: Group = { kind: 'all', of: [] };
export const NEVER: Group = { kind: 'any', of: [] };

const OPPOSITES = {
  eq: 'ne',
  ne: 'eq',
  in: 'notIn',
  notIn: 'in',
  gt: 'lte',
  lte: 'gt',
  gte: 'lt',
  lt: 'gte',
  prefix: 'notPrefix',
  notPrefix: 'prefix',
  exists: 'missing',
  missing: 'exists',
} as const satisfies Record<Op, Op>;

/** How deep `and`, `or` and `not` may be nested; an object of several members is an `and`. */
export const MAX_DEPTH = 64;
/** Tests in a query. */
export const MAX_TERMS = 1000;
/** Values in the list of one test. */
export const MAX_VALUES = 1000;

export function term(field: Field, test: Test): Term {
  return { kind: 'term', field, test };
}

export function all(predicates: readonly Predicate[]): Predicate {
  return group('all', predicates);
}

export function any(predicates: readonly Predicate[]): Predicate {
  return group('any', predicates);
}

/** What holds where the predicate does not, and can be tested. */
export function not(predicate: Predicate): Predicate {
  if (predicate.kind !== 'term') return { kind: predicate.kind === 'all' ? 'any' : 'all', of: predicate.of.map(not) };
  return term(predicate.field, { ...predicate.test, op: OPPOSITES[predicate.test.op] } as Test);
}

/** A group of groups of the same kind is one group; one of the other kind that is empty decides it. */
function group(kind: Group['kind'], predicates: readonly Predicate[]): Predicate {
  const of = predicates.flatMap((predicate) => (predicate.kind === kind ? predicate.of : [predicate]));
  const decided = of.find((predicate) => predicate.kind !== 'term' && predicate.of.length === 0);
  if (decided !== undefined) return decided;
  return of.length === 1 ? of[0]! : { kind, of };
}
