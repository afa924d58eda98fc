/** Reading the whole log back, and checking everything that can be checked. */
import path from 'node:path';
import { lostSegment } from '../shared/damage.js';
import { PlaceHasher } from '../shared/format/checksum.js';
import { segmentFile } from '../shared/format/file-names.js';
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  NO_FRAME,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
} from '../shared/format/frame.js';
import { NameHasher } from '../shared/format/name-hash.js';
import { decodePayload, PAYLOAD } from '../shared/format/payload.js';
import {
  memoryOf,
  recordDataCodec,
  recordLength,
  recordParts,
  recordRevision,
  recordSequence,
  recordTimestampNs,
  verifyRecord,
} from '../shared/format/record.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../shared/format/segment.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import { HashTable } from './append/hash-table.js';
import type { Segment } from './read/catalog.js';
import type { Records } from './read/records.js';
import type { Steps } from './read/segment-blocks.js';
import type { Problem, VerifyOptions, VerifyReport } from './store-types.js';
import { problemOf } from './verify-problem.js';

/** Read at once, unless a frame is larger. Unit: bytes. */
const CHUNK_BYTES = 1024 * 1024;

interface Context {
  readonly records: Records;
  readonly storeId: Uint8Array;
  readonly dir: string;
  readonly options: VerifyOptions;
}

/** Check the log up to its durable end. What is wrong is in the report; only an abort is thrown. */
export async function verifyLog(context: Context): Promise<VerifyReport> {
  const { records, storeId, options } = context;
  const durable = records.durable();
  const hasher = await PlaceHasher.create(storeId);
  // The hash only tells streams apart here: any key will do.
  const names = options.deep === true ? await NameHasher.create(Buffer.alloc(32)) : undefined;
  const check = new LogCheck(context, hasher, durable, names);
  check.lostFirst();
  const lease = records.lease();
  try {
    for (const segment of records.catalog.segments) {
      lease.moveTo(segment.firstSequence);
      await check.whole(segment);
    }
  } finally {
    lease.end();
  }
  return check.report();
}

class LogCheck {
  readonly #context: Context;
  readonly #hasher: PlaceHasher;
  readonly #durable: number;
  readonly #names: NameHasher | undefined;
  readonly #revisions = new HashTable();
  readonly #problems: Problem[] = [];
  readonly #totalBytes: number;
  #segments = 0;
  #events = 0;
  #bytes = 0;
  /** Of the last frame that verified, and where it ended. */
  #lastFrame: Uint8Array = NO_FRAME;
  #lastEnd = 0;
  #sequence: number;
  #timestampNs = 0n;

  constructor(context: Context, hasher: PlaceHasher, durable: number, names: NameHasher | undefined) {
    this.#context = context;
    this.#hasher = hasher;
    this.#durable = durable;
    this.#names = names;
    this.#sequence = context.records.floor - 1;
    this.#totalBytes = context.records.catalog.totalBytes();
  }

