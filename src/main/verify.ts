/**
 * Reading the whole log back, and checking everything that can be checked: the frames of each segment in the pool, several
 * segments at a time; here what lies between them, and revisions over all of them.
 */
import path from 'node:path';
import { lostSegment } from '../shared/damage.js';
import { segmentFile } from '../shared/format/file-names.js';
import { sameChecksum } from '../shared/format/frame.js';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '../shared/format/segment.js';
import { type Hole, Holes } from '../shared/holes.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import { RemovedSequences } from '../shared/removed-sequences.js';
import { revisionGap } from '../shared/revision-gap.js';
import {
  type FramesVerified,
  type SealedWork,
  SPAN_NUMBERS,
  type StreamSpans,
  type Verified,
} from '../shared/seal-tasks.js';
import { HashTable } from './append/hash-table.js';
import type { Segment } from './read/catalog.js';
import type { Records } from './read/records.js';
import { type Pool, withTries } from './seal/pool.js';
import type { VerifyOptions, VerifyReport } from './store-types.js';
import { problemOfIndex } from './verify-index.js';
import { problemOf, unreadFrames } from './verify-problem.js';

export interface VerifyParts {
  readonly records: Records;
  readonly pool: Pool;
  /** So many segments are looked at at once. */
  readonly threads: number;
  /** The same for every segment. */
  readonly work: Omit<SealedWork, 'number'>;
  /** Told of each tombstone that verifies, in the order of the log. */
  onTombstone(stream: string, sequence: number): void;
  /** Throws once the store is closed. */
  checkOpen(): void;
}

/** What the log is like. */
export interface LogChecked {
  readonly report: VerifyReport;
  /** The last sequence that is known to have been removed, by compaction or retention; zero where none is. */
  readonly lastRemoved: number;
}

/** Check the log up to its durable end. What is wrong is in the report; only an abort, and the end of the store, are thrown. */
export async function verifyLog(parts: VerifyParts, options: VerifyOptions): Promise<LogChecked> {
  const { records, threads } = parts;
  const check = new LogCheck(parts, options, records.durable());
  check.lostFirst();
  const waiting = check.due();
  const lease = records.lease();
  const underWay: { segment: Segment; verified: Promise<FramesVerified[]> }[] = [];
  try {
    for (;;) {
      while (underWay.length < threads && waiting.length > 0) {
        const segment = waiting.shift()!;
        const verified = check.segment(segment);
        verified.catch(() => undefined); // it is told when its turn comes
        underWay.push({ segment, verified });
      }
      const next = underWay.shift();
      if (next === undefined) return { report: check.report(), lastRemoved: check.lastRemoved };
      lease.moveTo(next.segment.firstSequence);
      check.join(next.segment, await next.verified);
      const index = await problemOfIndex(records.catalog, next.segment, options.signal);
      if (index !== undefined) check.add(index);
    }
  } finally {
    check.end();
    await Promise.allSettled(underWay.map(({ verified }) => verified));
    lease.end();
  }
}

class LogCheck {
  readonly #parts: VerifyParts;
  readonly #options: VerifyOptions;
  readonly #durable: number;
  #revisions = new HashTable();
  readonly #problems: Problem[] = [];
  /** Sequences of which nothing verifies. */
  readonly #lost: Hole[] = [];
  /** Of what was joined so far, the first and the last sequence of each part that compaction has removed. */
  readonly #removed = new RemovedSequences();
  readonly #totalBytes: number;
  #segments = 0;
  #events = 0;
  #bytes = 0;
  /** Of what was joined so far. */
  #end: Verified;
  #timestampNs = 0n;
  #ended = false;

  constructor(parts: VerifyParts, options: VerifyOptions, durable: number) {
    this.#parts = parts;
    this.#options = options;
    this.#durable = durable;
    this.#end = { offset: 0, sequence: parts.records.floor, previous: undefined };
    this.#totalBytes = parts.records.catalog.totalBytes();
  }

  /** There is no more to do. */
  end(): void {
    this.#ended = true;
  }

