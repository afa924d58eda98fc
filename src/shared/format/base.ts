/**
 * The base: what is known of the events below the retention floor, which are in no segment any more. An authority, unlike
 * the checkpoint: the log could not make it anew. The manifest names it, with the checksum of its header.
 *
 * A table of heads and keys as {@link file://./checkpoint.ts} draws it, as of the sequence before the floor, with another
 * header, and with results behind it. Little-endian.
 *
 *   block 0, the header:
 *      0  u32  magic "KLbs"
 *      4  u16  format, 1
 *      6       up to 88 as in the checkpoint
 *     88  u64  number of results
 *     96  8 B  checksum of bytes 0 to 96
 *   blocks of heads, blocks of keys, fences, filter: as in the checkpoint;
 *   then, from the next multiple of 4,096 on, the blocks of results, by sequence, of the events of calls that had a key:
 *      0  84 entries of 48 bytes: u64 sequence, u64 timestamp in nanoseconds, u64 revision, 16 B hash of the body, 8 B zero
 *   4064  as in the checkpoint
 *
 * The hash of a body is that of names ({@link file://./name-hash.ts}) over: u32 flags, u32 data codec, u32 schema version, five u32 with
 * the bytes of each of the parts that follow, and these: the record's stream; its type; its idempotency key; its lists; its data.
 */
import {
  CHECKPOINT_BLOCK_BYTES,
  type CheckpointHeader,
  type CheckpointSections,
  checkpointBytes,
  decodeCheckpointHeader,
  encodeCheckpointHeader,
  type TableKind,
  verifyBlock,
} from './checkpoint.js';
import type { PlaceHasher } from './checksum.js';
import type { NameHash, NameHasher } from './name-hash.js';
import {
  isSafeInteger,
  type Memory,
  readSafeInteger,
  recordDataCodec,
  recordFlags,
  recordParts,
  recordRevision,
  recordSchemaVersion,
  recordSequence,
  recordTimestampNs,
  writeSafeInteger,
} from './record.js';

const BASE: TableKind = { magic: 0x73624c4b, format: 1 };
export const RESULT_BYTES = 48;
export const RESULTS_PER_BLOCK = 84;
const RESULTS = 88;
const CHECKSUM = 96;

export interface BaseHeader extends CheckpointHeader {
  readonly results: number;
  /** As the manifest has it. */
  readonly checksum: string;
}

/** Where the blocks of results begin. Unit: blocks. */
export function firstResultBlock(header: CheckpointHeader): number {
  return Math.ceil(checkpointBytes(header) / CHECKPOINT_BLOCK_BYTES);
}

export function resultBlocks(results: number): number {
  return Math.ceil(results / RESULTS_PER_BLOCK);
}

/** How long the file is. Unit: bytes. */
export function baseBytes(header: BaseHeader): number {
  if (header.results === 0) return checkpointBytes(header);
  return (firstResultBlock(header) + resultBlocks(header.results)) * CHECKPOINT_BLOCK_BYTES;
}

export function encodeBaseHeader(
  sections: CheckpointSections,
  results: number,
  storeId: Uint8Array,
  hasher: PlaceHasher,
): { readonly block: Buffer; readonly checksum: string } {
  const block = encodeCheckpointHeader(sections, storeId, hasher, BASE);
  writeSafeInteger(new DataView(block.buffer, block.byteOffset, block.length), RESULTS, results);
  const checksum = hasher.digest(0, block.subarray(0, CHECKSUM));
  block.set(checksum, CHECKSUM);
  return { block, checksum: Buffer.from(checksum).toString('hex') };
}

/** The header in a file's first block, or undefined if it is none of this store, or says what cannot be. */
export function decodeBaseHeader(block: Buffer, hasher: PlaceHasher): BaseHeader | undefined {
  const header = decodeCheckpointHeader(block, hasher, BASE);
  if (header === undefined || !hasher.verify(block, CHECKSUM, 0, block.subarray(0, CHECKSUM))) return undefined;
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  if (!isSafeInteger(view, RESULTS)) return undefined;
  const checksum = block.toString('hex', CHECKSUM, CHECKSUM + 8);
  return { ...header, results: readSafeInteger(view, RESULTS), checksum };
}

/** The number of a result block's entries, or -1 if it does not verify. */
export function verifyResultBlock(block: Buffer, number: number, sequence: number, hasher: PlaceHasher): number {
  const count = verifyBlock(block, number, sequence, hasher);
  return count <= RESULTS_PER_BLOCK ? count : -1;
}

/** What is kept of an event. */
export interface StoredResult {
  readonly sequence: number;
  readonly timestampNs: bigint;
  readonly revision: number;
  readonly body: NameHash;
}

/** The entry of a record. */
export function encodeResult(hasher: NameHasher, memory: Memory, at: number): Buffer {
  const entry = Buffer.alloc(RESULT_BYTES);
  const view = new DataView(entry.buffer, entry.byteOffset, RESULT_BYTES);
  writeSafeInteger(view, 0, recordSequence(memory.view, at));
  view.setBigUint64(8, recordTimestampNs(memory.view, at), true);
  writeSafeInteger(view, 16, recordRevision(memory.view, at));
  for (const [i, word] of hashBody(hasher, memory, at).entries()) view.setUint32(24 + 4 * i, word, true);
  return entry;
}

export function readResult(bytes: Uint8Array, at: number): StoredResult {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (i: number): number => view.getUint32(at + 24 + 4 * i, true);
  return {
    sequence: readSafeInteger(view, at),
    timestampNs: view.getBigUint64(at + 8, true),
    revision: readSafeInteger(view, at + 16),
    body: Uint32Array.of(word(0), word(1), word(2), word(3)),
  };
}

/** What tells a record's body apart from every other one. */
export function hashBody(hasher: NameHasher, { bytes, view }: Memory, at: number): NameHash {
  const parts = recordParts(view, at);
  const body = [
    bytes.subarray(parts.stream, parts.type),
    bytes.subarray(parts.type, parts.agent),
    bytes.subarray(parts.key, parts.lists),
    bytes.subarray(parts.lists, parts.metadata),
    bytes.subarray(parts.data, parts.end),
  ];
  const numbers = [recordFlags(view, at), recordDataCodec(view, at), recordSchemaVersion(view, at)];
  const head = Buffer.alloc(32);
  for (const [i, number] of [...numbers, ...body.map(({ length }) => length)].entries()) {
    head.writeUInt32LE(number, 4 * i);
  }
  return hasher.hashParts([head, ...body]);
}
