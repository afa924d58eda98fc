/**
 * Where records are in a raw segment: blocks of whole frames, found by hopping from frame header to frame header, once,
 * and kept in a small table. A block is read in one piece, and its frames are verified before anything in it is decoded.
 *
 * The steps are generators that ask for bytes, so that the same code serves reads that block and reads that do not.
 */

import { lostSegment } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { FRAME_ALIGNMENT, FRAME_HEADER_BYTES, FRAME_MAGIC } from '../../shared/format/frame.js';
import { type Memory, memoryOf } from '../../shared/format/record.js';
import { isRecord } from '../../shared/format/removed-record.js';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import type { Holes } from '../../shared/holes.js';
import { Marks } from './marks.js';
import { recordAt, seekRecord } from './record-place.js';
import type { Run } from './run.js';
import { type Neighbours, SegmentFrames } from './segment-frames.js';

/** Bytes of a segment's file, which the caller of a step reads. Fewer may come at the file's end. */
export interface Wanted {
  readonly offset: number;
  readonly length: number;
  /** Where they are to go, so many; unless given, the caller makes a place for them. */
  readonly into?: Buffer;
  /** Whether they are wanted no longer than until the next step. */
  readonly passing?: boolean;
}

/** Where a record begins, and where what follows it does. Unit: bytes. */
export interface RecordAt {
  readonly offset: number;
  readonly end: number;
}

/** Asks for bytes until it has its result. */
export type Steps<T> = Generator<Wanted, T, Buffer>;

/** A block is closed at this size. A frame larger than that is a block of its own. Unit: bytes. */
const BLOCK_BYTES = 256 * 1024;
/** Memory of a block's place, about. Unit: bytes. */
const PLACE_BYTES = 240;

interface Block extends Neighbours {
  readonly offset: number;
  readonly firstSequence: number;
  /** Whether it is a range that does not verify. */
  readonly gap: boolean;
  /** Once it was read, if all of it verified. */
  marks?: Marks;
}

export class SegmentBlocks {
  readonly number: number;
  readonly firstSequence: number;
  /** The file of the segment behind this one, where that is lost: then what it held is wanted of this one. */
  lostBehind: string | undefined;
  readonly #frames: SegmentFrames;
  readonly #holes: Holes;
  /** Closed blocks; each ends where the next one, or the open end, begins. */
  readonly #blocks: Block[] = [];
  /** Where the next block begins. */
  #endOffset = SEGMENT_HEADER_BYTES;
  #endSequence: number;
  /** Header checksum of the frame before the open end; undefined where that is damaged. */
  #endFrame: Uint8Array | undefined;
  /** The header of the segment after this one, once there is one. */
  #next: SegmentHeader | undefined;
  #bytes = 0;

  /** @param fileOf the file that the segment is in by now */
  constructor(header: SegmentHeader, fileOf: () => string, hasher: PlaceHasher, holes: Holes) {
    this.number = header.number;
    this.firstSequence = header.firstSequence;
    this.#endSequence = header.firstSequence;
    this.#endFrame = header.previous;
    this.#frames = new SegmentFrames(header.number, fileOf, hasher, holes);
    this.#holes = holes;
  }

  /** Memory in use, about. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The log goes on in another segment, whose header says how this one ends. */
  endsBefore(next: SegmentHeader): void {
    this.#next = next;
  }

  /** The header of the segment after this one, once there is one. */
  get next(): SegmentHeader | undefined {
    return this.#next;
  }

  /**
   * The verified records around a sequence of this segment.
   * @param lastSequence the last one of this segment that may be read
   * @throws ERR_CORRUPT where the record does not verify
   */
  *load(sequence: number, lastSequence: number): Steps<Run> {
    if (sequence > lastSequence)
      throw new Error(`sequence ${sequence} is not to be read, the last one is ${lastSequence}`);
    while (sequence >= this.#endSequence) {
      const run = yield* this.#extend(sequence, lastSequence);
      if (run !== undefined) return run;
    }
    const index = this.#indexOf(sequence);
    const block = this.#blocks[index]!;
    const next = this.#blocks[index + 1] ?? { offset: this.#endOffset, firstSequence: this.#endSequence };
    if (block.gap) {
      const last = next.firstSequence - 1;
      const isEnd = next.offset === block.offset;
      if (isEnd && this.lostBehind !== undefined) throw lostSegment(this.lostBehind, block.firstSequence, last);
      throw this.#frames.gap(block.offset, block.firstSequence, last);
    }
    const bytes = yield { offset: block.offset, length: next.offset - block.offset };
    const last = Math.min(lastSequence, next.firstSequence - 1);
    const run = this.#frames.runAround(bytes, block.offset, sequence, last, block);
    const whole = run.firstSequence === block.firstSequence && run.lastSequence === next.firstSequence - 1;
    if (whole && block.marks === undefined) {
      block.marks = new Marks(run, next.offset);
      this.#bytes += block.marks.bytes;
    }
    return run;
  }

  /**
   * One record: a part of its block where that is known, and verified by its own checksum; if it does not verify, or is not
   * known, the whole block.
   * @param seed of the store's record checksums
   * @throws ERR_CORRUPT where the record does not verify
   */
  *loadRecord(sequence: number, lastSequence: number, seed: number): Steps<Memory> {
    const marks = sequence < this.#endSequence ? this.#blocks[this.#indexOf(sequence)]?.marks : undefined;
    if (marks !== undefined) {
      const range = marks.around(sequence);
      const memory = memoryOf(yield { offset: range.offset, length: range.end - range.offset });
      const at = seekRecord(memory, range.sequence, sequence);
      if (isRecord(memory, at, sequence, seed)) return recordAt(memory, at);
    }
    const run = yield* this.load(sequence, lastSequence);
    return recordAt(run.memory, run.at(sequence));
  }

