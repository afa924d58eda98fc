/** One pass over the newest segment: where the log ends, what of it is durable, and what follows. Only reads. */
import path from 'node:path';
import { unsupported } from './damage.js';
import type { PlaceHasher } from './format/checksum.js';
import { segmentFile } from './format/file-names.js';
import {
  COMPACTED_FRAME_FORMAT,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  NO_FRAME,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
  walkRecords,
} from './format/frame.js';
import type { Manifest } from './format/manifest.js';
import { recordTimestampNs } from './format/record.js';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from './format/segment.js';
import { Holes } from './holes.js';
import type { FileHandle, ReadStorage } from './storage.js';

const CHUNK_BYTES = 4 * 1024 * 1024;
const ZEROS = Buffer.alloc(CHUNK_BYTES);

/** Where a store is, and how its bytes are verified. */
export interface Place {
  readonly storage: ReadStorage;
  readonly dir: string;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
}

/** What follows the last verified frame. */
export type Tail =
  /** Nothing but zeros: the normal end. */
  | { readonly kind: 'clean' }
  /** Bytes that were never durable, up to (exclusive) an offset. */
  | { readonly kind: 'torn'; readonly endOffset: number }
  /** Bytes that were durable and do not verify. */
  | { readonly kind: 'corrupt'; readonly lastSequence: number };

/** The newest segment that is in use. */
export interface ActiveSegment {
  readonly header: SegmentHeader;
  /** Of the file, preallocation included. */
  readonly fileBytes: number;
  /** End of the last verified frame. */
  readonly endOffset: number;
  /** Whether there is any frame. */
  readonly empty: boolean;
  readonly lastSequence: number;
  readonly lastTimestampNs: bigint;
  /** Header checksum of the last verified frame. */
  readonly lastFrame: Uint8Array;
  /** Where the bytes begin that may live in the page cache alone; endOffset if there are none. */
  readonly unsureOffset: number;
  readonly tail: Tail;
}

/**
 * Follow the frames of the newest segment.
 * @param known the last sequence that is known to be durable from elsewhere
 */
export function scanActive(
  place: Place,
  header: SegmentHeader,
  manifest: Manifest,
  known: number,
): { active: ActiveSegment; durable: number } {
  const handle = place.storage.openRead(path.join(place.dir, segmentFile(header.number)));
  try {
    return new ActiveScan(place, handle, header, manifest, known).run();
  } finally {
    place.storage.close(handle);
  }
}

/** One pass over the newest segment. */
class ActiveScan {
  readonly #place: Place;
  readonly #handle: FileHandle;
  readonly #header: SegmentHeader;
  readonly #epoch: number;
  readonly #holes: Holes;
  readonly #fileBytes: number;
  #buffer: Buffer;
  #start = 0;
  #end = 0;
  #durable: number;
  #offset = SEGMENT_HEADER_BYTES;
  #sequence: number;
  #timestampNs: bigint;
  #last: Uint8Array;
  /** Frames that are not known to be durable, oldest first. */
  #unsure: { offset: number; lastSequence: number }[] = [];

  constructor(place: Place, handle: FileHandle, header: SegmentHeader, manifest: Manifest, known: number) {
    this.#place = place;
    this.#handle = handle;
    this.#header = header;
    this.#epoch = manifest.epoch;
    this.#holes = new Holes(manifest.holes);
    this.#fileBytes = place.storage.size(handle);
    this.#buffer = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, this.#fileBytes));
    // A header is written once everything before it is durable.
    this.#durable = Math.max(known, header.firstSequence - 1);
    this.#sequence = this.#holes.skip(header.firstSequence) - 1;
    this.#timestampNs = header.previousTimestampNs;
    this.#last = header.number === 1 ? NO_FRAME : header.previous;
  }

