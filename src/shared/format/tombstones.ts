/**
 * The tombstones in force: which streams were deleted, and up to where, as of one sequence. Replaced as a whole. Little-endian.
 *
 *      0  u32  magic "KLts"
 *      4  u16  format, 1
 *      6  u16  zero
 *      8  16 B store id
 *     24  u64  sequence up to which it is complete
 *     32  u64  number of tombstones
 *     40  u64  bytes of the tombstones
 *     48  8 B  checksum of the tombstones
 *     56  8 B  checksum of bytes 0 to 56
 *     64  the tombstones, by their sequences, of each stream the newest: u64 sequence, u16 bytes of the stream's name, the name in UTF-8
 *
 * Checksums are XXH3 over store id, 0 (u32) and the bytes.
 */
import { type PlaceHasher, STORE_ID_BYTES } from './checksum.js';
import { isSafeInteger, memoryOf, readSafeInteger, writeSafeInteger } from './record.js';

export const TOMBSTONES_HEADER_BYTES = 64;
const TOMBSTONES_MAGIC = 0x73744c4b;
const TOMBSTONES_FORMAT = 1;
const STORE_ID = 8;
const SEQUENCE = 24;
const COUNT = 32;
const BYTES = 40;
const ENTRIES_CHECKSUM = 48;
const CHECKSUM = 56;
/** Of an entry before the name. */
export const PACKED_BYTES = 10;

export interface TombstonesHeader {
  /** Every tombstone up to this one is there, but for those that have a newer one, or are below the floor. */
  readonly sequence: number;
  readonly count: number;
  /** Of all tombstones. */
  readonly bytes: number;
}

/** Streams with the sequences of their newest tombstones. */
export type TombstoneEntries = readonly (readonly [stream: string, sequence: number])[];

export interface TombstonesContent {
  readonly sequence: number;
  readonly tombstones: TombstoneEntries;
}

/** The same, one behind the other, as the file has them, in any order. */
export interface PackedTombstones {
  readonly count: number;
  readonly bytes: Uint8Array;
}

/** The whole file. */
export function encodeTombstones(content: TombstonesContent, storeId: Uint8Array, hasher: PlaceHasher): Buffer {
  const { sequence, tombstones } = content;
  const names = tombstones.map(([stream, own]) => ({ name: Buffer.from(stream), own }));
  const { bytes, view } = memoryOf(Buffer.alloc(names.reduce((sum, { name }) => sum + PACKED_BYTES + name.length, 0)));
  let at = 0;
  for (const { name, own } of names) at = packTombstone(bytes, view, at, name, own);
  return Buffer.concat(encodePacked(sequence, { count: names.length, bytes }, storeId, hasher));
}

/** The parts of the whole file. */
export function encodePacked(
  sequence: number,
  { count, bytes: packed }: PackedTombstones,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): [header: Buffer, body: Uint8Array] {
  const body = inOrder(packed);
  const { bytes, view } = memoryOf(Buffer.alloc(TOMBSTONES_HEADER_BYTES));
  view.setUint32(0, TOMBSTONES_MAGIC, true);
  view.setUint16(4, TOMBSTONES_FORMAT, true);
  bytes.set(storeId, STORE_ID);
  writeSafeInteger(view, SEQUENCE, sequence);
  writeSafeInteger(view, COUNT, count);
  writeSafeInteger(view, BYTES, body.length);
  bytes.set(hasher.digest(0, body), ENTRIES_CHECKSUM);
  bytes.set(hasher.digest(0, bytes.subarray(0, CHECKSUM)), CHECKSUM);
  return [bytes, body];
}

/** Put a tombstone where others end. Returns where it ends. */
export function packTombstone(bytes: Buffer, view: DataView, at: number, name: Uint8Array, sequence: number): number {
  writeSafeInteger(view, at, sequence);
  view.setUint16(at + 8, name.length, true);
  bytes.set(name, at + PACKED_BYTES);
  return at + PACKED_BYTES + name.length;
}

/** By their sequences, which they are as they come unless a stream was deleted again. */
function inOrder(packed: Uint8Array): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
  const endOf = (at: number): number => at + PACKED_BYTES + view.getUint16(at + 8, true);
  const isDue = (at: number): boolean => {
    const next = endOf(at);
    return next < packed.length && readSafeInteger(view, next) < readSafeInteger(view, at);
  };
  let at = 0;
  while (at < packed.length && !isDue(at)) at = endOf(at);
  if (at >= packed.length) return packed;
  const starts: number[] = [];
  for (at = 0; at < packed.length; at = endOf(at)) starts.push(at);
  starts.sort((one, other) => readSafeInteger(view, one) - readSafeInteger(view, other));
  return Buffer.concat(starts.map((start) => packed.subarray(start, endOf(start))));
}

/** The header, of the file's first bytes; undefined where it does not verify, or is of another store or format. */
export function decodeTombstonesHeader(
  first: Buffer,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): TombstonesHeader | undefined {
  if (first.length < TOMBSTONES_HEADER_BYTES) return undefined;
  const { view } = memoryOf(first);
  if (view.getUint32(0, true) !== TOMBSTONES_MAGIC || view.getUint16(4, true) !== TOMBSTONES_FORMAT) return undefined;
  if (!first.subarray(STORE_ID, STORE_ID + STORE_ID_BYTES).equals(storeId)) return undefined;
  if (!hasher.verify(first, CHECKSUM, 0, first.subarray(0, CHECKSUM))) return undefined;
  if (![SEQUENCE, COUNT, BYTES].every((at) => isSafeInteger(view, at))) return undefined;
  return {
    sequence: readSafeInteger(view, SEQUENCE),
    count: readSafeInteger(view, COUNT),
    bytes: readSafeInteger(view, BYTES),
  };
}

/** What the file says; undefined where it does not verify. */
export function decodeTombstones(
  file: Buffer,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): TombstonesContent | undefined {
  const header = decodeTombstonesHeader(file, storeId, hasher);
  if (header === undefined || file.length !== TOMBSTONES_HEADER_BYTES + header.bytes) return undefined;
  const body = file.subarray(TOMBSTONES_HEADER_BYTES);
  if (!hasher.verify(file, ENTRIES_CHECKSUM, 0, body)) return undefined;
  const tombstones = decodeEntries(body, header);
  return tombstones && { sequence: header.sequence, tombstones };
}

/** A good checksum does not make sense of nonsense. */
function decodeEntries(body: Buffer, { sequence, count }: TombstonesHeader): TombstoneEntries | undefined {
  const { view } = memoryOf(body);
  const tombstones = new Map<string, number>();
  let last = 0;
  for (let at = 0; at < body.length; ) {
    if (at + PACKED_BYTES > body.length || !isSafeInteger(view, at)) return undefined;
    const own = readSafeInteger(view, at);
    const end = at + PACKED_BYTES + view.getUint16(at + 8, true);
    if (own <= last || own > sequence || end === at + PACKED_BYTES || end > body.length) return undefined;
    const name = body.subarray(at + PACKED_BYTES, end);
    const stream = name.toString();
    if (tombstones.has(stream) || !Buffer.from(stream).equals(name)) return undefined;
    tombstones.set(stream, own);
    last = own;
    at = end;
  }
  return tombstones.size === count ? [...tombstones] : undefined;
}
