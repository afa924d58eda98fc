/**
 * Where records are in a raw segment: blocks of whole frames, found by hopping from frame header to frame header, once,
 * and kept in a small table. A block is read in one piece, and its frames are verified before anything in it is decoded.
 *
 * The steps are generators that ask for bytes, so that the same code serves reads that block and reads that do not.
 */

import { corrupt, unsupported } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import {
  FRAME_ALIGNMENT,
  FRAME_FORMAT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  readFrameHeader,
  verifyFrameBody,
  walkRecords,
} from '../../shared/format/frame.js';
import { type Memory, memoryOf, recordLength, recordSequence, verifyRecord } from '../../shared/format/record.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { Marks } from './marks.js';
import type { Run } from './run.js';

/** Bytes of a segment's file, which the caller of a step reads. Fewer may come at the file's end. */
export interface Wanted {
  readonly offset: number;
  readonly length: number;
}

/** Asks for bytes until it has its result. */
export type Steps<T> = Generator<Wanted, T, Buffer>;

/** A block is closed at this size. A frame larger than that is a block of its own. Unit: bytes. */
const BLOCK_BYTES = 256 * 1024;
/** Memory of a block's place, about. Unit: bytes. */
const PLACE_BYTES = 48;

interface Block {
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
  readonly #file: string;
  readonly #hasher: PlaceHasher;
  /** Closed blocks; each ends where the next one, or the open end, begins. */
  readonly #blocks: Block[] = [];
  /** Where the next block begins. */
  #endOffset = SEGMENT_HEADER_BYTES;
  #endSequence: number;
  #bytes = 0;

  constructor(number: number, firstSequence: number, file: string, hasher: PlaceHasher) {
    this.number = number;
    this.firstSequence = firstSequence;
    this.#endSequence = firstSequence;
    this.#file = file;
    this.#hasher = hasher;
  }