  report(): VerifyReport {
    if (this.#sequence < this.#durable && this.#problems.length === 0) {
      const segment = this.#context.records.catalog.segments.at(-1);
      const file = segment?.file ?? path.join(this.#context.dir, segmentFile(1));
      this.problem('ERR_CORRUPT', 'the log ends before its durable end', file, 0, this.#sequence + 1, this.#durable);
    }
    return {
      ok: this.#problems.length === 0,
      segments: this.#segments,
      events: this.#events,
      bytes: this.#bytes,
      holes: this.#context.records.holes.missing(this.#context.records.floor, this.#durable),
      problems: this.#problems,
    };
  }

  problem(...about: Parameters<typeof problemOf>): void {
    this.#problems.push(problemOf(...about));
  }

  /** The first segment, where it is lost. */
  lostFirst(): void {
    const { catalog, floor } = this.#context.records;
    if (catalog.lostFirst === undefined) return;
    this.#lost(catalog.lostFirst, floor, Math.min(this.#durable, (catalog.segments[0]?.firstSequence ?? Infinity) - 1));
  }

  #lost(file: string, firstSequence: number, lastSequence: number): void {
    this.problem(
      'ERR_CORRUPT',
      lostSegment(file, firstSequence, lastSequence).message,
      file,
      0,
      firstSequence,
      lastSequence,
    );
  }

  async whole(segment: Segment): Promise<void> {
    try {
      await this.#context.records.catalog.run(segment, this.#segment(segment));
    } catch (error) {
      // What was removed since is no part of the log any more.
      if (isKeeperError(error, 'ERR_PRUNED')) return;
      if (!isKeeperError(error) || error.code === 'ERR_ABORTED') throw error;
      this.problem('ERR_STORAGE', error.message, segment.file);
    }
  }

  /** One segment: header, chain, frames, records. */
  *#segment(segment: Segment): Steps<void> {
    const { records, storeId } = this.#context;
    const last = records.catalog.lastSequenceOf(segment, this.#durable);
    this.#segments++;
    const bytes = yield { offset: 0, length: SEGMENT_HEADER_BYTES };
    const found = decodeSegmentHeader(bytes, segment.number, storeId, this.#hasher);
    if (found.kind !== 'valid') {
      this.problem('ERR_CORRUPT', 'the segment has no valid header', segment.file, 0, segment.firstSequence, last);
    } else {
      this.#checkChain(segment, found.header);
      this.#lastFrame = segment.number === 1 ? NO_FRAME : found.header.previous;
    }
    this.#sequence = records.holes.skip(segment.firstSequence) - 1;
    this.#lastEnd = SEGMENT_HEADER_BYTES;
    this.#bytes += SEGMENT_HEADER_BYTES;
    while (this.#sequence < last) {
      const signal = this.#context.options.signal;
      if (signal?.aborted === true) throw aborted(signal, 'the verification');
      if (!(yield* this.#chunk(segment, last))) return;
      this.#context.options.onProgress?.({
        segments: this.#segments,
        events: this.#events,
        bytes: this.#bytes,
        totalBytes: this.#totalBytes,
      });
    }
  }

  #checkChain(segment: Segment, header: SegmentHeader): void {
    const { catalog, holes } = this.#context.records;
    const before = catalog.segments[catalog.segments.indexOf(segment) - 1];
    // It says nothing of one that is not the one before it.
    if (before === undefined || before.blocks.lostBehind !== undefined) return;
    const first = holes.skip(header.firstSequence);
    const follows = header.previousBytes === this.#lastEnd && sameChecksum(header.previous, this.#lastFrame);
    if (!follows && !holes.beginsAnew(first)) {
      this.problem('ERR_CORRUPT', 'the segment does not continue the one before it', segment.file, 0);
    } else if (first !== this.#sequence + 1) {
      this.problem('ERR_CORRUPT', 'sequences are missing before the segment', segment.file, 0);
    }
  }

  /** As many frames as one read brings. Returns whether to go on. */
  *#chunk(segment: Segment, last: number): Steps<boolean> {
    const offset = this.#lastEnd;
    let bytes = yield { offset, length: CHUNK_BYTES };
    let frame = this.#header(segment, bytes, 0);
    if (frame !== undefined && FRAME_HEADER_BYTES + frame.bodyBytes > bytes.length) {
      bytes = yield { offset, length: FRAME_HEADER_BYTES + frame.bodyBytes };
    }
    let at = 0;
    while (this.#sequence < last) {
      frame = this.#header(segment, bytes, at);
      if (frame === undefined && at > 0 && bytes.length - at < FRAME_HEADER_BYTES) break;
      if (frame === undefined || frame.firstSequence !== this.#sequence + 1) {
        this.#brokenOff(segment, offset + at, isBlank(bytes.subarray(at, at + FRAME_HEADER_BYTES)), last);
        return false;
      }
      const end = at + FRAME_HEADER_BYTES + frame.bodyBytes;
      if (end > bytes.length && at > 0) break;
      this.#frame(segment, bytes, at, frame, offset);
      at = end;
    }
    this.#lastEnd = offset + at;
    this.#bytes += at;
    return at > 0;
  }

