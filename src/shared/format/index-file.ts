/**
 * The index of a sealed segment: where its records begin, and which of them have a value, for each of seven fields. It is
 * derived from the segment, never an authority, and made again wherever it is not there or does not verify. Every part of it
 * is a block that is read, and verified, by itself.
 *
 *      0  u32  magic 0x78694c4b ("KLix")
 *      4  u16  format, 1
 *      6  u16  zero
 *      8  16 B store id
 *     24  u32  number of the segment
 *     28  u32  bytes of the file, lower half
 *     32  u32  its upper half
 *     36  u32  zero
 *     40  u64  first sequence of the segment
 *     48  u64  number of places: last sequence - first sequence + 1
 *     56  u64  number of records
 *     64  u64  raw bytes: the end of the last frame
 *     72  8 B  header checksum of the last frame
 *     80  u64  first timestamp, 0 where there is no record
 *     88  u64  last timestamp
 *     96  u64  offset of the directory of record offsets (index-offsets.ts)
 *    104  u8   bytes of the node id, which follows: up to 64
 *    169  7 B  zero
 *    176  for each of stream, type, tags, agent, session, correlation id, causes: 32 B
 *           u64 offset, u32 bytes of the root of its dictionary (index-tree.ts), 0 where it has no value
 *           u64 offset of its filter (index-filter.ts), u32 number of the filter's blocks, 0 where there is none
 *           u64 number of values
 *    400  104 B zero
 *    504  8 B  XXH3 of bytes 0 to 504, place: this segment
 *    512  the blocks, in any order, each with 8 B behind it: XXH3 of the checksum of the last frame (above), u64 offset of the
 *         block and its bytes, place: this segment
 *
 * The place of a record is its sequence less the first one. The dictionary of causes has ids of own events by their numbers:
 * the node id says which those are.
 */
import type { PostedField } from '../portable/query/narrow.js';
import { CHECKSUM_BYTES, type PlaceHasher, STORE_ID_BYTES } from './checksum.js';
import type { BlockRef } from './index-offsets.js';
import { isSafeInteger, readSafeInteger, writeSafeInteger } from './record.js';

export const INDEX_MAGIC = 0x78694c4b;
export const INDEX_FORMAT = 1;
export const INDEX_HEADER_BYTES = 512;

/** The fields, in the order of the header. */
export const INDEXED = [
  'stream',
  'type',
  'tags',
  'agent',
  'session',
  'correlationId',
  'causes',
] as const satisfies PostedField[];

const STORE = 8;
const LAST_FRAME = 72;
const NODE_ID = 104;
const MAX_NODE_ID_BYTES = 64;
const FIELDS = 176;
const FIELD_BYTES = 32;
const CHECKSUM = 504;
/** More records are not in a segment: a place is a u32. */
const MAX_PLACES = 2 ** 32;

/** What an index is of; the index of anything else, or of what it was before, is stale. */
export interface IndexedSegment {
  readonly number: number;
  readonly firstSequence: number;
  /** Records. */
  readonly count: number;
  readonly rawBytes: number;
  /** Header checksum of the last frame. */
  readonly lastFrame: Uint8Array;
}

export interface FieldIndex {
  /** Undefined where no record has a value. */
  readonly root: BlockRef | undefined;
  readonly filterOffset: number;
  readonly filterBlocks: number;
  readonly values: number;
}

export interface IndexHeader {
  readonly segment: IndexedSegment;
  readonly nodeId: string;
  readonly fileBytes: number;
  /** Places of records: last sequence - first sequence + 1. */
  readonly places: number;
  readonly firstTimestampNs: bigint;
  readonly lastTimestampNs: bigint;
  readonly directoryOffset: number;
  readonly fields: Readonly<Record<PostedField, FieldIndex>>;
}

