/** From the structured form of `where` to a predicate. */
import { Budget, operandOf } from './budget.js';
import { type Field, type FieldKind, kindOf, parseField } from './fields.js';
import type { Operand } from './operand.js';
import { ALWAYS, all, any, not, type Predicate, type Term, type Test, term } from './predicate.js';
import { isPlain, memberPath, refuse } from './refusal.js';

const OPERATORS = ['eq', 'ne', 'in', 'gt', 'gte', 'lt', 'lte', 'prefix', 'exists'] as const;
type Operator = (typeof OPERATORS)[number];

/**
 * Check a `where` and bring it into the one form.
 * @throws ERR_INVALID_QUERY with the path of what is wrong: `where.or[1]['data.n'].gt`
 */
export function parseWhere(where: unknown): Predicate {
  return where === undefined ? ALWAYS : parseObject(where, 'where', 1, new Budget());
}

function parseObject(where: unknown, path: string, depth: number, budget: Budget): Predicate {
  if (!isPlain(where)) throw refuse(path, 'must be an object of fields, and, or and not');
  budget.checkDepth(depth, path);
  return all(Object.keys(where).map((key) => parseMember(key, where[key], memberPath(path, key), depth + 1, budget)));
}

function parseMember(key: string, value: unknown, path: string, depth: number, budget: Budget): Predicate {
  switch (key) {
    case 'and':
      return all(parseList(value, path, depth, budget));
    case 'or':
      return any(parseList(value, path, depth, budget));
    case 'not':
      return not(parseObject(value, path, depth, budget));
    default: {
      const field = parseField(key);
      if ('why' in field) throw refuse(path, field.why);
      return all(parseTests(field, value, path, budget));
    }
  }
}

function parseList(list: unknown, path: string, depth: number, budget: Budget): Predicate[] {
  if (!Array.isArray(list)) throw refuse(path, 'must be a list');
  if (list.length === 0) throw refuse(path, 'is an empty list: leave it out');
  const predicates: Predicate[] = [];
  // By place: a list with holes has undefined in them, which is refused.
  for (let i = 0; i < list.length; i++) predicates.push(parseObject(list[i], `${path}[${i}]`, depth + 1, budget));
  return predicates;
}

function parseTests(field: Field, tests: unknown, path: string, budget: Budget): Term[] {
  if (!isPlain(tests)) throw refuse(path, 'must be an object of operators: { eq: … }');
  const operators = Object.keys(tests);
  if (operators.length === 0) throw refuse(path, 'names no operator');
  return operators.map((operator) => {
    const place = memberPath(path, operator);
    budget.takeTerm(place);
    if (!OPERATORS.some((known) => known === operator)) {
      throw refuse(place, `is no operator: ${OPERATORS.join(', ')}`);
    }
    return term(field, parseTest(operator as Operator, tests[operator], kindOf(field), place, budget));
  });
}

function parseTest(op: Operator, value: unknown, kind: FieldKind, path: string, budget: Budget): Test {
  switch (op) {
    case 'exists':
      if (typeof value !== 'boolean') throw refuse(path, 'must be a boolean');
      return { op: value ? 'exists' : 'missing' };
    case 'in':
      return { op, values: parseValues(value, kind, path, budget) };
    case 'eq':
    case 'ne':
      return { op, value: operandOf(value, kind, path) };
    case 'prefix':
      refuseNoText(kind, path);
      return prefixTest(operandOf(value, kind, path), kind, path);
    default:
      return orderTest(op, operandOf(value, kind, path), kind, path);
  }
}

function parseValues(values: unknown, kind: FieldKind, path: string, budget: Budget): Operand[] {
  if (!Array.isArray(values)) throw refuse(path, 'must be a list');
  budget.checkValues(values.length, path);
  return Array.from(values, (value, i) => operandOf(value, kind, `${path}[${i}]`));
}

function refuseNoText(kind: FieldKind, path: string): void {
  if (kind === 'integer' || kind === 'time') throw refuse(path, 'asks for a prefix of what is no text');
}

/** @throws ERR_INVALID_QUERY where the field or the operand has no beginning */
export function prefixTest(operand: Operand, kind: FieldKind, path: string): Test {
  refuseNoText(kind, path);
  if (typeof operand !== 'string') throw refuse(path, 'must be a string');
  return { op: 'prefix', value: operand };
}

/** @throws ERR_INVALID_QUERY where the field or the operand has no order */
export function orderTest(op: 'gt' | 'gte' | 'lt' | 'lte', operand: Operand, kind: FieldKind, path: string): Test {
  if (kind === 'texts') throw refuse(path, 'asks for the order of a list, which has none');
  if (operand === null || typeof operand === 'boolean') {
    throw refuse(path, 'must be a number, a bigint, a string or a Date: nothing else has an order');
  }
  return { op, value: operand };
}
