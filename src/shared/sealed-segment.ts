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

/** The stored bytes of some blocks, as the disk gives them. */
interface Stored {
  /** Where they are in the file. */
  readonly offset: number;
  readonly bytes: Buffer;
}

/** Stored bytes of a read, one at a time in a thread, unless they are more. Unit: bytes. */
const SHARED_BYTES = 256 * 1024;
let shared: Buffer | undefined;

function sharedMemory(length: number): Buffer {
  if (length > SHARED_BYTES) return Buffer.allocUnsafe(length);
  shared ??= Buffer.allocUnsafeSlow(SHARED_BYTES);
  return shared.subarray(0, length);
}

export class SealedSegment {
  readonly header: SealedHeader;
  readonly #storage: ReadStorage;
  readonly #handle: FileHandle;
  readonly #hasher: PlaceHasher;
  readonly #table: BlockTable;
  /** Memory of the block that was unpacked last: reads go on where others have ended. */
  readonly #memory: Buffer;
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
    const wanted = this.#wantedFor(target.length, offset);
    return this.#fill(target, offset, wanted && this.#stored(wanted));
  }

  async readAsync(target: Uint8Array, offset: number): Promise<number> {
    const wanted = this.#wantedFor(target.length, offset);
    if (wanted === undefined) return this.#fill(target, offset, undefined);
    const bytes = Buffer.allocUnsafe(wanted.length);
    const length = await this.#storage.readAsync(this.#handle, bytes, wanted.offset);
    return this.#fill(target, offset, { offset: wanted.offset, bytes: bytes.subarray(0, length) });
  }

  /** Whether these raw bytes are in it from the beginning of a block on. */
  holds(expected: Buffer, offset: number): boolean {
    if (offset + expected.length > this.bytes) return false;
    const { blockBytes } = this.header;
    const wanted = this.#wantedFor(expected.length, offset);
    const stored = wanted && this.#stored(wanted);
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

  /** Where the blocks are stored that a read wants; undefined where none has to be read. */
  #wantedFor(length: number, offset: number): { readonly offset: number; readonly length: number } | undefined {
    const end = Math.min(offset + length, this.bytes);
    if (end <= offset) return undefined;
    const { blockBytes } = this.header;
    const first = Math.floor(offset / blockBytes);
    const last = Math.floor((end - 1) / blockBytes);
    if (first === last && this.#has(first, end - first * blockBytes)) return undefined;
    const from = this.#table.offsetOf(first);
    return { offset: from, length: this.#table.offsetOf(last + 1) - from };
  }

  #has(block: number, bytes: number): boolean {
    return this.#last?.block === block && this.#last.unpacked >= bytes;
  }

  /** They are done with before the next ones are read. */
  #stored({ offset, length }: { readonly offset: number; readonly length: number }): Stored {
    const bytes = sharedMemory(length);
    return { offset, bytes: bytes.subarray(0, this.#storage.read(this.#handle, bytes, offset)) };
  }

  #fill(target: Uint8Array, offset: number, stored: Stored | undefined): number {
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
  #unpacked(block: number, wanted: number, stored: Stored | undefined): Buffer {
    const raw = this.#memory.subarray(0, rawBytesOf(block, this.header));
    if (this.#has(block, wanted)) return raw;
    const from = this.#table.offsetOf(block) - (stored?.offset ?? 0);
    const bytes = stored?.bytes.subarray(from, this.#table.offsetOf(block + 1) - (stored?.offset ?? 0));
    const verifies = bytes !== undefined && this.#table.verifies(block, bytes, this.header.number, this.#hasher);
    let unpacked = verifies ? unpackBlock(bytes, raw, this.#last?.block === block ? raw.length : wanted) : -1;
    if (unpacked === -1) {
      raw.fill(0);
      unpacked = raw.length;
    }
    this.#last = { block, unpacked };
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
