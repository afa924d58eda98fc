/** The segment that is being written: frames go to its end, each whole before the next. */
import path from 'node:path';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import { FRAME_HEADER_BYTES, writeFrameHeader } from '../../shared/format/frame.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { type FileHandle, isOutOfSpace, type Storage, writeFully } from '../../shared/storage.js';
import type { Group } from './group.js';

/** Where a segment's writing stands. */
export interface LogFileState {
  readonly number: number;
  readonly handle: FileHandle;
  /** Length of the file, and what it may grow to unless a single append is larger. */
  readonly fileBytes: number;
  readonly segmentBytes: number;
  readonly createdMs: number;
  /** End of the last durable frame. */
  readonly endOffset: number;
  /** Header checksum of the last frame, of this segment or before it. */
  readonly lastFrame: Uint8Array;
  /** The segment's header where it is not written yet: it goes out with the first frame, unless that is waited for. */
  readonly header: Buffer | undefined;
}

/** What the frame's header says besides its body. */
export interface FrameFields {
  readonly epoch: number;
  readonly durableUpTo: number;
}

/**
 * Zeros that go out with a frame for which the file grows: an fdatasync over blocks that exist does not wait for the file
 * system's journal, and takes half the time. In one write with the frame, because whatever else allocates blocks beside
 * the log holds up its syncs.
 */
const AHEAD = Buffer.alloc(256 * 1024);
/** A larger group grows the file alone: it would not find enough blocks ahead. Unit: bytes. */
const MAX_GROUP_BYTES = AHEAD.length / 4;

export class LogFile {
  readonly number: number;
  readonly createdMs: number;
  readonly #storage: Storage;
  readonly #hasher: PlaceHasher;
  readonly #handle: FileHandle;
  readonly #frameHeader = Buffer.alloc(FRAME_HEADER_BYTES);
  readonly #frameView = new DataView(this.#frameHeader.buffer, this.#frameHeader.byteOffset, FRAME_HEADER_BYTES);
  readonly #segmentBytes: number;
  #fileBytes: number;
  #header: Buffer | undefined;
  #endOffset: number;
  #lastFrame: Uint8Array;
  #written: { endOffset: number; checksum: Uint8Array } | undefined;

  constructor(storage: Storage, hasher: PlaceHasher, state: LogFileState) {
    this.#storage = storage;
    this.#hasher = hasher;
    this.number = state.number;
    this.createdMs = state.createdMs;
    this.#handle = state.handle;
    this.#segmentBytes = state.segmentBytes;
    this.#fileBytes = state.fileBytes;
    this.#header = state.header;
    this.#endOffset = state.endOffset;
    this.#lastFrame = state.lastFrame;
  }

  /** End of the last durable frame, in bytes from the file's start. */
  get endOffset(): number {
    return this.#endOffset;
  }

  get lastFrame(): Uint8Array {
    return this.#lastFrame;
  }

  /** Whether it holds no durable frame yet. */
  get empty(): boolean {
    return this.#endOffset <= SEGMENT_HEADER_BYTES;
  }

  /** Where a frame for a group would end. */
  endAfter(group: Group): number {
    return this.#endOffset + FRAME_HEADER_BYTES + group.bytes;
  }

  /** Write a group's frame behind the last durable one. It counts once {@link sync} has returned. */
  write(group: Group, fields: FrameFields): void {
    const checksum = writeFrameHeader(
      this.#frameHeader,
      this.#frameView,
      {
        bodyBytes: group.bytes,
        count: group.count,
        firstSequence: group.firstSequence,
        previous: this.#lastFrame,
        ...fields,
      },
      this.#hasher,
      this.number,
      group.parts,
    );
    const end = this.endAfter(group);
    const parts = [this.#frameHeader, ...group.parts];
    if (this.#header !== undefined) parts.unshift(this.#header);
    if (end <= this.#fileBytes || !this.#writeWithZeros(parts, end, group.bytes)) {
      writeFully(this.#storage, this.#handle, parts, this.#writeOffset);
      this.#fileBytes = Math.max(this.#fileBytes, end);
    }
    this.#written = { endOffset: end, checksum };
  }

  /** Make what was written durable, and go past it. */
  sync(): void {
    this.#storage.sync(this.#handle);
    if (this.#written === undefined) return;
    this.#endOffset = this.#written.endOffset;
    this.#lastFrame = this.#written.checksum;
    this.#written = undefined;
    this.#header = undefined;
  }

  /**
   * Write a frame, and behind its end zeros for the next ones. Returns false where not all of the frame was taken.
   *
   * Zeros are only comfort: where they do not fit, the frame is written all the same, and must not be refused for them. A
   * refused frame that is whole on the disk might come back by a power cut that takes its being cut off.
   */
  #writeWithZeros(parts: readonly Uint8Array[], end: number, groupBytes: number): boolean {
    const ahead = Math.min(AHEAD.length, this.#segmentBytes - end);
    if (ahead <= 0 || groupBytes > MAX_GROUP_BYTES) return false;
    const offset = this.#writeOffset;
    let taken: number;
    try {
      taken = this.#storage.write(this.#handle, [...parts, AHEAD.subarray(0, ahead)], offset);
    } catch (error) {
      if (isOutOfSpace(error)) return false;
      throw error;
    }
    if (offset + taken < end) return false;
    this.#fileBytes = offset + taken;
    return true;
  }

  /** Where the next write begins: a header that is not written yet goes out with the first frame. */
  get #writeOffset(): number {
    return this.#header === undefined ? this.#endOffset : 0;
  }

  /** Have the segment's header durable without a frame; false where there is no space for it. */
  begin(): boolean {
    const header = this.#header;
    if (header === undefined) return true;
    if (!this.#fits(() => writeFully(this.#storage, this.#handle, [header], 0))) return false;
    this.#storage.sync(this.#handle);
    this.#fileBytes = Math.max(this.#fileBytes, header.length);
    this.#header = undefined;
    return true;
  }

  /** Take away whatever a failed write has left behind the last durable frame. */
  cutBack(): void {
    this.#written = undefined;
    this.#storage.truncate(this.#handle, this.#writeOffset);
    this.#fileBytes = this.#writeOffset;
  }

  /** Whether so many bytes more can be written, by writing zeros there. */
  probe(bytes: number): boolean {
    const offset = this.#writeOffset;
    if (!this.#fits(() => writeFully(this.#storage, this.#handle, [Buffer.alloc(bytes)], offset))) return false;
    this.#storage.sync(this.#handle);
    this.#fileBytes = Math.max(this.#fileBytes, offset + bytes);
    return true;
  }

  /** False where there was no space: then nothing is left of it. */
  #fits(write: () => void): boolean {
    try {
      write();
      return true;
    } catch (error) {
      if (!isOutOfSpace(error)) throw error;
      this.cutBack();
      return false;
    }
  }

  close(): void {
    this.#storage.close(this.#handle);
  }
}

/** The empty file of a segment, its name durable; `prepared` where that was done ahead. */
export function openSegmentFile(storage: Storage, dir: string, number: number, prepared: boolean): FileHandle {
  const handle = storage.openWrite(path.join(dir, segmentFile(number)), 'create');
  try {
    if (!prepared) storage.syncDir(dir);
  } catch (error) {
    storage.close(handle);
    throw error;
  }
  return handle;
}
