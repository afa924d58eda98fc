/** Bounds on a predicate while it is made, whichever way it was written. */
import type { FieldKind } from './fields.js';
import { isInstant, isStorable, MAX_TEXT_CHARACTERS, type Operand, oneForm, parseMoment } from './operand.js';
import { MAX_DEPTH, MAX_TERMS, MAX_VALUES } from './predicate.js';
import { refuse } from './refusal.js';

export class Budget {
  #terms = 0;

  /** @throws ERR_INVALID_QUERY at the first test that is one too many */
  takeTerm(path: string): void {
    if (++this.#terms > MAX_TERMS) throw refuse(path, `is one test too many: a query has ${MAX_TERMS} at most`);
  }

  /** @throws ERR_INVALID_QUERY */
  checkDepth(depth: number, path: string): void {
    if (depth > MAX_DEPTH) throw refuse(path, `is nested deeper than ${MAX_DEPTH}`);
  }

  /** @throws ERR_INVALID_QUERY */
  checkValues(count: number, path: string): void {
    if (count === 0) throw refuse(path, 'is an empty list: nothing is in it');
    if (count > MAX_VALUES) throw refuse(path, `has ${count} values; it may have ${MAX_VALUES}`);
  }
}

const WANTED: Readonly<Record<FieldKind, string>> = {
  text: 'a string',
  integer: 'a number or a bigint',
  time: 'a Date, or a time with an offset to the millisecond: 2026-01-31T12:00:00.000Z',
  texts: 'a string',
  anything: 'null, a boolean, a number, a bigint, a string or a Date',
};

/**
 * The operand that a value stands for.
 * @param kind of the field that is compared with it
 * @throws ERR_INVALID_QUERY where no such field can be compared with it
 */
export function operandOf(value: unknown, kind: FieldKind, path: string): Operand {
  const operand = toOperand(value, kind, path);
  if (operand === undefined || !fits(operand, kind)) throw refuse(path, `must be ${WANTED[kind]}`);
  return operand;
}

function fits(operand: Operand, kind: FieldKind): boolean {
  switch (kind) {
    case 'anything':
      return true;
    case 'integer':
      return typeof operand === 'number' || typeof operand === 'bigint';
    case 'time':
      return isInstant(operand);
    default:
      return typeof operand === 'string';
  }
}

function toOperand(value: unknown, kind: FieldKind, path: string): Operand | undefined {
  switch (typeof value) {
    case 'boolean':
      return value;
    case 'number':
      if (Number.isNaN(value)) throw refuse(path, 'is NaN, which equals nothing and has no order');
      return oneForm(value);
    case 'bigint':
      if (!isStorable(value)) throw refuse(path, 'is an integer that 64 bits do not hold');
      return oneForm(value);
    case 'string':
      return kind === 'time' ? toInstant(parseMoment(value)) : toText(value, path);
    default:
      if (value === null) return null;
      return value instanceof Date && !Number.isNaN(value.getTime()) ? toInstant(value.getTime()) : undefined;
  }
}

function toInstant(ms: number | undefined): Operand | undefined {
  return ms === undefined ? undefined : { ms: ms === 0 ? 0 : ms };
}

function toText(value: string, path: string): string {
  if (value.length > MAX_TEXT_CHARACTERS) {
    throw refuse(path, `has ${value.length} characters; it may have ${MAX_TEXT_CHARACTERS}`);
  }
  if (!value.isWellFormed()) throw refuse(path, 'has a lone surrogate, which no text has');
  return value;
}
