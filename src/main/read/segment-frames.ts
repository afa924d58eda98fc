/** Frames in a part of a segment's file: which of them verify, and fit to the frames beside them. */
import { corrupt, unsupported } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import {
  FRAME_FORMAT,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
} from '../../shared/format/frame.js';
import { memoryOf, recordLength, recordSequence } from '../../shared/format/record.js';
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
  readonly end: number;
  readonly header: FrameHeader;
  intact: boolean;
}

export class SegmentFrames {
  readonly #number: number;
  readonly #file: string;
  readonly #hasher: PlaceHasher;

  constructor(number: number, file: string, hasher: PlaceHasher) {
    this.#number = number;
    this.#file = file;
    this.#hasher = hasher;
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
      if (error instanceof RangeError) throw unsupported(this.#file, error.message, FRAME_FORMAT);
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
    for (const { at, end, header, intact } of this.#framesIn(bytes, neighbours)) {
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
      for (let record = at + FRAME_HEADER_BYTES; record < end; record += recordLength(memory.view, record)) {
        starts.push(record);
      }
    }
    const last = Math.min(lastSequence, first + starts.length - 1);
    if (starts.length === 0 || sequence < first || sequence > last) throw this.gap(offset, sequence, sequence);
    if (recordSequence(memory.view, starts[0]!) !== first) throw this.gap(offset, first, last);
    return {
      memory,
      firstSequence: first,
      lastSequence: last,
      at: (wanted) => starts[wanted - first]!,
      fileOffset: offset,
    };
  }

  gap(offset: number, firstSequence: number, lastSequence: number): Error {
    return corrupt(this.#file, offset, `sequences ${firstSequence} to ${lastSequence} do not verify`, {
      firstSequence,
      lastSequence,
    });
  }

  /** The frames up to the first place where there is no header that verifies. */
  #framesIn(bytes: Buffer, { before, after }: Neighbours): Found[] {
    const frames: Found[] = [];
    let previous: Found | undefined;
    for (let at = 0; ; ) {
      const header = this.headerAt(bytes, at);
      if (header === undefined) break;
      const end = at + FRAME_HEADER_BYTES + header.bodyBytes;
      const found: Found = { at, end, header, intact: verifyFrameBody(bytes, at, header, this.#hasher, this.#number) };
      // A frame that was once at its place verifies, though it is stale. Where two do not fit together, neither is believed.
      if (previous !== undefined && !continues(previous.header, header)) found.intact = previous.intact = false;
      frames.push(found);
      previous = found;
      at = end;
    }
    const first = frames[0];
    if (first !== undefined && before !== undefined && !sameChecksum(first.header.previous, before))
      first.intact = false;
    if (previous !== undefined && after !== undefined && !sameChecksum(previous.header.checksum, after)) {
      previous.intact = false;
    }
    return frames;
  }
}

function continues(one: FrameHeader, next: FrameHeader): boolean {
  return next.firstSequence === one.firstSequence + one.count && sameChecksum(next.previous, one.checksum);
}
