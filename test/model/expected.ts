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

/** Rows, the highest sequence that was looked at for them, and whether the limit has cut some off; or why there are none. */
export type Expected<T = Entry> =
  | { readonly rows: readonly T[]; readonly high: number; readonly cut: boolean }
  | { readonly code: string };

/** What is left of a log whose tombstones are all durable. */
export function seen(log: readonly Entry[]): readonly Entry[] {
  const tombstones = new Map(
    log.filter(({ tombstone }) => tombstone).map(({ stream, sequence }) => [stream, sequence]),
  );
  return log.filter(({ stream, sequence }) => sequence >= (tombstones.get(stream) ?? 0));
}

const MAX = Number.POSITIVE_INFINITY;

export function expectedRead(
  log: readonly Entry[],
  selector: Selector | readonly Selector[],
  options: ReadOptions,
): Expected {
  const { direction = 'forwards', limit = MAX, from, to, after } = options;
  const forwards = direction === 'forwards';
  const find = (bound: Bound, edge: 'first' | 'last'): number => sequenceOf(log, bound, edge);
  let begin = forwards ? 1 : log.length;
  let end = forwards ? log.length : 1;
  if (from !== undefined) begin = find(from, forwards ? 'first' : 'last');
  if (after !== undefined) begin = forwards ? find(after, 'last') + 1 : find(after, 'first') - 1;
  if (to !== undefined) end = find(to, forwards ? 'last' : 'first');
  if (Number.isNaN(begin) || Number.isNaN(end)) return { code: 'ERR_NOT_FOUND' };
  const [low, high] = forwards ? [begin, end] : [end, begin];
  const any = (Array.isArray(selector) ? selector : [selector]) as Selector[];
  const rows = seen(log).filter(
    (entry) => entry.sequence >= low && entry.sequence <= high && any.some((one) => selects(one, entry)),
  );
  if (!forwards) rows.reverse();
  return { rows: rows.slice(0, limit), high: Math.min(high, log.length), cut: rows.length > limit };
}

export function expectedStream(log: readonly Entry[], stream: string, options: ReadStreamOptions): Expected {
  const { direction = 'forwards', limit = MAX, fromRevision, toRevision } = options;
  const forwards = direction === 'forwards';
  const lowest = (forwards ? fromRevision : toRevision) ?? 0;
  const highest = (forwards ? toRevision : fromRevision) ?? MAX;
  const rows = seen(log).filter((e) => e.stream === stream && e.revision >= lowest && e.revision <= highest);
  if (!forwards) rows.reverse();
  return { rows: rows.slice(0, limit), high: log.length, cut: rows.length > limit };
}

export function expectedStreams(log: readonly Entry[], options: StreamsOptions): readonly StreamInfo[] {
  const { prefix = '', after, limit = MAX } = options;
  const left = seen(log);
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

/** The sequence that a bound stands for; NaN for an id that is not there. */
function sequenceOf(log: readonly Entry[], bound: Bound, edge: 'first' | 'last'): number {
  if (bound === 'start') return 1;
  if (bound === 'end') return log.length;
  if (typeof bound === 'number') return bound;
  if (typeof bound === 'string') return log.find(({ id }) => id === bound)?.sequence ?? Number.NaN;
  const ms = bound.getTime();
  return edge === 'first'
    ? log.filter((entry) => timeOf(entry) < ms).length + 1
    : log.filter((entry) => timeOf(entry) <= ms).length;
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
