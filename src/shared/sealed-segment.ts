/**
 * A sealed segment's file, read as the raw segment that it was. A block of it that does not verify reads as zeros, in which no
 * frame and no record is: so whoever reads finds out which sequences are hit, as in a raw one.
 */
import type { PlaceHasher } from './format/checksum.js';
import { type Memory, memoryOf } from './format/record.js';
import {
  type BlockTable,
  rawBytesOf,
  SEALED_HEADER_BYTES,
  type SealedHeader,
  sealedFileBytes,
  unpackBlock,
} from './format/sealed.js';
import { readHeader, readTable, type SealedPlace } from './sealed-parts.js';
import type { FileHandle, ReadStorage } from './storage.js';

/** Where a read goes on near the one before it, so much is read at once, for those that follow. Unit: bytes. */
const AHEAD_BYTES = 64 * 1024;
/** Reads that are at most so far from each other are near: several of them are served by one, or all that was read besides is in vain. */
const NEAR_BYTES = 16 * 1024;

/** Stored bytes of some blocks as the disk gives them, from an offset of the file on. */
interface Stored {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Where something is. */
export interface Place {
  readonly memory: Memory;
  readonly at: number;
}

const NOTHING: Stored = { offset: 0, bytes: Buffer.alloc(0) };

export class SealedSegment {
  readonly header: SealedHeader;
  readonly #storage: ReadStorage;
  readonly #handle: FileHandle;
  readonly #hasher: PlaceHasher;
  readonly #table: BlockTable;
  /** What was read last, and memory of the block that was unpacked last: reads go on where others have ended. */
  #stored = NOTHING;
  /** Bytes of the file that reads have wanted so far, counted where they begin. */
  fileBytesRead = 0;
  /** Which of the file's bytes were wanted last. */
  #lastFrom = 0;
  #lastTo = 0;
  /** What reads that block read into: nothing else happens before it is unpacked. */
  #aheadMemory: Buffer | undefined;
  readonly #memory: Buffer;
  #whole: Memory | undefined;
  #last: { readonly block: number; readonly unpacked: number } | undefined;

  private constructor(
    storage: ReadStorage,
    handle: FileHandle,
    header: SealedHeader,
    table: BlockTable,
    hasher: PlaceHasher,
  ) {
    this.#storage = storage;
    this.#handle = handle;
    this.header = header;
    this.#table = table;
    this.#hasher = hasher;
    this.#memory = Buffer.alloc(Math.min(header.blockBytes, header.rawBytes));
  }

  /** @throws ERR_CORRUPT where neither header, or neither block table, verifies; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE */
  static open(storage: ReadStorage, place: SealedPlace): SealedSegment {
    const handle = storage.openRead(place.file);
    try {
      const header = readHeader(storage, handle, place);
      return new SealedSegment(storage, handle, header, readTable(storage, handle, header, place), place.hasher);
    } catch (error) {
      storage.close(handle);
      throw error;
    }
  }

  /** Of the raw segment. */
  get bytes(): number {
    return this.header.rawBytes;
  }

  /** Of the file. */
  get fileBytes(): number {
    return sealedFileBytes(this.header);
  }

  /** Read raw bytes up to the target's length; returns what there was. */
  read(target: Uint8Array, offset: number): number {
    return this.#fill(target, offset, this.#readStored(target.length, offset));
  }

  /** Raw bytes in memory that is theirs until the next read; undefined where they are in several blocks. */
  look(offset: number, length: number): Place | undefined {
    const { blockBytes } = this.header;
    const block = Math.floor(offset / blockBytes);
    const at = offset - block * blockBytes;
    if (at + length > rawBytesOf(block, this.header)) return undefined;
    this.#unpacked(block, at + length, this.#readStored(length, offset));
    this.#whole ??= memoryOf(this.#memory);
    return { memory: this.#whole, at };
  }

  async readAsync(target: Uint8Array, offset: number): Promise<number> {
    const wanted = this.#wantedFor(target.length, offset, Buffer.allocUnsafe);
    if (wanted === undefined) return this.#fill(target, offset, this.#stored);
    this.fileBytesRead += wanted.bytes.length;
    const length = await this.#storage.readAsync(this.#handle, wanted.bytes, wanted.offset);
    return this.#fill(target, offset, this.#keep(wanted, length));
  }

  /** Whether these raw bytes are in it from the beginning of a block on. */
  holds(expected: Buffer, offset: number): boolean {
    if (offset + expected.length > this.bytes) return false;
    const { blockBytes } = this.header;
    const stored = this.#readStored(expected.length, offset);
    for (let at = 0; at < expected.length; at += blockBytes) {
      const part = expected.subarray(at, at + blockBytes);
      const raw = this.#unpacked((offset + at) / blockBytes, part.length, stored);
      if (raw.compare(part, 0, part.length, 0, part.length) !== 0) return false;
    }
    return true;
  }

  close(): void {
    this.#storage.close(this.#handle);
  }

  /** The stored bytes for a read of raw ones. */
  #readStored(length: number, offset: number): Stored {
    const wanted = this.#wantedFor(length, offset, (bytes) => this.#aheadFor(bytes));
    if (wanted === undefined) return this.#stored;
    this.fileBytesRead += wanted.bytes.length;
    this.#stored = NOTHING;
    return this.#keep(wanted, this.#storage.read(this.#handle, wanted.bytes, wanted.offset));
  }

