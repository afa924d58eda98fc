/**
 * The parts of a sealed segment's file around its blocks: header and block table, each there twice, and the digests. Reads go by
 * what is left of them; here is also found what they do without.
 */
import { corrupt, unsupported } from './damage.js';
import type { PlaceHasher } from './format/checksum.js';
import { sameChecksum } from './format/frame.js';
import {
  BlockTable,
  COMPACTED_FORMAT,
  DIGEST_BYTES,
  decodeSealedHeader,
  digestsOffset,
  SEALED_HEADER_BYTES,
  type SealedHeader,
  secondTableOffset,
  tableBytes,
  tableOffset,
} from './format/sealed.js';
import type { FileHandle, ReadStorage } from './storage.js';

/** What a sealed segment is verified with. */
export interface SealedPlace {
  readonly file: string;
  readonly number: number;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
}

/** A part that does not verify, and where it begins. */
export interface DamagedPart {
  readonly what: string;
  readonly offset: number;
  readonly isOfDigests: boolean;
}

/** Digests are looked at in pieces of so many bytes. */
const PIECE_BYTES = 1024 * 1024;

/** The header, or else its copy at the end. */
export function readHeader(
  storage: ReadStorage,
  handle: FileHandle,
  { file, number, storeId, hasher }: SealedPlace,
): SealedHeader {
  const fileBytes = storage.size(handle);
  let why = 'it is shorter than its header';
  for (const offset of headerOffsets(fileBytes)) {
    const bytes = readAt(storage, handle, offset, SEALED_HEADER_BYTES);
    const found = decodeSealedHeader(bytes, fileBytes, number, storeId, hasher);
    if (found.kind === 'valid') return found.header;
    if (found.kind === 'unsupported') throw unsupported(file, String(found.format), COMPACTED_FORMAT);
    why = found.why;
  }
  throw corrupt(file, 0, `the sealed segment cannot be read: ${why}`);
}

/** The block table, or else its copy. */
export function readTable(
  storage: ReadStorage,
  handle: FileHandle,
  header: SealedHeader,
  { file, hasher }: SealedPlace,
): BlockTable {
  for (const offset of tableOffsets(header)) {
    const bytes = tableAt(storage, handle, header, offset, hasher);
    if (bytes === undefined) continue;
    const table = new BlockTable(bytes);
    if (table.end === tableOffset(header)) return table;
  }
  throw corrupt(file, tableOffset(header), 'the block table of the sealed segment does not verify, nor does its copy');
}

/**
 * What does not verify of a sealed segment that can be read, beside its blocks: with the next bad sector it may be lost.
 * @throws ERR_CORRUPT where neither header, or neither block table, verifies; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export function damagedParts(storage: ReadStorage, place: SealedPlace): DamagedPart[] {
  const { number, storeId, hasher } = place;
  const handle = storage.openRead(place.file);
  try {
    const header = readHeader(storage, handle, place);
    readTable(storage, handle, header, place);
    const fileBytes = storage.size(handle);
    const damaged: DamagedPart[] = [];
    const add = (what: string, offset: number, isOfDigests = false): void => {
      damaged.push({ what, offset, isOfDigests });
    };
    for (const [i, offset] of headerOffsets(fileBytes).entries()) {
      const bytes = readAt(storage, handle, offset, SEALED_HEADER_BYTES);
      const found = decodeSealedHeader(bytes, fileBytes, number, storeId, hasher);
      if (found.kind !== 'valid') add(i === 0 ? 'the header' : 'the copy of the header', offset);
    }
    for (const [i, offset] of tableOffsets(header).entries()) {
      if (tableAt(storage, handle, header, offset, hasher) !== undefined) continue;
      add(i === 0 ? 'the block table' : 'the copy of the block table', offset);
    }
    const digests = piecesOf(storage, handle, digestsOffset(header), header.count * DIGEST_BYTES);
    if (!sameChecksum(hasher.digestOf(number, digests), header.digestsChecksum)) {
      add('the section of digests', digestsOffset(header), true);
    }
    return damaged.sort((one, other) => one.offset - other.offset);
  } finally {
    storage.close(handle);
  }
}

function headerOffsets(fileBytes: number): number[] {
  return [0, fileBytes - SEALED_HEADER_BYTES].filter((offset) => offset >= 0);
}

function tableOffsets(header: SealedHeader): number[] {
  return [tableOffset(header), secondTableOffset(header)];
}

/** The bytes of a block table, where they verify. */
function tableAt(
  storage: ReadStorage,
  handle: FileHandle,
  header: SealedHeader,
  offset: number,
  hasher: PlaceHasher,
): Buffer | undefined {
  const bytes = readAt(storage, handle, offset, tableBytes(header));
  const isWhole = bytes.length === tableBytes(header);
  return isWhole && hasher.verify(header.tableChecksum, 0, header.number, bytes) ? bytes : undefined;
}

/** Each is overwritten by the next one. */
function* piecesOf(storage: ReadStorage, handle: FileHandle, offset: number, length: number): Generator<Buffer> {
  const memory = Buffer.allocUnsafe(Math.min(PIECE_BYTES, length));
  for (let done = 0; done < length; done += memory.length) {
    const piece = memory.subarray(0, Math.min(memory.length, length - done));
    yield piece.subarray(0, storage.read(handle, piece, offset + done));
  }
}

function readAt(storage: ReadStorage, handle: FileHandle, offset: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, storage.read(handle, bytes, offset));
}
