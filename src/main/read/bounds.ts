/** From bounds as users give them to sequences. */
import { recordTimestampNs } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { formatEventId, parseEventId } from '../../shared/portable/event-id.js';
import type { Bound, Direction, ReadOptions } from '../../shared/portable/log.js';
import type { Records } from './records.js';

/** Sequences from low to high, both inclusive; none if low is above high. */
export interface Range {
  readonly low: number;
  readonly high: number;
  readonly direction: Direction;
}

const NS_PER_MS = 1_000_000n;

/**
 * Check everything about the options that needs no look at the log.
 * @throws ERR_INVALID_QUERY
 */
export function checkReadOptions(
  options: object,
  known: readonly string[],
  bounds: readonly ('from' | 'to' | 'after')[] = ['from', 'to', 'after'],
): void {
  if (typeof options !== 'object' || options === null) throw invalidQuery('options', 'must be an object');
  for (const key of Object.keys(options)) {
    if (!known.includes(key)) throw invalidQuery(key, `is not an option here: ${known.join(', ')}`);
  }
  const { limit, direction, signal, from, after } = options as ReadOptions;
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 0)) {
    throw invalidQuery('limit', 'must be an integer, zero or more');
  }
  if (direction !== undefined && direction !== 'forwards' && direction !== 'backwards') {
    throw invalidQuery('direction', "must be 'forwards' or 'backwards'");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalidQuery('signal', 'must be an AbortSignal');
  if (from !== undefined && after !== undefined)
    throw invalidQuery('after', 'cannot go with from: both say where to begin');
  for (const name of bounds) {
    const bound = (options as ReadOptions)[name];
    if (bound !== undefined) checkBound(bound, name);
  }
}

/**
 * The sequences that the options ask for, in a log that is durable up to a sequence.
 * @throws ERR_NOT_FOUND for an unknown id, ERR_PRUNED below the retention floor, ERR_CORRUPT, ERR_STORAGE
 */
export async function resolveRange(records: Records, durable: number, options: ReadOptions): Promise<Range> {
  const { from, to, after, direction = 'forwards' } = options;
  const forwards = direction === 'forwards';
  const find = (bound: Bound, name: string, edge: 'low' | 'high'): Promise<number> =>
    resolve(records, durable, bound, name, edge);
  let begin: number;
  // Who goes on behind the last event that is gone has missed nothing.
  if (forwards && sequenceIn(after) === records.floor - 1) begin = records.floor;
  else if (after !== undefined) begin = (await find(after, 'after', forwards ? 'high' : 'low')) + (forwards ? 1 : -1);
  else if (from !== undefined) begin = await find(from, 'from', forwards ? 'low' : 'high');
  else begin = forwards ? records.floor : durable;
  const end = to === undefined ? (forwards ? durable : records.floor) : await find(to, 'to', forwards ? 'high' : 'low');
  const low = forwards ? begin : end;
  const high = forwards ? end : begin;
  return { low: Math.max(low, records.floor), high: Math.min(high, durable), direction };
}

function sequenceIn(bound: Bound | undefined): number | undefined {
  if (typeof bound === 'number') return bound;
  return typeof bound === 'string' ? parseEventId(bound)?.sequence : undefined;
}

/** @param edge which end of a millisecond a Date stands for: its first event or its last */
async function resolve(
  records: Records,
  durable: number,
  bound: Bound,
  name: string,
  edge: 'low' | 'high',
): Promise<number> {
  if (bound === 'start') return records.floor;
  if (bound === 'end') return durable;
  if (typeof bound === 'number') {
    if (bound !== 0) records.catalog.start.check(bound);
    return bound;
  }
  if (bound instanceof Date) {
    const from = BigInt(bound.getTime()) * NS_PER_MS;
    return edge === 'low'
      ? firstThat(records, durable, (timestampNs) => timestampNs >= from)
      : (await firstThat(records, durable, (timestampNs) => timestampNs >= from + NS_PER_MS)) - 1;
  }
  const id = parseEventId(bound);
  if (id !== undefined) records.catalog.start.check(id.sequence);
  if (id !== undefined && id.sequence <= durable) {
    const memory = await records.loadOne(id.sequence, durable);
    // Of one that was removed there is nothing left to compare: who has seen it goes on from there.
    if (isRemoved(memory.view, 0)) return id.sequence;
    if (formatEventId(recordTimestampNs(memory.view, 0), id.sequence, records.nodeId) === bound) return id.sequence;
  }
  throw new KeeperError('ERR_NOT_FOUND', `${name} is ${bound}, and there is no durable event with this id`);
}

/** Whether an event has reached something: it, and so all that come after it. */
export type Reached = (timestampNs: bigint, sequence: number) => boolean;

/** The first sequence that has reached something; one after the last if none has. Found by halves, as timestamps ascend. */
export async function firstThat(records: Records, durable: number, reached: Reached): Promise<number> {
  let [low, high] = partAround(records, durable, reached);
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const present = records.holes.skip(middle);
    if (present >= high) {
      high = middle;
      continue;
    }
    // What was removed counts with the time of the last event that was removed with it.
    const { view } = await records.loadOne(present, durable);
    if (reached(recordTimestampNs(view, 0), present)) high = middle;
    else low = present + 1;
  }
  return low;
}

/** The part of the log in which the first event is that has, from one sequence to before another: by headers in memory. */
function partAround(
  { catalog, floor, holes }: Records,
  durable: number,
  reached: Reached,
): [low: number, high: number] {
  const { segments } = catalog;
  let low = 0;
  let high = Math.max(0, segments.length - 1);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { next } = segments[middle]!.blocks;
    // Of the last one nothing is told.
    if (next === undefined || reached(next.previousTimestampNs, holes.skipBack(next.firstSequence - 1))) high = middle;
    else low = middle + 1;
  }
  const segment = segments[low];
  const end = segment?.blocks.next?.firstSequence ?? durable + 1;
  // What is before the first one there is, is lost: whoever comes to it is told.
  return [low === 0 ? floor : segment!.firstSequence, Math.min(end, durable + 1)];
}

function checkBound(bound: Bound, name: string): void {
  if (typeof bound === 'number') {
    if (Number.isSafeInteger(bound) && bound >= 0) return;
    throw invalidQuery(name, 'must be a sequence, zero or more');
  }
  if (bound instanceof Date) {
    if (!Number.isNaN(bound.getTime())) return;
    throw invalidQuery(name, 'is an invalid date');
  }
  if (bound === 'start' || bound === 'end') return;
  if (typeof bound === 'string' && parseEventId(bound) !== undefined) return;
  throw invalidQuery(name, "must be a sequence, an id, a Date, 'start' or 'end'");
}

export function invalidQuery(path: string, what: string): KeeperError {
  return new KeeperError('ERR_INVALID_QUERY', `${path} ${what}`, { path });
}

/** What an id, or a sequence, names: 0 is none. */
export function namedSequence(idOrSequence: string | number): number {
  const sequence = typeof idOrSequence === 'string' ? parseEventId(idOrSequence)?.sequence : idOrSequence;
  if (Number.isSafeInteger(sequence) && sequence! >= 0) return sequence!;
  throw invalidQuery('id', 'must be an id or a sequence');
}

/** @throws ERR_INVALID_QUERY where it is not the name of a single stream */
export function checkStream(stream: unknown): void {
  if (typeof stream !== 'string' || stream === '') throw invalidQuery('stream', 'must be the name of a stream');
  if (stream.includes('*')) throw invalidQuery('stream', 'must be the name of a single stream: read() takes patterns');
}
