/** The form of append calls: their members and options, before any event is looked at. */

import { FLAG } from '../shared/format/record.js';
import { invalidEvent } from '../shared/names.js';
import { checkSignal, integer, invalid, parseDurability, refuseUnknown } from '../shared/options.js';
import type { AppendManyOptions, AppendOptions, CallOptions, DeleteOptions, Expect } from '../shared/portable/log.js';
import { type ParsedSelector, parseSelectors } from '../shared/portable/selector.js';
import type { Part } from './append/call.js';
import type { Head } from './append/heads.js';

const CALL_OPTIONS = { durability: true, signal: true };
const MANY_OPTIONS = { ...CALL_OPTIONS, condition: true };
const APPEND_OPTIONS = { ...MANY_OPTIONS, expect: true };
export const ENQUEUE_OPTIONS = { expect: true };
export const APPEND_SYNC_OPTIONS = { expect: true, condition: true, durability: true };
const DELETE_OPTIONS = { ...CALL_OPTIONS, expect: true };
const CONDITION = { match: true, after: true };
const STREAM_APPEND = { stream: true, events: true, expect: true };
/** What is appended to a stream that is deleted. */
const TOMBSTONE = { type: '$tombstone' };

/** Until the part is accepted. */
const NO_HEAD: Head = {
  stream: '',
  bytes: new Uint8Array(0),
  hash: new Uint32Array(4),
  revision: -1,
  lastSequence: 0,
  pending: 0,
  dirty: false,
};

/**
 * An append to one stream.
 * @throws ERR_INVALID_OPTIONS, ERR_INVALID_EVENT
 */
export function appendInput(
  stream: unknown,
  events: unknown,
  options: AppendOptions | undefined,
  known: object = APPEND_OPTIONS,
): Part {
  if (options !== undefined) checkOptions(options, known);
  return toInput(stream, events, options?.expect, '');
}

/** The appends to several streams. Fails as {@link appendInput} does. */
export function appendInputs(appends: unknown, options: AppendManyOptions | undefined): Part[] {
  if (options !== undefined) checkOptions(options, MANY_OPTIONS);
  if (!Array.isArray(appends)) throw invalidEvent('appends', 'must be a list of { stream, events, expect? }');
  const streams = new Set<unknown>();
  return appends.map((append: unknown, i) => {
    const path = `appends[${i}]`;
    if (typeof append !== 'object' || append === null) throw invalidEvent(path, 'must be { stream, events, expect? }');
    refuseUnknown(append, STREAM_APPEND, `${path}.`);
    const { stream, events, expect } = append as Record<string, unknown>;
    if (streams.has(stream))
      throw invalidEvent(`${path}.stream`, `is ${String(stream)} again: a call names a stream once`);
    streams.add(stream);
    return toInput(stream, events, expect, `${path}.`);
  });
}

/** The deletion of a stream. Fails as {@link appendInput} does. */
export function deletionInput(stream: unknown, options: DeleteOptions | undefined): Part {
  if (options !== undefined) checkOptions(options, DELETE_OPTIONS);
  return {
    ...toInput(stream, TOMBSTONE, options?.expect === undefined ? 'exists' : options.expect, ''),
    flags: FLAG.tombstone,
  };
}

/** A condition, checked. */
export interface ParsedCondition {
  readonly selectors: readonly ParsedSelector[];
  readonly after: number;
}

/**
 * The condition of an append, if it has one.
 * @throws ERR_INVALID_OPTIONS, ERR_INVALID_QUERY for what is no selector
 */
export function conditionInput(options: AppendManyOptions | undefined): ParsedCondition | undefined {
  const condition: unknown = options?.condition;
  if (condition === undefined) return undefined;
  if (typeof condition !== 'object' || condition === null) throw invalid('condition', 'must be { match, after? }');
  refuseUnknown(condition, CONDITION, 'condition.');
  const { match, after } = condition as { match?: unknown; after?: unknown };
  if (match === undefined) throw invalid('condition.match', 'must be a selector, or a list of them');
  const selectors = parseSelectors(match, 'condition.match');
  return { selectors, after: integer('condition.after', after, 0, 0, Number.MAX_SAFE_INTEGER) };
}

function toInput(stream: unknown, events: unknown, expect: unknown, prefix: string): Part {
  if (typeof stream !== 'string') throw invalidEvent(`${prefix}stream`, 'must be a string');
  const single = !Array.isArray(events);
  if (!single && events.length === 0)
    throw invalidEvent(`${prefix}events`, 'is empty: an append has one event at least');
  return {
    stream,
    count: single ? 1 : events.length,
    expect: expect === undefined ? 'any' : parseExpect(expect, `${prefix}expect`),
    events,
    single,
    flags: 0,
    path: single ? `${prefix}event` : `${prefix}events`,
    head: NO_HEAD,
    previousRevision: -1,
    previousSequence: 0,
  };
}

function parseExpect(expect: unknown, path: string): Expect {
  if (expect === 'any' || expect === 'none' || expect === 'exists') return expect;
  if (typeof expect === 'number') return integer(path, expect, 0, 0, Number.MAX_SAFE_INTEGER);
  throw invalid(path, "must be a revision, 'any', 'none' or 'exists'");
}

function checkOptions(options: object, known: object): void {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be an object');
  refuseUnknown(options, known, '');
  const { durability, signal } = options as CallOptions;
  parseDurability(durability, 'durability');
  checkSignal(signal);
}
