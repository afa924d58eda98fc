/**
 * Times and ids are in the order of the log, so each test of one is a test of sequences, once it is known which sequence comes to
 * what it names. Then a range of them chooses records before anything is read of them, and nothing is left to be asked.
 */

import { formatEventId, parseEventId } from '../../../shared/portable/event-id.js';
import { SEQUENCE } from '../../../shared/portable/query/intervals.js';
import { compareText, isInstant, type Operand } from '../../../shared/portable/query/operand.js';
import {
  ALWAYS,
  all,
  any,
  NEVER,
  type Predicate,
  type Term,
  type Test,
  term,
} from '../../../shared/portable/query/predicate.js';
import type { Reached } from '../bounds.js';

/** What is known of the log that a predicate is asked of. */
export interface OrderedLog {
  /** Third part of its ids. */
  readonly nodeId: string;
  /** The first sequence that has reached something; one after the last if none has. It takes some reads. */
  first(reached: Reached): Promise<number>;
}

/** Each value of a list takes two searches: of longer lists, only the range is searched that all of them are in. */
const FEW_VALUES = 16;

const NS_PER_MS = 1_000_000n;

/** The same predicate for this log as it is now, with tests of sequences where those of times and ids were. */
export async function located(predicate: Predicate, log: OrderedLog): Promise<Predicate> {
  if (predicate.kind === 'term') return locatedTerm(predicate, log);
  const of: Predicate[] = [];
  for (const part of predicate.of) of.push(await located(part, log));
  return predicate.kind === 'all' ? all(of) : any(of);
}

async function locatedTerm(asked: Term, log: OrderedLog): Promise<Predicate> {
  switch (asked.field.name) {
    case 'time':
      return new Locator(asked, log, timeEnds).predicate();
    case 'timestampNs':
      return new Locator(asked, log, timestampEnds).predicate();
    case 'id':
      return locatedId(asked, log);
    default:
      return asked;
  }
}

/** An id says itself which sequence it is of; whether there is such an event is still to be asked. */
function locatedId(asked: Term, log: OrderedLog): Promise<Predicate> | Predicate {
  const { test } = asked;
  switch (test.op) {
    case 'eq':
      return ofSequences(asked, [test.value]);
    case 'in':
      return ofSequences(asked, test.values);
    case 'ne':
    case 'notIn':
      return asked;
    default:
      return new Locator(asked, log, idEnds(log)).predicate();
  }
}

function ofSequences(asked: Term, ids: readonly Operand[]): Predicate {
  const values = ids.map((id) => parseEventId(id as string)?.sequence).filter((sequence) => sequence !== undefined);
  return values.length === 0 ? NEVER : all([term(SEQUENCE, { op: 'in', values }), asked]);
}

/** The events that have, or begin with, what a test names, lie from where it is reached to where it is passed. */
interface Ends {
  readonly reached: Reached;
  readonly passed: Reached;
}

function timeEnds(operand: Operand): Ends {
  const ns = isInstant(operand) ? BigInt(operand.ms) * NS_PER_MS : 0n;
  return { reached: (timestampNs) => timestampNs >= ns, passed: (timestampNs) => timestampNs >= ns + NS_PER_MS };
}

function timestampEnds(operand: Operand): Ends {
  const ns = operand as number | bigint;
  return { reached: (timestampNs) => timestampNs >= ns, passed: (timestampNs) => timestampNs > ns };
}

/** @param isPrefix whether the operand is the beginning of what is meant */
function idEnds({ nodeId }: OrderedLog): (operand: Operand, isPrefix: boolean) => Ends {
  return (operand, isPrefix) => {
    const wanted = operand as string;
    const order = (timestampNs: bigint, sequence: number, length?: number): number =>
      compareText(formatEventId(timestampNs, sequence, nodeId).slice(0, length), wanted);
    return {
      reached: (timestampNs, sequence) => order(timestampNs, sequence) >= 0,
      passed: (timestampNs, sequence) => order(timestampNs, sequence, isPrefix ? wanted.length : undefined) > 0,
    };
  };
}

/** A test of what ascends with the sequence. */
class Locator {
  readonly #asked: Term;
  readonly #log: OrderedLog;
  readonly #endsOf: (operand: Operand, isPrefix: boolean) => Ends;

  constructor(asked: Term, log: OrderedLog, endsOf: (operand: Operand, isPrefix: boolean) => Ends) {
    this.#asked = asked;
    this.#log = log;
    this.#endsOf = endsOf;
  }

  async predicate(): Promise<Predicate> {
    const { test } = this.#asked;
    switch (test.op) {
      case 'exists':
        return ALWAYS;
      case 'missing':
        return NEVER;
      case 'gte':
        return this.#from(this.#endsOf(test.value, false).reached);
      case 'gt':
        return this.#from(this.#endsOf(test.value, false).passed);
      case 'lt':
        return this.#before(this.#endsOf(test.value, false).reached);
      case 'lte':
        return this.#before(this.#endsOf(test.value, false).passed);
      case 'eq':
        return this.#between(this.#endsOf(test.value, false));
      case 'ne':
        return this.#around(this.#endsOf(test.value, false));
      case 'prefix':
        return this.#between(this.#endsOf(test.value, true));
      case 'notPrefix':
        return this.#around(this.#endsOf(test.value, true));
      default:
        return this.#list(test);
    }
  }

  async #list({ op, values }: Test & { readonly values: readonly Operand[] }): Promise<Predicate> {
    const ends = values.map((value) => this.#endsOf(value, false));
    if (values.length <= FEW_VALUES) {
      const parts: Predicate[] = [];
      for (const each of ends) parts.push(await (op === 'in' ? this.#between(each) : this.#around(each)));
      return op === 'in' ? any(parts) : all(parts);
    }
    if (op === 'notIn') return this.#asked;
    const reached: Reached = (...event) => ends.some((each) => each.reached(...event));
    const passed: Reached = (...event) => ends.every((each) => each.passed(...event));
    return all([await this.#between({ reached, passed }), this.#asked]);
  }

  async #from(reached: Reached): Promise<Predicate> {
    return term(SEQUENCE, { op: 'gte', value: await this.#log.first(reached) });
  }

  async #before(reached: Reached): Promise<Predicate> {
    return term(SEQUENCE, { op: 'lt', value: await this.#log.first(reached) });
  }

  async #between({ reached, passed }: Ends): Promise<Predicate> {
    return all([await this.#from(reached), await this.#before(passed)]);
  }

  async #around({ reached, passed }: Ends): Promise<Predicate> {
    return any([await this.#before(reached), await this.#from(passed)]);
  }
}
