/**
 * Where each record of a segment begins, in an index file: in chunks of 1,024 records, each a block of the file by itself.
 *
 *   chunk      of the first record the offset in the raw segment, then the way from each record to the next one, and from
 *              the last one to where the next chunk's first one begins, or the segment ends: varints, in units of 8 bytes
 *   directory  for 256 chunks, the last one for fewer: u64 offset of the chunk in the index file, u32 its bytes
 *
 * What is not there any more begins where the one before it ends.
 */
import { isSafeInteger, RECORD_ALIGNMENT, readSafeInteger, writeSafeInteger } from './record.js';
import { ByteReader, ByteWriter, MalformedBytes } from './varint.js';

export const CHUNK_RECORDS = 1024;
export const CHUNKS_PER_PAGE = 256;
const ENTRY_BYTES = 12;

/** A block of the file. Unit: bytes. */
export interface BlockRef {
  readonly offset: number;
  readonly length: number;
}

export function chunksOf(records: number): number {
  return Math.ceil(records / CHUNK_RECORDS);
}

/** Bytes of the directory's page that begins with a chunk. */
export function pageBytes(chunk: number, chunks: number): number {
  return Math.min(CHUNKS_PER_PAGE, chunks - chunk) * ENTRY_BYTES;
}

/** @param offsets of the records of a chunk and of what follows them, in units of 8 bytes */
export function encodeChunk(offsets: Uint32Array): Buffer {
  const writer = new ByteWriter();
  let before = 0;
  for (const offset of offsets) {
    writer.varint(offset - before);
    before = offset;
  }
  return writer.take();
}

/**
 * The offsets of so many records and of what follows them, in units of 8 bytes.
 * @param rawBytes of the segment
 * @throws MalformedBytes
 */
export function decodeChunk(bytes: Buffer, records: number, rawBytes: number): Uint32Array {
  const reader = new ByteReader(bytes);
  const offsets = new Uint32Array(records + 1);
  let offset = 0;
  for (let i = 0; i <= records; i++) {
    offset += reader.varint();
    if (offset * RECORD_ALIGNMENT > rawBytes) throw new MalformedBytes('a record is beyond its segment');
    offsets[i] = offset;
  }
  if (reader.left > 0) throw new MalformedBytes('bytes follow the offsets');
  return offsets;
}

/** Goes through the offsets of a chunk without decoding what comes behind those that are asked for. */
export class ChunkCursor {
  readonly #reader: ByteReader;
  readonly #rawBytes: number;
  #next = 0;
  #offset = 0;

  /** @param rawBytes of the segment */
  constructor(bytes: Buffer, rawBytes: number) {
    this.#reader = new ByteReader(bytes);
    this.#rawBytes = rawBytes;
  }

  /**
   * The offset of a record of the chunk, or of what follows the last one, in units of 8 bytes.
   * @param place not before the one that was asked for last
   * @throws MalformedBytes
   */
  at(place: number): number {
    for (; this.#next <= place; this.#next++) this.#offset += this.#reader.varint();
    if (this.#offset * RECORD_ALIGNMENT > this.#rawBytes) throw new MalformedBytes('a record is beyond its segment');
    return this.#offset;
  }
}

export function encodePage(chunks: readonly BlockRef[]): Buffer {
  const bytes = Buffer.alloc(chunks.length * ENTRY_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (const [i, { offset, length }] of chunks.entries()) {
    writeSafeInteger(view, i * ENTRY_BYTES, offset);
    view.setUint32(i * ENTRY_BYTES + 8, length, true);
  }
  return bytes;
}

/** Where a chunk is, by its place in a page. @throws MalformedBytes */
export function chunkIn(page: Buffer, place: number): BlockRef {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  const at = place * ENTRY_BYTES;
  if (at + ENTRY_BYTES > page.length || !isSafeInteger(view, at)) throw new MalformedBytes('no chunk is named there');
  return { offset: readSafeInteger(view, at), length: view.getUint32(at + 8, true) };
}
