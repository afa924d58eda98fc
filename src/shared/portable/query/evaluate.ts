/**
 * From a predicate to a function. What a record's header decides is decided before anything of its payload is asked for,
 * and nothing is allocated for a record.
 */
import { type Field, isPayload, kindOf } from './fields.js';
import { compareText, type Instant, isInstant, type Operand, oneForm } from './operand.js';
import { ALWAYS, all, any, type Group, type Predicate, type Term, type Test } from './predicate.js';

/** An event as a predicate sees it: each member is decoded when it is asked for. Undefined where it has none. */
export interface Examined {
  readonly id: string;
  readonly sequence: number;
  readonly timestampNs: bigint;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly tags: readonly string[];
  readonly causes: readonly string[];
  readonly agent: string | undefined;
  readonly session: string | undefined;
  readonly correlationId: string | undefined;
  readonly schemaVersion: number;
  readonly idempotencyKey: string | undefined;
  /** Decodes the payload. */
  readonly data: unknown;
  /** What a path leads to in the data: decodes no more of it than that, where it can. */
  dataAt(path: readonly string[]): unknown;
  /** Decodes the payload. */
  readonly metadata: unknown;
}

/** Whether an event is found. */
export type Matches = (event: Examined) => boolean;

type ValueTest = (value: unknown) => boolean;

/** Compile a predicate. */
export function compile(predicate: Predicate): Matches {
  const parts = predicate.kind === 'all' ? predicate.of : [predicate];
  const header = all(parts.filter((part) => !asksPayload(part)));
  const rest = all(parts.filter(asksPayload));
  return allOf([header, onHeader(rest), rest].filter((part) => !isAlways(part)).map(build));
}

/** Whether a predicate needs a payload to be decided, at least of some events. */
export function asksPayload(predicate: Predicate): boolean {
  return predicate.kind === 'term' ? isPayload(predicate.field) : predicate.of.some(asksPayload);
}

/** What has to hold of a record's header wherever the predicate holds. */
export function onHeader(predicate: Predicate): Predicate {
  if (predicate.kind === 'term') return isPayload(predicate.field) ? ALWAYS : predicate;
  const of = predicate.of.map(onHeader);
  return predicate.kind === 'all' ? all(of) : any(of);
}

/** Whether a predicate asks for nothing. */
export function isAlways(predicate: Predicate): boolean {
  return predicate.kind === 'all' && predicate.of.length === 0;
}

function build(predicate: Predicate): Matches {
  return predicate.kind === 'term' ? buildTerm(predicate) : buildGroup(predicate);
}

function buildGroup({ kind, of }: Group): Matches {
  const parts = [...of.filter((part) => !asksPayload(part)), ...of.filter(asksPayload)].map(build);
  return kind === 'all' ? allOf(parts) : anyOf(parts);
}

function allOf(parts: readonly Matches[]): Matches {
  if (parts.length === 1) return parts[0]!;
  return (event) => {
    for (let i = 0; i < parts.length; i++) if (!parts[i]!(event)) return false;
    return true;
  };
}

function anyOf(parts: readonly Matches[]): Matches {
  return (event) => {
    for (let i = 0; i < parts.length; i++) if (parts[i]!(event)) return true;
    return false;
  };
}

function buildTerm({ field, test }: Term): Matches {
  const read = readerOf(field);
  const holds = holdsOf(test, field);
  return (event) => holds(read(event));
}

/** Reads a field: undefined where there is none. */
export function readerOf({ name, path }: Field): (event: Examined) => unknown {
  if (path.length === 0) return (event) => event[name];
  if (name === 'data') return (event) => event.dataAt(path);
  return (event) => followPath(event[name], path);
}

/** What a path leads to in a value; undefined where it leads nowhere. */
export function followPath(from: unknown, path: readonly string[]): unknown {
  let value = from;
  for (let i = 0; i < path.length && value !== undefined; i++) value = memberOf(value, path[i]!);
  return value;
}

/** An own member of an object, or an element of a list by its place. */
function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  if (Array.isArray(value)) return key === 'length' ? undefined : (value as any)[key];
  // The bytes of a Uint8Array are its own, but it is one value.
  return ArrayBuffer.isView(value) ? undefined : (value as Record<string, unknown>)[key];
}