  run(): { active: ActiveSegment; durable: number } {
    while (this.#nextFrame());
    const verifiedEnd = this.#offset;
    const tail = this.#lookAtTail();
    const unsure = this.#unsure.find((frame) => frame.lastSequence > this.#durable);
    // The segment's own header went out with its first frame, or alone.
    const headerUnsure = unsure?.offset === SEGMENT_HEADER_BYTES || verifiedEnd === SEGMENT_HEADER_BYTES;
    return {
      durable: this.#durable,
      active: {
        header: this.#header,
        fileBytes: this.#fileBytes,
        endOffset: verifiedEnd,
        empty: verifiedEnd === SEGMENT_HEADER_BYTES,
        lastSequence: this.#sequence,
        lastTimestampNs: this.#timestampNs,
        lastFrame: this.#last,
        unsureOffset: headerUnsure ? 0 : (unsure?.offset ?? verifiedEnd),
        tail,
      },
    };
  }

  /** Verify the next frame and go past it; false where there is none that continues the chain. */
  #nextFrame(): boolean {
    const { hasher } = this.#place;
    const number = this.#header.number;
    if (!this.#load(this.#offset, FRAME_HEADER_BYTES)) return false;
    const frame = this.#frameAt(this.#offset);
    if (frame === undefined) return false;
    if (frame.firstSequence !== this.#sequence + 1) return false;
    if (!sameChecksum(frame.previous, this.#last) && !this.#holes.beginsAnew(frame.firstSequence)) return false;
    if (!this.#load(this.#offset, FRAME_HEADER_BYTES + frame.bodyBytes)) return false;
    const at = this.#offset - this.#start;
    if (!verifyFrameBody(this.#buffer, at, frame, hasher, number)) return false;
    const view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
    const last = walkRecords(view, at, frame);
    if (last === -1) return false;
    this.#sequence = this.#holes.skip(frame.firstSequence + frame.count) - 1;
    this.#timestampNs = recordTimestampNs(view, last);
    this.#last = frame.checksum;
    this.#unsure.push({ offset: this.#offset, lastSequence: this.#sequence });
    this.#learnDurable(frame.epoch, frame.durableUpTo);
    this.#offset += FRAME_HEADER_BYTES + frame.bodyBytes;
    return true;
  }

  #frameAt(offset: number): ReturnType<typeof readFrameHeader> {
    const view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
    try {
      return readFrameHeader(
        this.#buffer.subarray(0, this.#end - this.#start),
        view,
        offset - this.#start,
        this.#place.hasher,
        this.#header.number,
      );
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw unsupported(
        path.join(this.#place.dir, segmentFile(this.#header.number)),
        error.message,
        COMPACTED_FRAME_FORMAT,
      );
    }
  }

  #learnDurable(epoch: number, durableUpTo: number): void {
    if (epoch !== this.#epoch) return;
    this.#durable = Math.max(this.#durable, durableUpTo);
    while (this.#unsure[0] !== undefined && this.#unsure[0].lastSequence <= this.#durable) this.#unsure.shift();
  }

  /** What stands between the last verified frame and the file's end. */
  #lookAtTail(): Tail {
    const { storage } = this.#place;
    const verifiedEnd = this.#offset;
    let nonZeroEnd = verifiedEnd;
    // A byte more than there is: a chunk that is not filled is the last.
    const chunk = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, this.#fileBytes - verifiedEnd + 1));
    for (let at = verifiedEnd; at < this.#fileBytes; ) {
      const bytes = chunk.subarray(0, storage.read(this.#handle, chunk, at));
      if (bytes.length === 0) break;
      if (!bytes.equals(ZEROS.subarray(0, bytes.length))) {
        let last = bytes.length;
        while (last > 0 && bytes[last - 1] === 0) last--;
        nonZeroEnd = at + last;
        this.#learnFromLaterFrames(bytes, at);
      }
      // Overlap, so that no frame header is cut between two chunks.
      at += bytes.length < chunk.length ? bytes.length : bytes.length - FRAME_HEADER_BYTES;
    }
    if (this.#sequence < this.#durable) return { kind: 'corrupt', lastSequence: this.#durable };
    return nonZeroEnd === verifiedEnd ? { kind: 'clean' } : { kind: 'torn', endOffset: nonZeroEnd };
  }

  /** A later frame of this epoch that is whole in its header tells what was durable when it was formed. */
  #learnFromLaterFrames(bytes: Buffer, at: number): void {
    const magic = Buffer.alloc(4);
    magic.writeUInt32LE(FRAME_MAGIC);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let found = bytes.indexOf(magic); found !== -1; found = bytes.indexOf(magic, found + 1)) {
      if ((at + found) % FRAME_ALIGNMENT !== 0) continue;
      try {
        const frame = readFrameHeader(bytes, view, found, this.#place.hasher, this.#header.number);
        if (frame !== undefined) this.#learnDurable(frame.epoch, frame.durableUpTo);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        // A frame of a later format says nothing that this program could use.
      }
    }
  }

  /** Have the bytes of a range in the buffer; false where the file ends before. */
  #load(offset: number, length: number): boolean {
    if (offset + length > this.#fileBytes) return false;
    if (offset >= this.#start && offset + length <= this.#end) return true;
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(length);
    this.#start = offset;
    this.#end = offset + this.#place.storage.read(this.#handle, this.#buffer, offset);
    return offset + length <= this.#end;
  }
}