  /** No frame continues a segment. Where another is lost behind it, it may just have ended. */
  #brokenOff(segment: Segment, offset: number, blank: boolean, last: number): void {
    const { lostBehind } = segment.blocks;
    const first = this.#sequence + 1;
    if (lostBehind === undefined || !blank) {
      this.problem('ERR_CORRUPT', 'no frame continues the log here', segment.file, offset, first, last);
    }
    if (lostBehind !== undefined) this.#lost(lostBehind, first, last);
  }

  #frame(segment: Segment, bytes: Buffer, at: number, frame: FrameHeader, offset: number): void {
    const lastSequence = frame.firstSequence + frame.count - 1;
    const report = (message: string): void =>
      this.problem('ERR_CORRUPT', message, segment.file, offset + at, frame.firstSequence, lastSequence);
    const { holes } = this.#context.records;
    if (!sameChecksum(frame.previous, this.#lastFrame) && !holes.beginsAnew(frame.firstSequence)) {
      report('the frame does not follow the one before it');
    }
    const whole = at + FRAME_HEADER_BYTES + frame.bodyBytes <= bytes.length;
    if (!whole || !verifyFrameBody(bytes, at, frame, this.#hasher, segment.number)) report('the frame does not verify');
    else this.#records(bytes, at + FRAME_HEADER_BYTES, frame, report);
    this.#lastFrame = frame.checksum;
    this.#sequence = holes.skip(lastSequence + 1) - 1;
  }

  #records(bytes: Buffer, start: number, frame: FrameHeader, report: (message: string) => void): void {
    const { view } = memoryOf(bytes);
    const end = start + frame.bodyBytes;
    let sequence = frame.firstSequence;
    for (let at = start; at < end; at += recordLength(view, at)) {
      if (!verifyRecord(bytes, view, at, end, this.#context.records.seed)) {
        report(`the record of sequence ${sequence} does not verify`);
        return;
      }
      if (recordSequence(view, at) !== sequence) {
        report(`sequence ${recordSequence(view, at)} stands where ${sequence} is expected`);
        return;
      }
      const timestampNs = recordTimestampNs(view, at);
      if (timestampNs <= this.#timestampNs) report(`the timestamp of sequence ${sequence} does not increase`);
      this.#timestampNs = timestampNs;
      if (this.#names !== undefined) this.#deep(bytes, view, at, this.#names, report);
      sequence++;
      this.#events++;
    }
    if (sequence !== frame.firstSequence + frame.count) report(`the frame has fewer records than it says`);
  }

  /** Payloads decode, and revisions have no gap. */
  #deep(bytes: Buffer, view: DataView, at: number, names: NameHasher, report: (message: string) => void): void {
    const sequence = recordSequence(view, at);
    const parts = recordParts(view, at);
    try {
      decodePayload(recordDataCodec(view, at), bytes, parts.data, parts.end);
      if (parts.metadata !== parts.data) decodePayload(PAYLOAD.msgpack, bytes, parts.metadata, parts.data);
    } catch (error) {
      report(`the payload of sequence ${sequence} does not decode: ${(error as Error).message}`);
    }
    const hash = names.hash(bytes.toString('utf8', parts.stream, parts.type));
    const revision = recordRevision(view, at);
    const entry = this.#revisions.find(hash);
    // Where retention has removed events, a stream may begin with any revision.
    const first = this.#context.records.floor > 1 ? revision : 0;
    const expected = entry === -1 ? first : this.#revisions.first(entry) + 1;
    const since = entry === -1 ? 0 : this.#revisions.second(entry);
    const isLost = revision > expected && this.#context.records.holes.isBetween(since, sequence);
    if (revision !== expected && !isLost) {
      report(`sequence ${sequence} has revision ${revision} where ${expected} is expected`);
    }
    if (entry === -1) this.#revisions.add(hash, revision, sequence);
    else this.#revisions.update(entry, revision, sequence);
  }

  #header(segment: Segment, bytes: Buffer, at: number): FrameHeader | undefined {
    try {
      return readFrameHeader(bytes, memoryOf(bytes).view, at, this.#hasher, segment.number);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.problem('ERR_UNSUPPORTED_FORMAT', error.message, segment.file, at);
      return undefined;
    }
  }
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
