/** Frames in a part of a segment's file: which of them verify, and fit to the frames beside them. */
import { corrupt, unsupported } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import {
  COMPACTED_FRAME_FORMAT,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
  walkRecords,
} from '../../shared/format/frame.js';
import { type Memory, memoryOf, recordSequence } from '../../shared/format/record.js';
import { lastSequenceAt } from '../../shared/format/removed-record.js';
import type { Holes } from '../../shared/holes.js';
import type { Run } from './run.js';

/** What the frames on both sides of a part say about those in it; undefined where that is not known. */
export interface Neighbours {
  /** Header checksum of the frame before the part. */
  readonly before: Uint8Array | undefined;
  /** What the frame behind the part names as the one before it. */
  readonly after: Uint8Array | undefined;
}

interface Found {
  readonly at: number;
  readonly header: FrameHeader;
  /** Where the record of each of its sequences begins. */
  readonly starts: readonly number[];
  intact: boolean;
}

export class SegmentFrames {
  readonly #number: number;
  readonly #fileOf: () => string;
  readonly #hasher: PlaceHasher;
  readonly #holes: Holes;

  /** @param fileOf the file that the segment is in by now */
  constructor(number: number, fileOf: () => string, hasher: PlaceHasher, holes: Holes) {
    this.#number = number;
    this.#fileOf = fileOf;
    this.#hasher = hasher;
    this.#holes = holes;
  }

  /**
   * The header at a place, if it verifies.
   * @throws ERR_UNSUPPORTED_FORMAT
   */
  headerAt(bytes: Buffer, at: number): FrameHeader | undefined {
    if (at + FRAME_HEADER_BYTES > bytes.length) return undefined;
    try {
      return readFrameHeader(bytes, memoryOf(bytes).view, at, this.#hasher, this.#number);
    } catch (error) {
      if (error instanceof RangeError) throw unsupported(this.#fileOf(), error.message, COMPACTED_FRAME_FORMAT);
      throw error;
    }
  }

  /**
   * The intact frames around a sequence, as one run.
   * @param offset of the bytes in the segment's file
   * @throws ERR_CORRUPT where the frame of the sequence is not intact
   */
  runAround(bytes: Buffer, offset: number, sequence: number, lastSequence: number, neighbours: Neighbours): Run {
    const memory = memoryOf(bytes);
    let starts: number[] = [];
    let first = 0;
    for (const { at, header, starts: records, intact } of this.#framesIn(memory, neighbours)) {
      const last = header.firstSequence + header.count - 1;
      if (!intact) {
        if (sequence >= header.firstSequence && sequence <= last) {
          throw this.gap(offset + at, header.firstSequence, last);
        }
        if (starts.length > 0 && sequence < header.firstSequence) break;
        starts = [];
        continue;
      }
      if (starts.length === 0) first = header.firstSequence;
      for (const record of records) starts.push(record);
    }
    const last = Math.min(lastSequence, first + starts.length - 1);
    if (starts.length === 0 || sequence < first || sequence > last) throw this.gap(offset, sequence, sequence);
    return {
      memory,
      firstSequence: first,
      lastSequence: last,
      at: (wanted) => starts[wanted - first]!,
      fileOffset: offset,
    };
  }

  gap(offset: number, firstSequence: number, lastSequence: number): Error {
    return corrupt(this.#fileOf(), offset, `sequences ${firstSequence} to ${lastSequence} do not verify`, {
      firstSequence,
      lastSequence,
    });
  }

  /** The frames up to the first place where there is no header that verifies. */
  #framesIn({ bytes, view }: Memory, { before, after }: Neighbours): Found[] {
    const frames: Found[] = [];
    let previous: Found | undefined;
    for (let at = 0; ; ) {
      const header = this.headerAt(bytes, at);
      if (header === undefined) break;
      const records: number[] = [];
      const verifies = verifyFrameBody(bytes, at, header, this.#hasher, this.#number);
      const intact = verifies && walkRecords(view, at, header, records) !== -1;
      const found: Found = { at, header, starts: header.isCompacted ? eachSequence(view, records) : records, intact };
      // A frame that was once at its place verifies, though it is stale. Where two do not fit together, neither is believed.
      if (previous !== undefined && !this.#continues(previous.header, header)) found.intact = previous.intact = false;
      frames.push(found);
      previous = found;
      at += FRAME_HEADER_BYTES + header.bodyBytes;
    }
    const first = frames[0];
    if (first !== undefined && before !== undefined && !this.#follows(first.header, before)) first.intact = false;
    if (previous !== undefined && after !== undefined && !sameChecksum(previous.header.checksum, after)) {
      previous.intact = false;
    }
    return frames;
  }

  #continues(one: FrameHeader, next: FrameHeader): boolean {
    return next.firstSequence === one.firstSequence + one.count && this.#follows(next, one.checksum);
  }

  #follows({ firstSequence, previous }: FrameHeader, checksum: Uint8Array): boolean {
    return sameChecksum(previous, checksum) || this.#holes.beginsAnew(firstSequence);
  }
}

/** Where the record of each sequence begins: all of those that were removed together have one. */
function eachSequence(view: DataView, records: readonly number[]): number[] {
  return records.flatMap((at) => {
    const sequences = lastSequenceAt(view, at) - recordSequence(view, at) + 1;
    return Array.from({ length: sequences }, () => at);
  });
}
