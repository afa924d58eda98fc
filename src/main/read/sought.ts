/** What a read looks for, and what it makes of the records that it finds. */

import { RecordHeader } from '../../shared/decoding/record-header.js';
import type { Filtered, FilterWork } from '../../shared/filter-task.js';
import { type Memory, recordRevision } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { Predicate } from '../../shared/portable/query/predicate.js';
import { type Matcher, matches, matchesName, type ParsedSelector } from '../../shared/portable/selector.js';
import type { Segment } from './catalog.js';
import { bytesOf } from './load-spans.js';
import type { PlaceList, Postings, RecordPlaces, SegmentIndex } from './postings.js';
import { union } from './query/lists.js';
import type { Records } from './records.js';
import { storedEvent } from './stored-event.js';

/** Who looks at records on other threads. */
export interface Pool {
  /** So many threads at most. */
  readonly threads: number;
  /** @throws what the task throws */
  filter(segment: number, work: FilterWork): Promise<Filtered | undefined>;
}

/** What is asked of records on other threads, and who is told what it took. */
export interface Elsewhere {
  readonly pool: Pool;
  readonly predicate: Predicate;
  /** What is left of it where an index has told all that it can. */
  readonly rest: Predicate;
  /** So many more were looked at, of which so many payloads were decoded. */
  onLooked(examined: number, decoded: number): void;
}

/** Records that an index has named, by their places in the segment, ascending. */
export interface Candidates {
  readonly ordinals: Uint32Array;
  /** Whether they are what is looked for, and need not be looked at again. */
  readonly exact: boolean;
  /** Whether they have all that the index can tell of what is looked for. */
  readonly areAllAsked?: boolean;
}

/** Records that need not be looked at. */
export interface Counted {
  /** Take them in. */
  add(): void;
}

/** What is known of a record: nothing, that an index names it and it is looked for, or that it was looked at, and is looked for. */
export type Known = 'unknown' | 'named' | 'matched';

/** A list of what an index has named is no longer than this. */
export const WINDOW_RECORDS = 524_288;

export interface Sought<T> {
  /** Whether an index can leave anything out. */
  readonly isSelective: boolean;
  /** Payload bytes that were decoded so far to decide. */
  readonly decodedBytes: number;
  /** Of so many records an index is asked at a time. */
  readonly windowRecords: number;
  /** Where other threads can look at what an index has named. */
  readonly elsewhere?: Elsewhere | undefined;
  /**
   * The records of a range of a segment that are to be looked at; undefined where an index leaves nothing out. Where it is
   * rejected nothing has changed: it may be asked again of another index.
   */
  candidates(
    segment: Segment,
    index: SegmentIndex,
    low: number,
    high: number,
  ): Promise<Candidates | Counted | undefined>;
  /**
   * The row of a record, undefined where it is not looked for.
   */
  take(memory: Memory, at: number, known: Known): T | undefined;
}

/** The revisions of a single stream, both inclusive. */
export interface Revisions {
  readonly lowest: number;
  readonly highest: number;
}

/** Events that selectors match. */
export class Selected implements Sought<RecordedEvent<any>> {
  readonly decodedBytes = 0;
  readonly windowRecords = WINDOW_RECORDS;
  readonly #records: Records;
  readonly #selectors: readonly ParsedSelector[];
  readonly #revisions: Revisions | undefined;

  /** @param revisions where the selector is a single stream: those that are wanted */
  constructor(records: Records, selectors: readonly ParsedSelector[], revisions?: Revisions) {
    this.#records = records;
    this.#selectors = selectors;
    this.#revisions = revisions;
  }

  get isSelective(): boolean {
    return this.#selectors.length > 0;
  }