  /** Memory in use, about. */
  get bytes(): number {
    return this.#bytes;
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
    if (block.gap) throw this.#gap(block.offset, block.firstSequence, next.firstSequence - 1);
    const bytes = yield { offset: block.offset, length: next.offset - block.offset };
    const run = this.#runAround(bytes, block.offset, sequence, Math.min(lastSequence, next.firstSequence - 1));
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
      const { bytes, view } = memory;
      let at = 0;
      for (let skipped = range.sequence; skipped < sequence && at + 4 <= bytes.length; skipped++) {
        at += recordLength(view, at);
        // No record is as long as the magic of a frame would say.
        if (at + 4 <= bytes.length && view.getUint32(at, true) === FRAME_MAGIC) at += FRAME_HEADER_BYTES;
      }
      if (isRecord(memory, at, sequence, seed)) return recordAt(memory, at);
    }
    const run = yield* this.load(sequence, lastSequence);
    return recordAt(run.memory, run.at(sequence));
  }

  /** Bytes of the file, none of them verified. */
  *loadSpan(offset: number, end: number): Steps<Memory> {
    return memoryOf(yield { offset, length: end - offset });
  }

  /**
   * Check a record by its own checksum.
   * @param fileOffset where the memory begins in the segment's file
   * @throws ERR_CORRUPT
   */
  check(memory: Memory, at: number, sequence: number, seed: number, fileOffset: number): void {
    if (!isRecord(memory, at, sequence, seed)) throw this.#gap(fileOffset + at, sequence, sequence);
  }

  /**
   * Look at the next block. Closes it if it is full, and returns its records if the sequence is among them. Another
   * reader may do the same meanwhile: what was found after a wait counts only if the open end has not moved.
   */
  *#extend(sequence: number, lastSequence: number): Steps<Run | undefined> {
    const offset = this.#endOffset;
    const firstSequence = this.#endSequence;
    let bytes = yield { offset, length: BLOCK_BYTES };
    let header = this.#headerAt(bytes, 0);
    if (header !== undefined && FRAME_HEADER_BYTES + header.bodyBytes > bytes.length) {
      bytes = yield { offset, length: FRAME_HEADER_BYTES + header.bodyBytes };
    }
    let at = 0;
    let next = firstSequence;
    let cut = false;
    while (header?.firstSequence === next && next <= lastSequence && at < BLOCK_BYTES) {
      const end: number = at + FRAME_HEADER_BYTES + header.bodyBytes;
      if (end > bytes.length) {
        cut = true;
        break;
      }
      at = end;
      next = header.firstSequence + header.count;
      header = this.#headerAt(bytes, at);
    }
    if (at === 0) {
      yield* this.#closeGap(lastSequence);
      return undefined;
    }
    cut ||= bytes.length >= BLOCK_BYTES && bytes.length - at < FRAME_HEADER_BYTES;
    const damaged = !cut && next <= lastSequence && header?.firstSequence !== next;
    if ((cut || damaged || at >= BLOCK_BYTES) && this.#endOffset === offset) {
      this.#close({ offset, firstSequence, gap: false });
      this.#endOffset = offset + at;
      this.#endSequence = next;
    }
    if (sequence < firstSequence || sequence >= next) return undefined;
    return this.#runAround(bytes.subarray(0, at), offset, sequence, Math.min(lastSequence, next - 1));
  }

  /** What begins at the open end does not verify: find where it ends, and remember it as a gap. */
  *#closeGap(lastSequence: number): Steps<void> {
    const start = this.#endOffset;
    const firstSequence = this.#endSequence;
    const end = yield* this.#findFrame(start, firstSequence, lastSequence);
    if (this.#endOffset !== start || this.#endSequence !== firstSequence) return;
    this.#close({ offset: start, firstSequence, gap: true });
    this.#endOffset = end?.offset ?? start;
    this.#endSequence = end?.firstSequence ?? lastSequence + 1;
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
        const header = this.#headerAt(bytes, found);
        if (header === undefined || header.firstSequence <= after) continue;
        if (header.firstSequence > lastSequence) return undefined;
        return { offset: offset + found, firstSequence: header.firstSequence };
      }
      if (bytes.length < BLOCK_BYTES) return undefined;
      // Overlap, so that no header is cut between two reads.
      offset += bytes.length - FRAME_HEADER_BYTES;
    }
  }

  /** The intact frames around a sequence, as one run. */
  #runAround(bytes: Buffer, offset: number, sequence: number, lastSequence: number): Run {
    const memory = memoryOf(bytes);
    let starts: number[] = [];
    let first = 0;
    for (let at = 0; at < bytes.length; ) {
      const header = this.#headerAt(bytes, at);
      if (header === undefined) break;
      const end = at + FRAME_HEADER_BYTES + header.bodyBytes;
      const known = starts.length;
      const verifies = verifyFrameBody(bytes, at, header, this.#hasher, this.number);
      if (verifies && walkRecords(memory.view, at, header, starts) !== -1) {
        if (known === 0) first = header.firstSequence;
      } else {
        starts.length = known;
        const last = header.firstSequence + header.count - 1;
        if (sequence >= header.firstSequence && sequence <= last) {
          throw this.#gap(offset + at, header.firstSequence, last);
        }
        if (starts.length > 0 && sequence < header.firstSequence) break;
        starts = [];
      }
      at = end;
    }
    const last = Math.min(lastSequence, first + starts.length - 1);
    if (starts.length === 0 || sequence < first || sequence > last) throw this.#gap(offset, sequence, sequence);
    if (recordSequence(memory.view, starts[0]!) !== first) throw this.#gap(offset, first, last);
    return {
      memory,
      firstSequence: first,
      lastSequence: last,
      at: (wanted) => starts[wanted - first]!,
      fileOffset: offset,
    };
  }

  #close(block: Block): void {
    this.#blocks.push(block);
    this.#bytes += PLACE_BYTES;
  }

  #headerAt(bytes: Buffer, at: number): FrameHeader | undefined {
    if (at + FRAME_HEADER_BYTES > bytes.length) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    try {
      return readFrameHeader(bytes, view, at, this.#hasher, this.number);
    } catch (error) {
      if (error instanceof RangeError) throw unsupported(this.#file, error.message, FRAME_FORMAT);
      throw error;
    }
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

  #gap(offset: number, firstSequence: number, lastSequence: number): Error {
    return corrupt(this.#file, offset, `sequences ${firstSequence} to ${lastSequence} do not verify`, {
      firstSequence,
      lastSequence,
    });
  }
}

/** Whether the record of a sequence begins there and verifies. */
function isRecord({ bytes, view }: Memory, at: number, sequence: number, seed: number): boolean {
  return verifyRecord(bytes, view, at, bytes.length, seed) && recordSequence(view, at) === sequence;
}

function recordAt({ bytes, view }: Memory, at: number): Memory {
  return memoryOf(bytes.subarray(at, at + recordLength(view, at)));
}
