/**
 * What a query means, said as plainly as can be and without any of the code that it is held against: three values, where
 * undefined is "there is nothing to compare"; only what is true is found.
 */
import type { Conditions, Where } from 'keeperlog';

type Truth = boolean | undefined;

/** An event with its time as a Date, whatever made it. */
export interface Plain {
  readonly id: string;
  readonly sequence: number;
  readonly timestampNs: bigint;
  readonly time: Date;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly data: unknown;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tags: readonly string[];
  readonly causes: readonly string[];
  readonly schemaVersion: number;
  readonly idempotencyKey: string | undefined;
}

export function isFound(where: Where, event: Plain): boolean {
  return ask(where, event) === true;
}

function ask(where: Where, event: Plain): Truth {
  return every(
    Object.entries(where).map(([key, value]): Truth => {
      if (key === 'and') return every((value as Where[]).map((part) => ask(part, event)));
      if (key === 'or') return negated(every((value as Where[]).map((part) => negated(ask(part, event)))));
      if (key === 'not') return negated(ask(value as Where, event));
      const found = lookUp(key, event);
      return every(Object.entries(value as Conditions).map(([op, operand]) => holds(op, found, operand, key, event)));
    }),
  );
}

function every(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(undefined) ? undefined : true;
}

function negated(truth: Truth): Truth {
  return truth === undefined ? undefined : !truth;
}

/** Keys of a path as it is written: split at dots that no backslash stands before. */
export function keysOf(path: string): string[] {
  const keys = path.match(/(?:\\.|[^.\\])+/gu) ?? [];
  return keys.map((key) => key.replace(/\\(.)/gu, '$1'));
}

/** The value of a field, undefined where it is missing. */
export function lookUp(path: string, event: Plain): unknown {
  const [name, ...keys] = keysOf(path) as [keyof Plain | 'agent' | 'session' | 'correlationId', ...string[]];
  if (name === 'agent' || name === 'session' || name === 'correlationId') return event.metadata[name];
  return keys.reduce<unknown>((value, key) => {
    if (Array.isArray(value)) return /^(0|[1-9]\d*)$/.test(key) ? value[Number(key)] : undefined;
    if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype)
      return undefined;
    return Object.getOwnPropertyNames(value).includes(key) ? (value as Record<string, unknown>)[key] : undefined;
  }, event[name]);
}

function holds(op: string, value: unknown, operand: any, field: string, event: Plain): Truth {
  if (op === 'exists') {
    if (field === 'tags' || field === 'causes') return event[field].length > 0 === operand;
    if (field === 'metadata') return Object.getOwnPropertyNames(event.metadata).length > 0 === operand;
    return (value !== undefined) === operand;
  }
  if (value === undefined) return undefined;
  const moment = field === 'time' && typeof operand === 'string' ? new Date(operand) : operand;
  switch (op) {
    case 'eq':
      return someOf(value, (one) => same(one, moment));
    case 'ne':
      return !someOf(value, (one) => same(one, moment));
    case 'in':
      return someOf(value, (one) => operand.some((wanted: unknown) => same(one, wanted)));
    case 'prefix':
      if (typeof value !== 'string' && !Array.isArray(value)) return undefined;
      return someOf(value, (one) => typeof one === 'string' && one.slice(0, operand.length) === operand);
    default: {
      const order = orderOf(value, moment);
      if (order === undefined) return undefined;
      return { gt: order > 0, gte: order >= 0, lt: order < 0, lte: order <= 0 }[op];
    }
  }
}

function someOf(value: unknown, test: (one: unknown) => boolean): boolean {
  return Array.isArray(value) ? value.some(test) : test(value);
}

function same(one: unknown, other: unknown): boolean {
  if (typeof one === 'object' && typeof other === 'object' && one !== null && other !== null) {
    return one instanceof Date && other instanceof Date && one.getTime() === other.getTime();
  }
  if (typeof one === 'bigint' && typeof other === 'number') return Number.isInteger(other) && BigInt(other) === one;
  if (typeof one === 'number' && typeof other === 'bigint') return same(other, one);
  return one === other;
}

function orderOf(one: unknown, other: unknown): number | undefined {
  if (typeof one === 'string' && typeof other === 'string') {
    const [a, b] = [[...one], [...other]].map((points) => points.map((point) => point.codePointAt(0)!)) as [
      number[],
      number[],
    ];
    const differing = a.findIndex((point, i) => point !== b[i]);
    if (differing === -1 || differing >= b.length) return a.length - b.length;
    return a[differing]! - b[differing]!;
  }
  if (one instanceof Date && other instanceof Date) return one.getTime() - other.getTime();
  const numbers = ['number', 'bigint'];
  if (!numbers.includes(typeof one) || !numbers.includes(typeof other)) return undefined;
  if (Number.isNaN(one) || Number.isNaN(other)) return undefined;
  if (same(one, other)) return 0;
  return (one as number) < (other as number) ? -1 : 1;
}