  async candidates(segment: Segment, index: SegmentIndex, low: number, high: number): Promise<Candidates> {
    const named = await namedBy(this.#selectors, index, low, high);
    return { ordinals: await this.#narrowed(segment, index, named), exact: areNames(this.#selectors) };
  }

  take(memory: Memory, at: number, known: Known): RecordedEvent<any> | undefined {
    if (known === 'unknown' && this.#selectors.length > 0 && !matches(this.#selectors, new RecordHeader(memory, at))) {
      return undefined;
    }
    return this.#hasRevision(memory, at) ? storedEvent(memory, at, this.#records.nodeId) : undefined;
  }

  /** Of the ascending candidates, those whose revisions are wanted: a stream's revisions are gapless as appended. */
  async #narrowed(segment: Segment, index: SegmentIndex, candidates: Uint32Array): Promise<Uint32Array> {
    const first = candidates[0];
    const records = this.#records;
    // Where events were given up, revisions may be missing too: then each record is looked at.
    if (first === undefined || this.#revisions === undefined || records.holes.list.length > 0) return candidates;
    const { lowest, highest } = this.#revisions;
    const sequence = segment.firstSequence + first;
    const places = await index.recordsAt(candidates.subarray(0, 1));
    const record = places ? await this.#read(segment, places, sequence) : records.copyCached(sequence);
    if (record === undefined || isRemoved(record.view, 0)) return candidates;
    const revision = recordRevision(record.view, 0);
    return candidates.subarray(Math.max(0, lowest - revision), Math.max(0, highest - revision + 1));
  }

  /** The first of some records; undefined where it does not verify: whoever reads it then finds out why. */
  async #read(segment: Segment, { starts, ends }: RecordPlaces, sequence: number): Promise<Memory | undefined> {
    const span = { offset: starts[0]!, end: ends[0]! };
    const memory = await this.#records.loadBytes(segment, bytesOf([span]));
    return segment.blocks.verifies(memory, 0, sequence, this.#records.seed) ? memory : undefined;
  }

  #hasRevision(memory: Memory, at: number): boolean {
    if (this.#revisions === undefined) return true;
    const revision = recordRevision(memory.view, at);
    return revision >= this.#revisions.lowest && revision <= this.#revisions.highest;
  }
}

/** Whether what is named for the selectors is what matches them, and no more: each has a single field. */
function areNames(selectors: readonly ParsedSelector[]): boolean {
  return selectors.every((selector) => Object.keys(selector).length === 1 && (selector.tags?.length ?? 1) === 1);
}

/** The records of a range that may match any of the selectors, ascending: each by its rarest field. */
async function namedBy(
  selectors: readonly ParsedSelector[],
  index: Postings,
  low: number,
  high: number,
): Promise<Uint32Array> {
  const named: Uint32Array[] = [];
  for (const selector of selectors) {
    for (const list of await rarest(selector, index)) named.push(await list.within(low, high));
  }
  return union(named);
}

async function rarest(selector: ParsedSelector, index: Postings): Promise<PlaceList[]> {
  const { streams, types, tags, agent, session, correlationId } = selector;
  const of = (field: PostedField, values: readonly string[]): Promise<PlaceList[]> =>
    Promise.all([...new Set(values)].map((value) => index.ofValue(field, value)));
  const fields: PlaceList[][] = [];
  if (streams !== undefined) fields.push(await matching('stream', streams, index));
  if (types !== undefined) fields.push(await matching('type', types, index));
  for (const tag of tags ?? []) fields.push(await of('tags', [tag]));
  if (agent !== undefined) fields.push(await of('agent', agent));
  if (session !== undefined) fields.push(await of('session', session));
  if (correlationId !== undefined) fields.push(await of('correlationId', correlationId));
  const count = (lists: readonly PlaceList[]): number => lists.reduce((sum, list) => sum + list.count, 0);
  return fields.reduce((best, lists) => (count(lists) < count(best) ? lists : best));
}

/** Lists of names, and of what has the beginning of a pattern and fits it. */
function matching(field: PostedField, matchers: readonly Matcher[], index: Postings): Promise<PlaceList[]> {
  return Promise.all(
    matchers.map((matcher) =>
      'value' in matcher
        ? index.ofValue(field, matcher.value)
        : index.ofPrefix(field, matcher.parts[0]!, (value) => matchesName(matcher, value)),
    ),
  );
}