  /** Whether a block is found without looking at others before it. */
  isNear(sequence: number): boolean {
    return sequence <= this.#endSequence;
  }

  /** Whether a record is read without the rest of its block. */
  isMarked(sequence: number): boolean {
    return sequence < this.#endSequence && this.#blocks[this.#indexOf(sequence)]?.marks !== undefined;
  }

  /** One record from where it is said to be; undefined where it is not. */
  *loadPlaced({ offset, end }: RecordAt, sequence: number, seed: number): Steps<Memory | undefined> {
    const memory = memoryOf(yield { offset, length: end - offset });
    return isRecord(memory, 0, sequence, seed) ? recordAt(memory, 0) : undefined;
  }

  /** Bytes of the file, none of them verified. */
  *loadSpan(offset: number, end: number): Steps<Memory> {
    return memoryOf(yield { offset, length: end - offset });
  }

  /** Whether the record of a sequence, or one that stands for it, is at a place, by its own checksum. */
  verifies(memory: Memory, at: number, sequence: number, seed: number): boolean {
    return isRecord(memory, at, sequence, seed);
  }

  /** What is thrown where it is not, at an offset of the segment's file. */
  damaged(offset: number, sequence: number): Error {
    return this.#frames.gap(offset, sequence, sequence);
  }

  /**
   * Look at the next block. Closes it if it is full, and returns its records if the sequence is among them. Another
   * reader may do the same meanwhile: what was found after a wait counts only if the open end has not moved.
   */
  *#extend(sequence: number, lastSequence: number): Steps<Run | undefined> {
    const offset = this.#endOffset;
    const firstSequence = this.#endSequence;
    const before = this.#endFrame;
    let bytes = yield { offset, length: BLOCK_BYTES };
    let header = this.#frames.headerAt(bytes, 0);
    if (header !== undefined && FRAME_HEADER_BYTES + header.bodyBytes > bytes.length) {
      bytes = yield { offset, length: FRAME_HEADER_BYTES + header.bodyBytes };
    }
    let at = 0;
    let next = firstSequence;
    let last = before;
    let cut = false;
    while (header?.firstSequence === next && next <= lastSequence && at < BLOCK_BYTES) {
      const end: number = at + FRAME_HEADER_BYTES + header.bodyBytes;
      if (end > bytes.length) {
        cut = true;
        break;
      }
      at = end;
      next = header.firstSequence + header.count;
      last = header.checksum;
      header = this.#frames.headerAt(bytes, at);
    }
    if (at === 0) {
      yield* this.#closeGap(lastSequence);
      return undefined;
    }
    cut ||= bytes.length >= BLOCK_BYTES && bytes.length - at < FRAME_HEADER_BYTES;
    const damaged = !cut && next <= lastSequence && header?.firstSequence !== next;
    if (cut && header === undefined) {
      header = this.#frames.headerAt(yield { offset: offset + at, length: FRAME_HEADER_BYTES }, 0);
    }
    const follower = header?.firstSequence === next && next <= lastSequence ? header : this.#next;
    // Where the next segment begins with a hole, the frame behind that need not name this one.
    const names = follower?.firstSequence === next && !this.#holes.beginsAnew(this.#holes.skip(next));
    const after = names ? follower.previous : undefined;
    if ((cut || damaged || at >= BLOCK_BYTES) && this.#endOffset === offset) {
      this.#close({ offset, firstSequence, gap: false, before, after });
      this.#endOffset = offset + at;
      this.#endSequence = next;
      this.#endFrame = last;
    }
    if (sequence < firstSequence || sequence >= next) return undefined;
    const around = bytes.subarray(0, at);
    return this.#frames.runAround(around, offset, sequence, Math.min(lastSequence, next - 1), { before, after });
  }

  /** What begins at the open end does not verify: find where it ends, and remember it as a gap. */
  *#closeGap(lastSequence: number): Steps<void> {
    const start = this.#endOffset;
    const firstSequence = this.#endSequence;
    const end = yield* this.#findFrame(start, firstSequence, lastSequence);
    if (this.#endOffset !== start || this.#endSequence !== firstSequence) return;
    this.#close({ offset: start, firstSequence, gap: true, before: undefined, after: undefined });
    this.#endOffset = end?.offset ?? start;
    this.#endSequence = end?.firstSequence ?? lastSequence + 1;
    this.#endFrame = undefined;
  }

  /** The first frame behind an offset that begins after one sequence and not after another. */
  *#findFrame(
    start: number,
    after: number,
    lastSequence: number,
  ): Steps<{ offset: number; firstSequence: number } | undefined> {
    const magic = Buffer.alloc(4);
    magic.writeUInt32LE(FRAME_MAGIC);
    for (let offset = start; ; ) {
      const bytes = yield { offset, length: BLOCK_BYTES };
      for (let found = bytes.indexOf(magic); found !== -1; found = bytes.indexOf(magic, found + 1)) {
        if ((offset + found) % FRAME_ALIGNMENT !== 0) continue;
        const header = this.#frames.headerAt(bytes, found);
        if (header === undefined || header.firstSequence <= after) continue;
        if (header.firstSequence > lastSequence) return undefined;
        return { offset: offset + found, firstSequence: header.firstSequence };
      }
      if (bytes.length < BLOCK_BYTES) return undefined;
      // Overlap, so that no header is cut between two reads.
      offset += bytes.length - FRAME_HEADER_BYTES;
    }
  }

  #close(block: Block): void {
    this.#blocks.push(block);
    this.#bytes += PLACE_BYTES;
  }

  /** The last closed block that begins at or before a sequence. */
  #indexOf(sequence: number): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#blocks[middle]!.firstSequence <= sequence) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}