  #keep({ offset, bytes }: Stored, length: number): Stored {
    this.#stored = { offset, bytes: bytes.subarray(0, length) };
    return this.#stored;
  }

  /** Memory for a read that blocks, in the place of what was read before. */
  #aheadFor(bytes: number): Buffer {
    if (bytes > AHEAD_BYTES) return Buffer.allocUnsafe(bytes);
    this.#aheadMemory ??= Buffer.allocUnsafeSlow(AHEAD_BYTES);
    return this.#aheadMemory.subarray(0, bytes);
  }

  /** What a read wants of the file, and memory for it; undefined where nothing has to be read. */
  #wantedFor(length: number, offset: number, memory: (bytes: number) => Buffer): Stored | undefined {
    const end = Math.min(offset + length, this.bytes);
    if (end <= offset) return undefined;
    const { blockBytes } = this.header;
    const first = Math.floor(offset / blockBytes);
    const last = Math.floor((end - 1) / blockBytes);
    if (first === last && this.#has(first, end - first * blockBytes)) return undefined;
    const [from, to] = [this.#table.offsetOf(first), this.#table.offsetOf(last + 1)];
    const had = this.#stored;
    const isNear = had.bytes.length > 0 && from <= this.#lastTo + NEAR_BYTES && to >= this.#lastFrom - NEAR_BYTES;
    this.#lastFrom = from;
    this.#lastTo = to;
    if (from >= had.offset && to <= had.offset + had.bytes.length) return undefined;
    if (!isNear || to - from >= AHEAD_BYTES) return { offset: from, bytes: memory(to - from) };
    // Onwards from what is wanted, or down to it.
    const begin = from >= had.offset ? from : Math.max(SEALED_HEADER_BYTES, to - AHEAD_BYTES);
    return { offset: begin, bytes: memory(Math.min(AHEAD_BYTES, this.#table.end - begin)) };
  }

  #has(block: number, bytes: number): boolean {
    return this.#last?.block === block && this.#last.unpacked >= bytes;
  }

  #fill(target: Uint8Array, offset: number, stored: Stored): number {
    const { blockBytes } = this.header;
    const end = Math.min(offset + target.length, this.bytes);
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / blockBytes);
      const from = at - block * blockBytes;
      const to = Math.min(rawBytesOf(block, this.header), from + end - at);
      const raw = this.#unpacked(block, to, stored);
      target.set(raw.subarray(from, to), at - offset);
      at += to - from;
    }
    return Math.max(0, end - offset);
  }

  /**
   * Memory with the first bytes of a block, until the next one is unpacked.
   * @param wanted how many of them. A block that is wanted again is unpacked as a whole
   */
  #unpacked(block: number, wanted: number, stored: Stored): Buffer {
    const length = rawBytesOf(block, this.header);
    const raw = length === this.#memory.length ? this.#memory : this.#memory.subarray(0, length);
    if (this.#has(block, wanted)) return raw;
    const [from, to] = [this.#table.offsetOf(block), this.#table.offsetOf(block + 1)];
    const bytes = stored.bytes.subarray(from - stored.offset, to - stored.offset);
    const verifies = this.#table.verifies(block, bytes, this.header.number, this.#hasher);
    let unpacked = verifies ? unpackBlock(bytes, raw, this.#last?.block === block ? raw.length : wanted) : -1;
    if (unpacked === -1) {
      raw.fill(0);
      unpacked = raw.length;
    }
    this.#last = { block, unpacked };
    return raw;
  }
}
