/** From the syntax tree of CEL text to a predicate. What has no structured form is refused, with its place in the text. */
import { Budget, operandOf } from './budget.js';
import { hintOf, hintOfOperand, notSupported } from './cel-hints.js';
import { type Field, fieldOf, kindOf } from './fields.js';
import { parseMoment } from './operand.js';
import { orderTest, prefixTest } from './parse-where.js';
import { ALWAYS, all, any, NEVER, not, type Predicate, type Term, type Test, term } from './predicate.js';
import { refuse } from './refusal.js';

/** A node of the syntax tree, as far as it is looked at: that of @marcbachmann/cel-js. */
export interface CelNode {
  readonly op: string;
  readonly args: unknown;
  /** Where it begins in the text. */
  readonly start: number;
}

/** Characters of CEL text. */
export const MAX_CEL_CHARACTERS = 65_536;

/** The path of a place in the text that is given as the query. */
export function placePath(start: number): string {
  return `query[${start}]`;
}

/**
 * The predicate that a syntax tree stands for.
 * @throws ERR_INVALID_QUERY with the place in the text as the path
 */
export function fromCel(root: CelNode): Predicate {
  return convert(root, 1, new Budget());
}

/** The same with the operands on the other side. */
const MIRRORED = { '==': '==', '!=': '!=', '<': '>', '<=': '>=', '>': '<', '>=': '<=' } as const;
const ORDERS = { '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' } as const;

type Comparator = keyof typeof MIRRORED;

function convert(node: CelNode, depth: number, budget: Budget): Predicate {
  budget.checkDepth(depth, placePath(node.start));
  switch (node.op) {
    case '&&':
      return all(operandsOf(node).map((part) => convert(part, depth + 1, budget)));
    case '||':
      return any(operandsOf(node).map((part) => convert(part, depth + 1, budget)));
    case '!_':
      return not(convert(node.args as CelNode, depth + 1, budget));
    case 'value':
      if (typeof node.args === 'boolean') return node.args ? ALWAYS : NEVER;
      throw unsupported(node);
    default:
      budget.takeTerm(placePath(node.start));
      return convertTerm(node, budget);
  }
}

/** The parts of `a && b && c`, which is parsed as `(a && b) && c`: there may be more of them than calls can be nested. */
function operandsOf(node: CelNode): CelNode[] {
  const parts: CelNode[] = [];
  let next = node;
  while (next.op === node.op) {
    const [left, right] = next.args as [CelNode, CelNode];
    parts.push(right);
    next = left;
  }
  parts.push(next);
  return parts.reverse();
}

function convertTerm(node: CelNode, budget: Budget): Term {
  switch (node.op) {
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
      return convertComparison(node, node.op);
    case 'in':
      return convertIn(node, budget);
    case 'call':
      return convertHas(node);
    case 'rcall':
      return convertMethod(node, budget);
    default:
      throw unsupported(node);
  }
}

function convertComparison(node: CelNode, comparator: Comparator): Term {
  const [left, right] = node.args as [CelNode, CelNode];
  if (isPath(left)) return compare(left, comparator, right);
  if (isPath(right)) return compare(right, MIRRORED[comparator], left);
  throw refuseNothing(node, left, right);
}

function compare(path: CelNode, comparator: Comparator, literal: CelNode): Term {
  const field = fieldAt(path);
  const kind = kindOf(field);
  const place = placePath(literal.start);
  if (kind === 'texts') throw refuse(placePath(path.start), 'is a list: "…" in LIST asks for an element');
  const operand = operandOf(literalOf(literal), kind, place);
  if (comparator === '==' || comparator === '!=')
    return term(field, { op: comparator === '==' ? 'eq' : 'ne', value: operand });
  return term(field, orderTest(ORDERS[comparator], operand, kind, place));
}

/** `FIELD in [literals]`, or `literal in LIST`. */
function convertIn(node: CelNode, budget: Budget): Term {
  const [left, right] = node.args as [CelNode, CelNode];
  if (isPath(left)) {
    const field = fieldAt(left);
    if (kindOf(field) === 'texts')
      throw refuse(placePath(left.start), 'is a list: LIST.exists(x, x in […]) asks for one');
    return term(field, inTest(field, right, budget));
  }
  if (!isPath(right)) throw refuseNothing(node, left, right);
  const field = fieldAt(right);
  const kind = kindOf(field);
  if (kind !== 'texts' && kind !== 'anything') throw refuse(placePath(right.start), 'is no list');
  return term(field, { op: 'eq', value: operandOf(literalOf(left), kind, placePath(left.start)) });
}

function inTest(field: Field, list: CelNode, budget: Budget): Test {
  if (list.op !== 'list') throw refuse(placePath(list.start), 'must be a list of literals');
  const items = list.args as CelNode[];
  budget.checkValues(items.length, placePath(list.start));
  const kind = kindOf(field);
  return { op: 'in', values: items.map((item) => operandOf(literalOf(item), kind, placePath(item.start))) };
}

function convertHas(node: CelNode): Term {
  const [name, args] = node.args as [string, CelNode[]];
  const [member] = args;
  // CEL itself takes members of something alone: `has(event.agent)`. `has(agent)` can mean nothing else.
  if (name !== 'has' || member === undefined || args.length > 1 || !isPath(member)) throw unsupported(node);
  return term(fieldAt(member), { op: 'exists' });
}