function holdsOf(test: Test, field: Field): ValueTest {
  switch (test.op) {
    case 'exists':
      return isThere(field);
    case 'missing':
      return isMissing(field);
    case 'eq':
      return inList(equals(test.value, field));
    case 'ne':
      return notInList(equals(test.value, field));
    case 'in':
      return inList(isOneOf(test.values, field));
    case 'notIn':
      return notInList(isOneOf(test.values, field));
    case 'prefix':
      return inList((value) => typeof value === 'string' && value.startsWith(test.value));
    case 'notPrefix':
      return withoutPrefix(test.value);
    default:
      return inOrder(test.op, test.value, field);
  }
}

/** Tags, causes and metadata are always there: of them it is asked whether there is anything in them. */
function isThere(field: Field): ValueTest {
  if (field.name === 'metadata' && field.path.length === 0) return (value) => Object.keys(value as object).length > 0;
  if (kindOf(field) === 'texts') return (value) => (value as readonly string[]).length > 0;
  return (value) => value !== undefined;
}

function isMissing(field: Field): ValueTest {
  const isThereNow = isThere(field);
  return (value) => !isThereNow(value);
}

/** Whether a value, or an element of a list, is what is wanted. */
function inList(wanted: ValueTest): ValueTest {
  return (value) => {
    if (!Array.isArray(value)) return value !== undefined && wanted(value);
    for (let i = 0; i < value.length; i++) if (wanted(value[i])) return true;
    return false;
  };
}

/** Whether there is a value, and neither it nor an element of it is what is not wanted. */
function notInList(unwanted: ValueTest): ValueTest {
  return (value) => {
    if (!Array.isArray(value)) return value !== undefined && !unwanted(value);
    for (let i = 0; i < value.length; i++) if (unwanted(value[i])) return false;
    return true;
  };
}

function withoutPrefix(prefix: string): ValueTest {
  const begins: ValueTest = (value) => typeof value === 'string' && value.startsWith(prefix);
  const hasNone = notInList(begins);
  // What is no text begins with nothing, not even with something else.
  return (value) => (typeof value === 'string' || Array.isArray(value)) && hasNone(value);
}

function equals(operand: Operand, { name }: Field): ValueTest {
  if (isInstant(operand)) return name === 'time' ? (value) => value === operand.ms : isMoment(operand);
  if (typeof operand !== 'number' && typeof operand !== 'bigint') return (value) => value === operand;
  // Mixed, numbers and bigints are compared exactly by < and >, and not at all by ===.
  return (value) =>
    value === operand ||
    ((typeof value === 'bigint' || typeof value === 'number') && value <= operand && value >= operand);
}

function isMoment({ ms }: Instant): ValueTest {
  return (value) => value instanceof Date && value.getTime() === ms;
}

function isOneOf(operands: readonly Operand[], { name }: Field): ValueTest {
  const moments = new Set(operands.filter(isInstant).map(({ ms }) => ms));
  if (name === 'time') return (value) => moments.has(value as number);
  const others = new Set(operands.filter((operand) => !isInstant(operand)));
  return (value) => {
    if (typeof value === 'number' || typeof value === 'bigint') return others.has(oneForm(value));
    return others.has(value as Operand) || (value instanceof Date && moments.has(value.getTime()));
  };
}

type Order = 'gt' | 'gte' | 'lt' | 'lte';

function inOrder(op: Order, operand: Exclude<Operand, null | boolean>, { name }: Field): ValueTest {
  if (typeof operand === 'string') {
    const isRight = signTest(op);
    return (value) => typeof value === 'string' && isRight(compareText(value, operand));
  }
  if (!isInstant(operand)) return numberOrder(op, operand);
  const ofMs = numberOrder(op, operand.ms);
  return name === 'time' ? ofMs : (value) => value instanceof Date && ofMs(value.getTime());
}

function signTest(op: Order): (sign: number) => boolean {
  switch (op) {
    case 'gt':
      return (sign) => sign > 0;
    case 'gte':
      return (sign) => sign >= 0;
    case 'lt':
      return (sign) => sign < 0;
    case 'lte':
      return (sign) => sign <= 0;
  }
}

/** NaN is in no order: all four are false of it. */
function numberOrder(op: Order, operand: number | bigint): ValueTest {
  switch (op) {
    case 'gt':
      return (value) => isNumber(value) && value > operand;
    case 'gte':
      return (value) => isNumber(value) && value >= operand;
    case 'lt':
      return (value) => isNumber(value) && value < operand;
    case 'lte':
      return (value) => isNumber(value) && value <= operand;
  }
}

function isNumber(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}
