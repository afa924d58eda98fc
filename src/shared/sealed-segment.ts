/**
 * A sealed segment's file, read as the raw segment that it was. A block of it that does not verify reads as zeros, in which no
 * frame and no record is: so whoever reads finds out which sequences are hit, as in a raw one.
 */
import { corrupt, unsupported } from './damage.js';
import type { PlaceHasher } from './format/checksum.js';
import {
  BlockTable,
  decodeSealedHeader,
  RAW_BLOCK_BYTES,
  rawBytesOf,
  SEALED_FORMAT,
  SEALED_HEADER_BYTES,
  type SealedHeader,
  sealedFileBytes,
  secondTableOffset,
  tableBytes,
  tableOffset,
  unpackBlock,
} from './format/sealed.js';
import type { FileHandle, ReadStorage } from './storage.js';

/** What a sealed segment is verified with. */
export interface SealedPlace {
  readonly file: string;
  readonly number: number;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
}

/** Where a read goes on near the one before it, so much is read at once, for those that follow. Unit: bytes. */
const AHEAD_BYTES = 64 * 1024;

/** Stored bytes of some blocks as the disk gives them, from an offset of the file on. */
interface Stored {
  readonly offset: number;
  readonly bytes: Buffer;
}

export class SealedSegment {
  readonly header: SealedHeader;
  readonly #storage: ReadStorage;
  readonly #handle: FileHandle;
  readonly #hasher: PlaceHasher;
  readonly #table: BlockTable;
  /** What was read last, and the block that was unpacked last: reads go on where others have ended. */
  #stored: Stored = { offset: 0, bytes: Buffer.alloc(0) };
  #last: { readonly block: number; readonly raw: Buffer } | undefined;

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

  async readAsync(target: Uint8Array, offset: number): Promise<number> {
    const wanted = this.#wantedFor(target.length, offset);
    if (wanted === undefined) return this.#fill(target, offset, this.#stored);
    const length = await this.#storage.readAsync(this.#handle, wanted.bytes, wanted.offset);
    return this.#fill(target, offset, this.#keep(wanted, length));
  }

  /** Whether these raw bytes are in it from the beginning of a block on. */
  holds(expected: Buffer, offset: number): boolean {
    if (offset + expected.length > this.bytes) return false;
    const stored = this.#readStored(expected.length, offset);
    for (let at = 0; at < expected.length; at += RAW_BLOCK_BYTES) {
      const raw = this.#rawBlock((offset + at) / RAW_BLOCK_BYTES, stored);
      if (!raw.equals(expected.subarray(at, at + RAW_BLOCK_BYTES))) return false;
    }
    return true;
  }

  close(): void {
    this.#storage.close(this.#handle);
  }

  /** The stored bytes for a read of raw ones. */
  #readStored(length: number, offset: number): Stored {
    const wanted = this.#wantedFor(length, offset);
    if (wanted === undefined) return this.#stored;
    return this.#keep(wanted, this.#storage.read(this.#handle, wanted.bytes, wanted.offset));
  }

  #keep({ offset, bytes }: Stored, length: number): Stored {
    this.#stored = { offset, bytes: bytes.subarray(0, length) };
    return this.#stored;
  }

  /** What a read wants of the file, and memory for it; undefined where nothing has to be read. */
  #wantedFor(length: number, offset: number): Stored | undefined {
    const end = Math.min(offset + length, this.bytes);
    if (end <= offset) return undefined;
    const first = Math.floor(offset / RAW_BLOCK_BYTES);
    const last = Math.floor((end - 1) / RAW_BLOCK_BYTES);
    if (first === last && this.#last?.block === first) return undefined;
    const [from, to] = [this.#table.offsetOf(first), this.#table.offsetOf(last + 1)];
    const had = this.#stored;
    const hadEnd = had.offset + had.bytes.length;
    if (from >= had.offset && to <= hadEnd) return undefined;
    const isNear = had.bytes.length > 0 && from <= hadEnd + AHEAD_BYTES && to >= had.offset - AHEAD_BYTES;
    if (!isNear || to - from >= AHEAD_BYTES) return { offset: from, bytes: Buffer.allocUnsafe(to - from) };
    // Onwards from what is wanted, or down to it.
    const begin = from >= had.offset ? from : Math.max(SEALED_HEADER_BYTES, to - AHEAD_BYTES);
    return { offset: begin, bytes: Buffer.allocUnsafeSlow(Math.min(AHEAD_BYTES, this.#table.end - begin)) };
  }

  #fill(target: Uint8Array, offset: number, stored: Stored): number {
    const end = Math.min(offset + target.length, this.bytes);
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / RAW_BLOCK_BYTES);
      const raw = this.#rawBlock(block, stored);
      const from = at - block * RAW_BLOCK_BYTES;
      const part = raw.subarray(from, Math.min(raw.length, from + end - at));
      target.set(part, at - offset);
      at += part.length;
    }
    return Math.max(0, end - offset);
  }

  #rawBlock(block: number, { offset, bytes }: Stored): Buffer {
    if (this.#last?.block === block) return this.#last.raw;
    const rawBytes = rawBytesOf(block, this.bytes);
    const stored = bytes.subarray(this.#table.offsetOf(block) - offset, this.#table.offsetOf(block + 1) - offset);
    const verifies = this.#table.verifies(block, stored, this.header.number, this.#hasher);
    const raw = (verifies ? unpackBlock(stored, rawBytes) : undefined) ?? Buffer.alloc(rawBytes);
    this.#last = { block, raw };
    return raw;
  }
}

/** The header, or else its copy at the end. */
function readHeader(
  storage: ReadStorage,
  handle: FileHandle,
  { file, number, storeId, hasher }: SealedPlace,
): SealedHeader {
  const fileBytes = storage.size(handle);
  let why = 'it is shorter than its header';
  for (const offset of [0, fileBytes - SEALED_HEADER_BYTES]) {
    if (offset < 0) continue;
    const bytes = readAt(storage, handle, offset, SEALED_HEADER_BYTES);
    const found = decodeSealedHeader(bytes, fileBytes, number, storeId, hasher);
    if (found.kind === 'valid') return found.header;
    if (found.kind === 'unsupported') throw unsupported(file, String(found.format), SEALED_FORMAT);
    why = found.why;
  }
  throw corrupt(file, 0, `the sealed segment cannot be read: ${why}`);
}

/** The block table, or else its copy. */
function readTable(
  storage: ReadStorage,
  handle: FileHandle,
  header: SealedHeader,
  { file, number, hasher }: SealedPlace,
): BlockTable {
  for (const offset of [tableOffset(header), secondTableOffset(header)]) {
    const bytes = readAt(storage, handle, offset, tableBytes(header));
    if (bytes.length < tableBytes(header) || !hasher.verify(header.tableChecksum, 0, number, bytes)) continue;
    const table = new BlockTable(bytes);
    if (table.end === tableOffset(header)) return table;
  }
  throw corrupt(file, tableOffset(header), 'the block table of the sealed segment does not verify, nor does its copy');
}

function readAt(storage: ReadStorage, handle: FileHandle, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, storage.read(handle, bytes, offset));
}
