/**
 * A sealed segment's file, read as the raw segment that it was. A block of it that does not verify reads as zeros, in which no
 * frame and no record is: so whoever reads finds out which sequences are hit, as in a raw one.
 */
import { corrupt, unsupported } from './damage.js';
import type { PlaceHasher } from './format/checksum.js';
import {
  BlockTable,
  COMPACTED_FORMAT,
  decodeSealedHeader,
  RAW_BLOCK_BYTES,
  rawBytesOf,
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

/** Some blocks, and their stored bytes as the disk gives them. */
interface Stored {
  readonly first: number;
  /** Where they are in the file. */
  readonly offset: number;
  readonly bytes: Buffer;
}

export class SealedSegment {
  readonly header: SealedHeader;
  readonly #storage: ReadStorage;
  readonly #handle: FileHandle;
  readonly #hasher: PlaceHasher;
  readonly #table: BlockTable;
  /** The block that was unpacked last: reads go on where others have ended. */
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
    const stored = this.#storedFor(target.length, offset);
    const length = stored === undefined ? 0 : this.#storage.read(this.#handle, stored.bytes, stored.offset);
    return this.#fill(target, offset, stored, length);
  }

  async readAsync(target: Uint8Array, offset: number): Promise<number> {
    const stored = this.#storedFor(target.length, offset);
    const length = stored === undefined ? 0 : await this.#storage.readAsync(this.#handle, stored.bytes, stored.offset);
    return this.#fill(target, offset, stored, length);
  }

  /** Whether these raw bytes are in it from the beginning of a block on. */
  holds(expected: Buffer, offset: number): boolean {
    if (offset + expected.length > this.bytes) return false;
    const stored = this.#storedFor(expected.length, offset);
    const length = stored === undefined ? 0 : this.#storage.read(this.#handle, stored.bytes, stored.offset);
    const bytes = stored?.bytes.subarray(0, length);
    for (let at = 0; at < expected.length; at += RAW_BLOCK_BYTES) {
      const raw = this.#rawBlock((offset + at) / RAW_BLOCK_BYTES, bytes, stored?.offset ?? 0);
      if (!raw.equals(expected.subarray(at, at + RAW_BLOCK_BYTES))) return false;
    }
    return true;
  }

  close(): void {
    this.#storage.close(this.#handle);
  }

  /** The blocks that a read wants, and memory for them; undefined where none has to be read. */
  #storedFor(length: number, offset: number): Stored | undefined {
    const end = Math.min(offset + length, this.bytes);
    if (end <= offset) return undefined;
    const first = Math.floor(offset / RAW_BLOCK_BYTES);
    const last = Math.floor((end - 1) / RAW_BLOCK_BYTES);
    if (first === last && this.#last?.block === first) return undefined;
    const from = this.#table.offsetOf(first);
    return { first, offset: from, bytes: Buffer.allocUnsafe(this.#table.offsetOf(last + 1) - from) };
  }

  #fill(target: Uint8Array, offset: number, stored: Stored | undefined, length: number): number {
    const end = Math.min(offset + target.length, this.bytes);
    const bytes = stored?.bytes.subarray(0, length);
    for (let at = offset; at < end; ) {
      const block = Math.floor(at / RAW_BLOCK_BYTES);
      const raw = this.#rawBlock(block, bytes, stored?.offset ?? 0);
      const from = at - block * RAW_BLOCK_BYTES;
      const part = raw.subarray(from, Math.min(raw.length, from + end - at));
      target.set(part, at - offset);
      at += part.length;
    }
    return Math.max(0, end - offset);
  }

  #rawBlock(block: number, bytes: Buffer | undefined, offset: number): Buffer {
    if (this.#last?.block === block) return this.#last.raw;
    const rawBytes = rawBytesOf(block, this.bytes);
    const stored = bytes?.subarray(this.#table.offsetOf(block) - offset, this.#table.offsetOf(block + 1) - offset);
    const verifies = stored !== undefined && this.#table.verifies(block, stored, this.header.number, this.#hasher);
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
    if (found.kind === 'unsupported') throw unsupported(file, String(found.format), COMPACTED_FORMAT);
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