export function encodeIndexHeader(header: IndexHeader, storeId: Uint8Array, hasher: PlaceHasher): Buffer {
  const { segment, nodeId } = header;
  const bytes = Buffer.alloc(INDEX_HEADER_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(0, INDEX_MAGIC, true);
  view.setUint16(4, INDEX_FORMAT, true);
  bytes.set(storeId, STORE);
  view.setUint32(24, segment.number, true);
  view.setUint32(28, header.fileBytes >>> 0, true);
  view.setUint32(32, Math.floor(header.fileBytes / 2 ** 32), true);
  writeSafeInteger(view, 40, segment.firstSequence);
  writeSafeInteger(view, 48, header.places);
  writeSafeInteger(view, 56, segment.count);
  writeSafeInteger(view, 64, segment.rawBytes);
  bytes.set(segment.lastFrame, LAST_FRAME);
  view.setBigUint64(80, header.firstTimestampNs, true);
  view.setBigUint64(88, header.lastTimestampNs, true);
  writeSafeInteger(view, 96, header.directoryOffset);
  bytes[NODE_ID] = nodeId.length;
  bytes.write(nodeId, NODE_ID + 1, 'latin1');
  for (const [i, field] of INDEXED.entries()) {
    const at = FIELDS + i * FIELD_BYTES;
    const { root, filterOffset, filterBlocks, values } = header.fields[field];
    writeSafeInteger(view, at, root?.offset ?? 0);
    view.setUint32(at + 8, root?.length ?? 0, true);
    writeSafeInteger(view, at + 12, filterOffset);
    view.setUint32(at + 20, filterBlocks, true);
    writeSafeInteger(view, at + 24, values);
  }
  bytes.set(hasher.digest(segment.number, bytes.subarray(0, CHECKSUM)), CHECKSUM);
  return bytes;
}

/** The header of the index of the segment with this number; undefined where it does not verify as one, or is of another format. */
export function decodeIndexHeader(
  bytes: Buffer,
  number: number,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): IndexHeader | undefined {
  if (bytes.length < INDEX_HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(0, true) !== INDEX_MAGIC || view.getUint16(4, true) !== INDEX_FORMAT) return undefined;
  if (!hasher.verify(bytes, CHECKSUM, number, bytes.subarray(0, CHECKSUM))) return undefined;
  const sameStore = bytes.subarray(STORE, STORE + STORE_ID_BYTES).equals(storeId);
  if (!sameStore || view.getUint32(24, true) !== number) return undefined;
  for (const at of [40, 48, 56, 64, 96]) if (!isSafeInteger(view, at)) return undefined;
  const nodeIdBytes = bytes[NODE_ID]!;
  const places = readSafeInteger(view, 48);
  const upper = view.getUint32(32, true);
  if (nodeIdBytes > MAX_NODE_ID_BYTES || places > MAX_PLACES || upper >= 2 ** 21) return undefined;
  const fields: [PostedField, FieldIndex][] = [];
  for (const [i, field] of INDEXED.entries()) {
    const found = decodeField(view, FIELDS + i * FIELD_BYTES);
    if (found === undefined) return undefined;
    fields.push([field, found]);
  }
  return {
    segment: {
      number,
      firstSequence: readSafeInteger(view, 40),
      count: readSafeInteger(view, 56),
      rawBytes: readSafeInteger(view, 64),
      lastFrame: new Uint8Array(bytes.subarray(LAST_FRAME, LAST_FRAME + CHECKSUM_BYTES)),
    },
    nodeId: bytes.toString('latin1', NODE_ID + 1, NODE_ID + 1 + nodeIdBytes),
    fileBytes: upper * 2 ** 32 + view.getUint32(28, true),
    places,
    firstTimestampNs: view.getBigUint64(80, true),
    lastTimestampNs: view.getBigUint64(88, true),
    directoryOffset: readSafeInteger(view, 96),
    fields: Object.fromEntries(fields) as Record<PostedField, FieldIndex>,
  };
}

function decodeField(view: DataView, at: number): FieldIndex | undefined {
  for (const place of [at, at + 12, at + 24]) if (!isSafeInteger(view, place)) return undefined;
  const length = view.getUint32(at + 8, true);
  return {
    root: length === 0 ? undefined : { offset: readSafeInteger(view, at), length },
    filterOffset: readSafeInteger(view, at + 12),
    filterBlocks: view.getUint32(at + 20, true),
    values: readSafeInteger(view, at + 24),
  };
}

/** The checksum that follows a block. */
export function blockChecksum(
  { number, lastFrame }: Pick<IndexedSegment, 'number' | 'lastFrame'>,
  offset: number,
  bytes: Uint8Array,
  hasher: PlaceHasher,
): Uint8Array {
  return hasher.digest(number, placeOf(lastFrame, offset), bytes);
}

/** The block, without its checksum; undefined where it does not verify as the one of its segment and offset. */
export function verifiedBlock(
  { number, lastFrame }: Pick<IndexedSegment, 'number' | 'lastFrame'>,
  { offset, length }: BlockRef,
  stored: Buffer,
  hasher: PlaceHasher,
): Buffer | undefined {
  if (stored.length !== length + CHECKSUM_BYTES) return undefined;
  const bytes = stored.subarray(0, length);
  return hasher.verify(stored, length, number, placeOf(lastFrame, offset), bytes) ? bytes : undefined;
}

function placeOf(lastFrame: Uint8Array, offset: number): Buffer {
  const place = Buffer.alloc(CHECKSUM_BYTES + 8);
  place.set(lastFrame);
  writeSafeInteger(new DataView(place.buffer, place.byteOffset + CHECKSUM_BYTES), 0, offset);
  return place;
}