  get lastRemoved(): number {
    return Math.max(this.#parts.records.floor - 1, this.#removed.ends[1] ?? 0);
  }

  report(): VerifyReport {
    const { catalog, floor, holes } = this.#parts.records;
    const next = this.#end.sequence;
    if (next <= this.#durable && this.#problems.length === 0) {
      const file = catalog.segments.at(-1)?.file ?? path.join(this.#parts.work.dir, segmentFile(1));
      this.#damage('the log ends before its durable end', file, 0, next, this.#durable);
    }
    return {
      ok: this.#problems.length === 0,
      segments: this.#segments,
      events: this.#events,
      bytes: this.#bytes,
      holes: holes.missing(floor, this.#durable),
      problems: this.#problems,
    };
  }

  /** The first segment, where it is lost. */
  lostFirst(): void {
    const { catalog, floor } = this.#parts.records;
    if (catalog.lostFirst === undefined) return;
    this.#lack(catalog.lostFirst, floor, Math.min(this.#durable, (catalog.segments[0]?.firstSequence ?? Infinity) - 1));
  }

  /** The segments that are not going, and were begun by when the durable end was asked for, oldest first. */
  due(): Segment[] {
    const { catalog, holes } = this.#parts.records;
    const next = holes.skip(this.#durable + 1);
    return catalog.segments.filter((one) => !catalog.start.isBehind(one) && one.firstSequence <= next);
  }

  /** The frames of a segment, by themselves. */
  async segment(segment: Segment): Promise<FramesVerified[]> {
    const { pool, work, records } = this.#parts;
    const part = {
      firstSequence: segment.firstSequence,
      lastSequence: records.catalog.lastSequenceOf(segment, this.#durable),
      lostBehind: segment.blocks.lostBehind !== undefined,
      deep: this.#options.deep === true,
    };
    this.#segments++;
    const verified: FramesVerified[] = [];
    try {
      for (let from: Verified | undefined; !this.#ended; ) {
        this.#checkSignal();
        const task = { kind: 'verify', ...work, number: segment.number, part: { ...part, from } } as const;
        const next = await withTries(() => pool.run(task)).catch((error: unknown) =>
          this.#unreadable(error, segment, from, part.lastSequence),
        );
        this.#parts.checkOpen();
        if (next === undefined) return [];
        verified.push(next);
        this.#events += next.events;
        this.#bytes += next.bytes;
        if (part.lastSequence >= part.firstSequence) this.#tell();
        if (!next.goesOn) break;
        from = next.to;
      }
    } catch (error) {
      this.end(); // the others need not go on
      throw error;
    }
    return verified;
  }

  /** Put a segment behind those that were joined before it. */
  join(segment: Segment, verified: readonly FramesVerified[]): void {
    const [first] = verified;
    const last = verified.at(-1);
    if (first === undefined || last === undefined) return this.#forget();
    if (first.header !== undefined) this.#checkChain(segment, first.file, first.header);
    for (const part of verified) {
      this.#checkTime(part);
      this.#problems.push(...part.problems);
      this.#lost.push(...part.lost);
      for (const sequence of part.removed) this.#removed.add(sequence, sequence);
      for (const [stream, sequence] of part.tombstones) this.#parts.onTombstone(stream, sequence);
      if (part.streams !== undefined) this.#checkRevisions(part.file, part.streams);
    }
    const lastSequence = this.#parts.records.catalog.lastSequenceOf(segment, this.#durable);
    const { lostBehind } = segment.blocks;
    const isWhole = last.to.sequence > lastSequence;
    if (lostBehind !== undefined && !isWhole) this.#lack(lostBehind, last.to.sequence, lastSequence);
    // Whether the next one continues it cannot be told where its own end was not found.
    this.#end = isWhole ? last.to : { ...last.to, previous: undefined };
  }

  /** A segment has gone meanwhile, and with it what was before: nothing that follows goes on from there. */
  #forget(): void {
    this.#revisions = new HashTable();
    this.#end = { ...this.#end, previous: undefined };
  }

  #checkChain(segment: Segment, file: string, header: SegmentHeader): void {
    const { catalog, holes } = this.#parts.records;
    const before = catalog.segments[catalog.segments.indexOf(segment) - 1];
    // It says nothing of one that is not the one before it.
    if (before === undefined || before.blocks.lostBehind !== undefined) return;
    const { offset, sequence, previous } = this.#end;
    if (previous === undefined) return;
    const first = holes.skip(header.firstSequence);
    const follows = header.previousBytes === offset && sameChecksum(header.previous, previous);
    if (!follows && !holes.beginsAnew(first)) {
      this.#damage('the segment does not continue the one before it', file, 0);
    } else if (first !== sequence) {
      this.#damage('sequences are missing before the segment', file, 0);
    }
  }

  #checkTime({ file, first, lastTimestampNs }: FramesVerified): void {
    if (first === undefined) return;
    const { timestampNs, sequence, offset } = first;
    if (timestampNs <= this.#timestampNs) {
      this.#damage(`the timestamp of sequence ${sequence} does not increase`, file, offset, sequence, sequence);
    }
    this.#timestampNs = lastTimestampNs;
  }

  #checkRevisions(file: string, { hashes, numbers }: StreamSpans): void {
    const { floor, holes } = this.#parts.records;
    const missing = [holes, new Holes(this.#lost), this.#removed];
    for (let i = 0; i * 4 < hashes.length; i++) {
      const hash = hashes.subarray(i * 4, i * 4 + 4);
      const [firstRevision, firstSequence, lastRevision, lastSequence] = numbers.subarray(i * SPAN_NUMBERS);
      const entry = this.#revisions.find(hash);
      // Where retention has removed events, a stream may begin with any revision.
      const begin = floor > 1 ? firstRevision! - 1 : -1;
      const before = entry === -1 ? begin : this.#revisions.first(entry);
      const since = entry === -1 ? 0 : this.#revisions.second(entry);
      const gap = revisionGap(before, since, firstRevision!, firstSequence!, missing);
      if (gap !== undefined) this.#damage(gap, file, undefined, firstSequence, firstSequence);
      if (entry === -1) this.#revisions.add(hash, lastRevision!, lastSequence!);
      else this.#revisions.update(entry, lastRevision!, lastSequence!);
    }
  }

  /** A file that cannot be read is a finding as well, and ends its segment; undefined where the log has no such segment any more. */
  #unreadable(
    error: unknown,
    segment: Segment,
    from: Verified | undefined,
    lastSequence: number,
  ): FramesVerified | undefined {
    this.#parts.checkOpen();
    if (!isKeeperError(error)) throw error;
    const { catalog } = this.#parts.records;
    catalog.follow();
    if (catalog.start.isBehind(segment)) return undefined;
    const code = error.code === 'ERR_CORRUPT' || error.code === 'ERR_UNSUPPORTED_FORMAT' ? error.code : 'ERR_STORAGE';
    const { file = segment.file, offset } = isKeeperError(error, 'ERR_CORRUPT') ? error : {};
    const sequence = from?.sequence ?? this.#parts.records.holes.skip(segment.firstSequence);
    const problem = problemOf(code, error.message, file, offset, sequence, lastSequence);
    return unreadFrames(problem, from ?? { offset: SEGMENT_HEADER_BYTES, sequence, previous: undefined });
  }

  add(problem: Problem): void {
    this.#problems.push(problem);
  }

  #checkSignal(): void {
    const { signal } = this.#options;
    if (signal?.aborted === true) throw aborted(signal, 'the verification');
  }

  #tell(): void {
    this.#options.onProgress?.({
      segments: this.#segments,
      events: this.#events,
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
    });
  }

  #lack(file: string, firstSequence: number, lastSequence: number): void {
    this.#lost.push([firstSequence, lastSequence]);
    this.#damage(lostSegment(file, firstSequence, lastSequence).message, file, 0, firstSequence, lastSequence);
  }

  #damage(message: string, file: string, offset?: number, firstSequence?: number, lastSequence?: number): void {
    this.#problems.push(problemOf('ERR_CORRUPT', message, file, offset, firstSequence, lastSequence));
  }
}
