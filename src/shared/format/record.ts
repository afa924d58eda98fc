/**
 * A record: an event's bytes in the ring, in a segment and in the cache. Little-endian, 8-byte aligned.
 *
 *      0  u32  length of the whole record, padding included; a multiple of 8
 *      4  u32  checksum: CRC-32 of bytes 8 to length, begun with (CRC-32 of the store id) XOR length
 *      8  u8   kind: 1 is an event, 2 is in removed-record.ts; 0 is never a record, 0xff is padding in the ring alone
 *      9  u8   flags: 1 the first of its append, 2 the last, 4 a tombstone: what its stream has before it is deleted
 *     10  u8   data codec (payload.ts)
 *     11  u8   number of tags
 *     12  u8   number of causes
 *     13  u8   zero
 *     14  u16  bytes of the stream
 *     16  u64  sequence
 *     24  u64  revision
 *     32  u64  timestamp, nanoseconds since 1970
 *     40  u32  schema version
 *     44  u16  bytes of the type
 *     46  u16  bytes of the agent, 0 absent
 *     48  u16  bytes of the session, 0 absent
 *     50  u16  bytes of the correlation id, 0 absent
 *     52  u16  bytes of the idempotency key, 0 absent
 *     54  u16  bytes of the tags and causes
 *     56  u32  bytes of the metadata, 0 absent
 *     60  u32  bytes of the data
 *     64  stream, type, agent, session, correlation id, idempotency key: UTF-8
 *         tags, then causes: each u16 length and UTF-8; a cause of length 0xffff is followed by a u16 distance d:
 *         the event d places before this one in the same append, whose timestamp is this one's minus d
 *         metadata: a MessagePack map without the four that have fields above
 *         data
 *         zeros up to the length
 *
 * The timestamps of one append are consecutive nanoseconds, so that a distance is enough to know a cause's id.
 */
import { crc32 } from './checksum.js';

export const RECORD_HEADER_BYTES = 64;
export const RECORD_ALIGNMENT = 8;

export const KIND = { event: 1, removed: 2, padding: 0xff } as const;
export const FLAG = { first: 1, last: 2, tombstone: 4 } as const;

/** The length that says that a cause is a distance within its append. */
export const LOCAL_CAUSE = 0xffff;

const TWO_32 = 2 ** 32;
/** The upper half of a u64 that is a safe integer is less. */
const SAFE_HIGH = 2 ** 21;

/** Bytes and a view on the same memory. */
export interface Memory {
  readonly bytes: Buffer;
  readonly view: DataView;
}

