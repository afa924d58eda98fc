/** What reads of a log return that is durable up to some event: plain filters over the model's list. */
import {
  type Bound,
  parseEventId,
  type ReadOptions,
  type ReadStreamOptions,
  type Selector,
  type StreamInfo,
  type StreamsOptions,
} from '../../dist/main/index.js';
import type { Entry } from './model.js';

/** A log as somebody sees it: durable up to its end, and without what retention has removed, below its floor. */
export interface View {
  readonly log: readonly Entry[];
  readonly floor: number;
}

/** Rows, the highest sequence that was looked at for them, and whether the limit has cut some off; or why they end before. */
export type Expected<T = Entry> =
  | { readonly rows: readonly T[]; readonly high: number; readonly cut: boolean }
  | {
      readonly code: string;
      /** What comes before that. */
      readonly before?: readonly T[];
    };

/** What is left of a log whose tombstones are all durable. */
export function seen({ log, floor }: View): readonly Entry[] {
  const tombstones = new Map(
    log.filter(({ tombstone }) => tombstone).map(({ stream, sequence }) => [stream, sequence]),
  );
  return log.filter(({ stream, sequence }) => sequence >= Math.max(floor, tombstones.get(stream) ?? 0));
}

const MAX = Number.POSITIVE_INFINITY;

export function expectedRead(view: View, selector: Selector | readonly Selector[], options: ReadOptions): Expected {
  const { log, floor } = view;
  const { direction = 'forwards', limit = MAX, from, to, after } = options;
  const forwards = direction === 'forwards';
  const find = (bound: Bound, edge: 'first' | 'last'): number | string => sequenceOf(view, bound, edge);
  let begin: number | string = forwards ? floor : log.length;
  if (from !== undefined) begin = find(from, forwards ? 'first' : 'last');
  // Who has seen the last event that is gone has missed nothing.
  if (forwards && after !== undefined && named(after) === floor - 1) begin = floor;
  else if (after !== undefined) begin = beside(find(after, forwards ? 'last' : 'first'), forwards ? 1 : -1);
  if (typeof begin === 'string') return { code: begin };
  let end: number | string = forwards ? log.length : floor;
  if (to !== undefined) end = find(to, forwards ? 'last' : 'first');
  if (typeof end === 'string') return { code: end };
  const [low, high] = forwards ? [begin, end] : [end, begin];
  const any = (Array.isArray(selector) ? selector : [selector]) as Selector[];
  const rows = seen(view).filter(
    (entry) => entry.sequence >= low && entry.sequence <= high && any.some((one) => selects(one, entry)),
  );
  if (!forwards) rows.reverse();
  return { rows: rows.slice(0, limit), high: Math.min(high, log.length), cut: rows.length > limit };
}

export function expectedStream(view: View, stream: string, options: ReadStreamOptions): Expected {
  const { log, floor } = view;
  const { direction = 'forwards', limit = MAX, fromRevision, toRevision } = options;
  const forwards = direction === 'forwards';
  const asked = forwards ? fromRevision : toRevision;
  const highest = (forwards ? toRevision : fromRevision) ?? MAX;
  const rows = seen(view).filter((e) => e.stream === stream && e.revision >= (asked ?? 0) && e.revision <= highest);
  if (!forwards) rows.reverse();
  const own = log.filter((entry) => entry.stream === stream);
  const gone = own.findLast(({ sequence }) => sequence < floor)?.revision ?? -1;
  // What was deleted is not there, and that is all.
  const isDeleted = (own.findLast(({ tombstone }) => tombstone)?.sequence ?? 0) >= floor;
  const isGone = asked !== undefined && asked <= Math.min(gone, highest) && !isDeleted;
  // Backwards that is come to behind all that there is.
  if (isGone && (forwards ? limit > 0 : rows.length < limit))
    return { code: 'ERR_PRUNED', before: forwards ? [] : rows };
  return { rows: rows.slice(0, limit), high: log.length, cut: rows.length > limit };
}

export function expectedStreams(view: View, options: StreamsOptions): readonly StreamInfo[] {
  const { prefix = '', after, limit = MAX } = options;
  const left = seen(view);
  // One that ends with its tombstone is not there.
  const isThere = (name: string): boolean => left.findLast(({ stream }) => stream === name)?.tombstone === false;
  const names = [...new Set(left.map(({ stream }) => stream))].filter(isThere).sort();
  return names
    .filter((name) => name.startsWith(prefix) && (after === undefined || name > after))
    .slice(0, limit)
    .map((stream) => {
      const own = left.filter((entry) => entry.stream === stream);
      const last = own.at(-1)!;
      return { stream, revision: last.revision, firstSequence: own[0]!.sequence, lastSequence: last.sequence };
    });
}

/** The sequence that a bound stands for; the code of an error where it stands for none. */
function sequenceOf({ log, floor }: View, bound: Bound, edge: 'first' | 'last'): number | string {
  if (bound === 'start') return floor;
  if (bound === 'end') return log.length;
  if (bound instanceof Date) {
    const ms = bound.getTime();
    const left = log.slice(floor - 1);
    return edge === 'first'
      ? left.filter((entry) => timeOf(entry) < ms).length + floor
      : left.filter((entry) => timeOf(entry) <= ms).length + floor - 1;
  }
  const sequence = named(bound)!;
  if (sequence > 0 && sequence < floor) return 'ERR_PRUNED';
  if (typeof bound === 'number') return bound;
  return log.find(({ id }) => id === bound)?.sequence ?? 'ERR_NOT_FOUND';
}

/** The sequence that a bound names. */
function named(bound: Bound): number | undefined {
  if (typeof bound === 'number') return bound;
  return typeof bound === 'string' ? parseEventId(bound)?.sequence : undefined;
}

function beside(found: number | string, step: 1 | -1): number | string {
  return typeof found === 'number' ? found + step : found;
}

/** Milliseconds since 1970. */
export function timeOf({ id }: Entry): number {
  return Number(parseEventId(id!)!.timestampNs / 1_000_000n);
}

export function selects(selector: Selector, entry: Entry): boolean {
  const { streams, types, tags, ...labels } = selector;
  if (listOf(streams)?.some((pattern) => fits(pattern, entry.stream)) === false) return false;
  if (listOf(types)?.some((pattern) => fits(pattern, entry.type)) === false) return false;
  if (listOf(tags)?.every((tag) => entry.tags.includes(tag)) === false) return false;
  return Object.entries(labels).every(([name, value]) => listOf(value)!.includes(entry.metadata[name] as string));
}

function listOf(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value;
}

/** Whether a name fits a pattern in which `*` is any text, but not one that begins with `$`. */
function fits(pattern: string, name: string): boolean {
  if (!pattern.includes('*')) return pattern === name;
  if (pattern.startsWith('*') && name.startsWith('$')) return false;
  const [first, ...parts] = pattern.split('*') as [string, ...string[]];
  if (!name.startsWith(first)) return false;
  let at = first.length;
  const last = parts.pop()!;
  for (const part of parts) {
    const found = name.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return name.length - last.length >= at && name.endsWith(last);
}