/** `FIELD.startsWith("…")`, or `LIST.exists(x, …)` with a test of x. */
function convertMethod(node: CelNode, budget: Budget): Term {
  const [name, receiver, args] = node.args as [string, CelNode, CelNode[]];
  if (!isPath(receiver)) throw unsupported(node);
  const field = fieldAt(receiver);
  const [first, second] = args;
  if (name === 'startsWith' && first !== undefined && args.length === 1) {
    if (kindOf(field) === 'texts') {
      throw refuse(placePath(receiver.start), 'is a list: LIST.exists(x, x.startsWith("…")) asks for one');
    }
    return term(field, startsWithTest(field, first));
  }
  if (name !== 'exists' || first?.op !== 'id' || second === undefined) throw unsupported(node);
  const kind = kindOf(field);
  if (kind !== 'texts' && kind !== 'anything') throw refuse(placePath(receiver.start), 'is no list');
  return term(field, elementTest(field, first.args as string, second, budget));
}

function startsWithTest(field: Field, literal: CelNode): Test {
  const place = placePath(literal.start);
  const kind = kindOf(field);
  return prefixTest(operandOf(literalOf(literal), kind, place), kind, place);
}

/** What is asked of an element of a list by a name. */
function elementTest(field: Field, name: string, node: CelNode, budget: Budget): Test {
  const isElement = (part: CelNode | undefined): boolean => part?.op === 'id' && part.args === name;
  if (node.op === 'rcall') {
    const [method, receiver, args] = node.args as [string, CelNode, CelNode[]];
    const [literal] = args;
    if (method === 'startsWith' && isElement(receiver) && literal !== undefined && args.length === 1) {
      return startsWithTest(field, literal);
    }
  }
  if (node.op === 'in' || node.op === '==') {
    const [left, right] = node.args as [CelNode, CelNode];
    if (isElement(left) && node.op === 'in') return inTest(field, right, budget);
    const literal = isElement(left) ? right : left;
    if (node.op === '==' && (isElement(left) || isElement(right))) {
      return { op: 'eq', value: operandOf(literalOf(literal), kindOf(field), placePath(literal.start)) };
    }
  }
  throw refuse(placePath(node.start), `must be ${name} == …, ${name} in […] or ${name}.startsWith("…")`);
}

/** Whether a node names something of an event, rather than a value. */
function isPath({ op }: CelNode): boolean {
  return op === 'id' || op === '.' || op === '[]';
}

/** `type`, `event.type`, `data.a["b c"][0]`. */
function fieldAt(node: CelNode): Field {
  const keys: string[] = [];
  let next = node;
  for (; next.op === '.' || next.op === '[]'; next = (next.args as [CelNode])[0]) keys.push(keyOf(next));
  if (next.op !== 'id') throw unsupported(next);
  keys.push(next.args as string);
  keys.reverse();
  const field = fieldOf(keys[0] === 'event' && keys.length > 1 ? keys.slice(1) : keys);
  if ('why' in field) throw refuse(placePath(node.start), field.why);
  return field;
}

function keyOf({ op, args }: CelNode): string {
  const [, key] = args as [CelNode, CelNode | string];
  if (op === '.') return key as string;
  const { op: kind, args: value, start } = key as CelNode;
  if (kind === 'value' && typeof value === 'string') return value;
  if (kind === 'value' && typeof value === 'bigint') return String(value);
  throw refuse(placePath(start), 'must be a string or an integer');
}

/** Neither side is of an event: perhaps something is done with it first. */
function refuseNothing({ start }: CelNode, ...sides: readonly CelNode[]): Error {
  for (const side of sides) {
    const why = notSupported(side);
    if (why !== undefined && !isLiteral(side)) return refuse(placePath(side.start), why);
  }
  return refuse(placePath(start), 'compares nothing of an event');
}

function isLiteral(node: CelNode): boolean {
  try {
    literalOf(node);
    return true;
  } catch {
    return false;
  }
}

/** The value of a literal; what is none is refused. */
function literalOf(node: CelNode): unknown {
  switch (node.op) {
    case 'value':
      if (node.args instanceof Uint8Array) throw refuse(placePath(node.start), 'is bytes, which are not compared');
      // An unsigned integer is an object around its value.
      return typeof node.args === 'object' && node.args !== null ? node.args.valueOf() : node.args;
    case '-_': {
      const { op, args } = node.args as CelNode;
      if (op === 'value' && (typeof args === 'bigint' || typeof args === 'number')) return -args;
      break;
    }
    case 'call': {
      const value = convertedLiteral(node);
      if (value !== undefined) return value;
      break;
    }
  }
  throw refuse(placePath(node.start), hintOfOperand(node));
}

/** `timestamp("…")`, and `double("Infinity")`, for which there is no literal. */
function convertedLiteral(node: CelNode): Date | number | undefined {
  const [name, args] = node.args as [string, CelNode[]];
  const [literal] = args;
  if (literal?.op !== 'value' || typeof literal.args !== 'string' || args.length > 1) return undefined;
  if (name === 'double') {
    if (literal.args === 'Infinity') return Number.POSITIVE_INFINITY;
    return literal.args === '-Infinity' ? Number.NEGATIVE_INFINITY : undefined;
  }
  if (name !== 'timestamp') return undefined;
  const ms = parseMoment(literal.args);
  if (ms !== undefined) return new Date(ms);
  throw refuse(placePath(literal.start), 'must be a time with an offset, to the millisecond: 2026-01-31T12:00:00.000Z');
}

function unsupported(node: CelNode): Error {
  return refuse(placePath(node.start), hintOf(node));
}
