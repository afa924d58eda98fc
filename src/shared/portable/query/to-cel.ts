/** A predicate as CEL text (https://github.com/google/cel-spec): the same text for the same predicate, however it was written. */
import { type Field, kindOf } from './fields.js';
import { isInstant, type Operand } from './operand.js';
import type { Predicate, Term } from './predicate.js';

const SYMBOLS = { eq: '==', ne: '!=', gt: '>', gte: '>=', lt: '<', lte: '<=' } as const;

const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
const PLACE = /^(?:0|[1-9][0-9]{0,14})$/;
const KEYWORDS: ReadonlySet<string> = new Set(['true', 'false', 'null', 'in']);

export function toCel(predicate: Predicate): string {
  if (predicate.kind === 'term') return termText(predicate);
  const { kind, of } = predicate;
  if (of.length === 0) return String(kind === 'all');
  const parts = of.map((part) => (part.kind === 'term' ? termText(part) : `(${toCel(part)})`));
  return parts.join(kind === 'all' ? ' && ' : ' || ');
}

function termText(term: Term): string {
  const { field, test } = term;
  const name = fieldText(field);
  const isList = kindOf(field) === 'texts';
  switch (test.op) {
    case 'exists':
      return `has(${memberText(field)})`;
    case 'missing':
      return `!has(${memberText(field)})`;
    case 'eq':
      return isList ? `${operandText(test.value)} in ${name}` : `${name} == ${operandText(test.value)}`;
    case 'ne':
      return isList ? `!(${operandText(test.value)} in ${name})` : `${name} != ${operandText(test.value)}`;
    case 'in':
    case 'notIn': {
      const values = `[${test.values.map(operandText).join(', ')}]`;
      const text = isList ? `${name}.exists(x, x in ${values})` : `${name} in ${values}`;
      if (test.op === 'in') return text;
      return isList ? `!${text}` : `!(${text})`;
    }
    case 'prefix':
    case 'notPrefix': {
      const begins = `.startsWith(${JSON.stringify(test.value)})`;
      const text = isList ? `${name}.exists(x, x${begins})` : `${name}${begins}`;
      return test.op === 'prefix' ? text : `!${text}`;
    }
    default:
      return `${name} ${SYMBOLS[test.op]} ${operandText(test.value)}`;
  }
}

/** `has` takes a member of something. */
function memberText(field: Field): string {
  return field.path.length > 0 ? fieldText(field) : `event.${field.name}`;
}

export function fieldText({ name, path }: Field): string {
  return name + path.map(keyText).join('');
}

function keyText(key: string): string {
  if (PLACE.test(key)) return `[${key}]`;
  return IDENTIFIER.test(key) && !KEYWORDS.has(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

function operandText(operand: Operand): string {
  if (isInstant(operand)) return `timestamp("${new Date(operand.ms).toISOString()}")`;
  switch (typeof operand) {
    case 'string':
      return JSON.stringify(operand);
    case 'number':
      return numberText(operand);
    default:
      return String(operand);
  }
}

/** An integer where it is a safe one; else a double, which has an exponent. */
function numberText(value: number): string {
  if (!Number.isFinite(value)) return `double("${value}")`;
  return Number.isSafeInteger(value) ? String(value) : value.toExponential();
}