export function memoryOf(bytes: Buffer): Memory {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

/** The next multiple of 8. */
export function align(bytes: number): number {
  return (bytes + (RECORD_ALIGNMENT - 1)) & ~(RECORD_ALIGNMENT - 1);
}

/** What the encoder knows of a record apart from its place in the order. Lengths are in bytes. */
export interface RecordLayout {
  length: number;
  flags: number;
  dataCodec: number;
  tagCount: number;
  causeCount: number;
  schemaVersion: number;
  streamBytes: number;
  typeBytes: number;
  agentBytes: number;
  sessionBytes: number;
  correlationBytes: number;
  keyBytes: number;
  listBytes: number;
  metadataBytes: number;
  dataBytes: number;
}

/** Write the fixed part of a record, with no checksum and no place yet. */
export function writeRecordHeader(view: DataView, at: number, layout: RecordLayout): void {
  view.setUint32(at, layout.length, true);
  view.setUint32(at + 4, 0, true);
  view.setUint8(at + 8, KIND.event);
  view.setUint8(at + 9, layout.flags);
  view.setUint8(at + 10, layout.dataCodec);
  view.setUint8(at + 11, layout.tagCount);
  view.setUint8(at + 12, layout.causeCount);
  view.setUint8(at + 13, 0);
  view.setUint16(at + 14, layout.streamBytes, true);
  view.setUint32(at + 40, layout.schemaVersion, true);
  view.setUint16(at + 44, layout.typeBytes, true);
  view.setUint16(at + 46, layout.agentBytes, true);
  view.setUint16(at + 48, layout.sessionBytes, true);
  view.setUint16(at + 50, layout.correlationBytes, true);
  view.setUint16(at + 52, layout.keyBytes, true);
  view.setUint16(at + 54, layout.listBytes, true);
  view.setUint32(at + 56, layout.metadataBytes, true);
  view.setUint32(at + 60, layout.dataBytes, true);
}

/** Give a record its place in the order. The timestamp comes as its two halves. */
export function stampRecord(
  view: DataView,
  at: number,
  sequence: number,
  revision: number,
  timestampHigh: number,
  timestampLow: number,
): void {
  writeSafeInteger(view, at + 16, sequence);
  writeSafeInteger(view, at + 24, revision);
  view.setUint32(at + 32, timestampLow, true);
  view.setUint32(at + 36, timestampHigh, true);
}

/** Mark the rest of the ring before it wraps: not a record. */
export function writePadding(view: DataView, at: number, length: number): void {
  view.setUint32(at, length, true);
  view.setUint32(at + 4, 0, true);
  view.setUint32(at + 8, KIND.padding, true);
}

/** Compute and set the checksum of a finished record. */
export function sealRecord(bytes: Buffer, view: DataView, at: number, seed: number): void {
  view.setUint32(at + 4, checksumOf(bytes, at, view.getUint32(at, true), seed), true);
}

/** Whether a whole record lies in the first `end` bytes and its checksum holds. */
export function verifyRecord(bytes: Buffer, view: DataView, at: number, end: number, seed: number): boolean {
  return (
    holdsRecord(view, at, end) && view.getUint32(at + 4, true) === checksumOf(bytes, at, view.getUint32(at, true), seed)
  );
}

/**
 * Whether what a record says of its parts lies within it, and it within the first `end` bytes. To be asked of all that is
 * decoded, checksum or not: a checksum does not protect from who can compute it.
 */
export function holdsRecord(view: DataView, at: number, end: number): boolean {
  if (at + RECORD_HEADER_BYTES > end) return false;
  const length = view.getUint32(at, true);
  if (length < RECORD_HEADER_BYTES || length % RECORD_ALIGNMENT !== 0 || length > end - at) return false;
  const kind = recordKind(view, at);
  if (kind !== KIND.event && kind !== KIND.removed) return false;
  if (!isSafeInteger(view, at + 16) || !isSafeInteger(view, at + 24)) return false;
  if (kind === KIND.removed && readSafeInteger(view, at + 24) < recordSequence(view, at)) return false;
  const parts = recordParts(view, at);
  return parts.end <= at + length && holdsLists(view, at, parts.lists, parts.metadata);
}

/** Whether tags and causes are exactly what lies between two offsets. */
function holdsLists(view: DataView, at: number, start: number, end: number): boolean {
  const tags = view.getUint8(at + 11);
  let next = start;
  for (let left = tags + view.getUint8(at + 12); left > 0; left--) {
    if (next + 2 > end) return false;
    const length = view.getUint16(next, true);
    next += length === LOCAL_CAUSE && left <= view.getUint8(at + 12) ? 4 : 2 + length;
  }
  return next === end;
}

function checksumOf(bytes: Buffer, at: number, length: number, seed: number): number {
  return crc32(new Uint8Array(bytes.buffer, bytes.byteOffset + at + 8, length - 8), (seed ^ length) >>> 0);
}

export function recordLength(view: DataView, at: number): number {
  return view.getUint32(at, true);
}

export function recordKind(view: DataView, at: number): number {
  return view.getUint8(at + 8);
}

export function recordFlags(view: DataView, at: number): number {
  return view.getUint8(at + 9);
}

/** Whether it deletes what its stream has before it. */
export function isTombstone(view: DataView, at: number): boolean {
  return (recordFlags(view, at) & FLAG.tombstone) !== 0;
}

export function recordSequence(view: DataView, at: number): number {
  return readSafeInteger(view, at + 16);
}

export function recordRevision(view: DataView, at: number): number {
  return readSafeInteger(view, at + 24);
}

export function recordTimestampNs(view: DataView, at: number): bigint {
  return view.getBigUint64(at + 32, true);
}

/** The same in whole milliseconds, without a bigint: 2^32 ns are 4,294 ms and 967,296 ns, and every step is exact. */
export function recordTimestampMs(view: DataView, at: number): number {
  const high = view.getUint32(at + 36, true);
  return high * 4294 + Math.floor((high * 967_296 + view.getUint32(at + 32, true)) / 1_000_000);
}

export function recordSchemaVersion(view: DataView, at: number): number {
  return view.getUint32(at + 40, true);
}

export function recordDataCodec(view: DataView, at: number): number {
  return view.getUint8(at + 10);
}

/** Where a record's data begins; it takes {@link recordDataBytes}. */
export function recordDataStart(view: DataView, at: number): number {
  const names = view.getUint16(at + 14, true) + view.getUint16(at + 44, true);
  const labels = view.getUint16(at + 46, true) + view.getUint16(at + 48, true) + view.getUint16(at + 50, true);
  const rest = view.getUint16(at + 52, true) + view.getUint16(at + 54, true) + view.getUint32(at + 56, true);
  return at + RECORD_HEADER_BYTES + names + labels + rest;
}

export function recordDataBytes(view: DataView, at: number): number {
  return view.getUint32(at + 60, true);
}

/** Where a record's parts begin. Bytes from the beginning of the memory; absent parts are empty. */
export interface RecordParts {
  readonly stream: number;
  readonly type: number;
  readonly agent: number;
  readonly session: number;
  readonly correlation: number;
  readonly key: number;
  readonly lists: number;
  readonly metadata: number;
  readonly data: number;
  readonly end: number;
}

/** @param into where the result is put; a new object if it is left out */
export function recordParts(view: DataView, at: number, into = noParts()): RecordParts {
  const parts: { -readonly [part in keyof RecordParts]: number } = into;
  parts.stream = at + RECORD_HEADER_BYTES;
  parts.type = parts.stream + view.getUint16(at + 14, true);
  parts.agent = parts.type + view.getUint16(at + 44, true);
  parts.session = parts.agent + view.getUint16(at + 46, true);
  parts.correlation = parts.session + view.getUint16(at + 48, true);
  parts.key = parts.correlation + view.getUint16(at + 50, true);
  parts.lists = parts.key + view.getUint16(at + 52, true);
  parts.metadata = parts.lists + view.getUint16(at + 54, true);
  parts.data = parts.metadata + view.getUint32(at + 56, true);
  parts.end = parts.data + view.getUint32(at + 60, true);
  return parts;
}

function noParts(): RecordParts {
  return { stream: 0, type: 0, agent: 0, session: 0, correlation: 0, key: 0, lists: 0, metadata: 0, data: 0, end: 0 };
}

/** Write a non-negative safe integer as u64. */
export function writeSafeInteger(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32), true);
}

/** Whether a u64 is a safe integer. */
export function isSafeInteger(view: DataView, at: number): boolean {
  return view.getUint32(at + 4, true) < SAFE_HIGH;
}

/** Read a u64 that is a safe integer: one that comes from a disk is to be asked {@link isSafeInteger} before. */
export function readSafeInteger(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * TWO_32 + view.getUint32(at, true);
}
