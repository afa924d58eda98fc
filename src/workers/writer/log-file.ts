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
  readonly createdMs: number;
  /** End of the last durable frame. */
  readonly endOffset: number;
  /** Header checksum of the last frame, of this segment or before it. */
  readonly lastFrame: Uint8Array;
  /** The segment's header where it is not written yet: it goes out with the first frame. */
  readonly header: Buffer | undefined;
}

/** What the frame's header says besides its body. */
export interface FrameFields {
  readonly epoch: number;
  readonly durableUpTo: number;
}

export class LogFile {
  readonly number: number;
  readonly createdMs: number;
  readonly #storage: Storage;
  readonly #hasher: PlaceHasher;
  readonly #handle: FileHandle;
  readonly #frameHeader = Buffer.alloc(FRAME_HEADER_BYTES);
  readonly #frameView = new DataView(this.#frameHeader.buffer, this.#frameHeader.byteOffset, FRAME_HEADER_BYTES);
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
    const frame = [this.#frameHeader, ...group.parts];
    if (this.#header === undefined) writeFully(this.#storage, this.#handle, frame, this.#endOffset);
    else writeFully(this.#storage, this.#handle, [this.#header, ...frame], 0);
    this.#written = { endOffset: this.endAfter(group), checksum };
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

  /** Take away whatever a failed write has left behind the last durable frame. */
  cutBack(): void {
    this.#written = undefined;
    this.#storage.truncate(this.#handle, this.#header === undefined ? this.#endOffset : 0);
  }

  /** Try whether so many bytes more can be written, by writing zeros there. */
  probe(bytes: number): void {
    writeFully(this.#storage, this.#handle, [Buffer.alloc(bytes)], this.#header === undefined ? this.#endOffset : 0);
    this.#storage.sync(this.#handle);
  }

  close(): void {
    this.#storage.close(this.#handle);
  }
}

/** The first zeros of a segment that was not made ahead. Unit: bytes. */
const FIRST_BYTES = 4 * 1024 * 1024;

/** Make the file of a segment and have its name durable, or use one that was made ahead. */
export function openSegmentFile(storage: Storage, dir: string, number: number, prepared: boolean): FileHandle {
  const file = path.join(dir, segmentFile(number));
  if (prepared) return storage.openWrite(file, 'existing');
  const handle = storage.openWrite(file, 'create');
  try {
    storage.syncDir(dir);
  } catch (error) {
    storage.close(handle);
    throw error;
  }
  return handle;
}

/** Write the first zeros of a new segment. Only comfort: without space the log goes on without them. */
export function fillFirst(storage: Storage, handle: FileHandle, segmentBytes: number): void {
  try {
    writeFully(storage, handle, [Buffer.alloc(Math.min(FIRST_BYTES, segmentBytes))], 0);
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    storage.truncate(handle, 0);
    return;
  }
  storage.sync(handle);
}
