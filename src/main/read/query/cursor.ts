/**
 * A cursor: where a page ended, as text that is given back for the next one. It says nothing but a sequence, and of which
 * store and query it is, so it survives restarts and needs no secret.
 *
 *      0  u8   format: 1
 *      1  8    the beginning of the SHA-256 of the store's id
 *      9  8    the beginning of the SHA-256 of the query: its predicate as CEL, and its direction
 *     17  u64  sequence of the last row of the page, big-endian
 *
 * In base64url, without padding.
 */
import { createHash } from 'node:crypto';
import type { Direction } from '../../../shared/portable/log.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import { refuse } from '../../../shared/portable/query/refusal.js';
import { toCel } from '../../../shared/portable/query/to-cel.js';

const FORMAT = 1;
const HASH_BYTES = 8;
const STORE_AT = 1;
const QUERY_AT = STORE_AT + HASH_BYTES;
const SEQUENCE_AT = QUERY_AT + HASH_BYTES;
const CURSOR_BYTES = SEQUENCE_AT + 8;

/** What cursors belong to. */
export interface CursorOwner {
  readonly storeId: string;
  readonly predicate: Predicate;
  readonly direction: Direction;
}

export function encodeCursor(owner: CursorOwner, sequence: number): string {
  const bytes = Buffer.alloc(CURSOR_BYTES);
  bytes.writeUInt8(FORMAT);
  storeHash(owner).copy(bytes, STORE_AT);
  queryHash(owner).copy(bytes, QUERY_AT);
  bytes.writeBigUInt64BE(BigInt(sequence), SEQUENCE_AT);
  return bytes.toString('base64url');
}

/**
 * The sequence that a cursor stands for.
 * @throws ERR_INVALID_QUERY where it is none, or one of another store or query
 */
export function decodeCursor(owner: CursorOwner, cursor: string): number {
  const bytes = Buffer.from(cursor, 'base64url');
  if (bytes.toString('base64url') !== cursor || bytes.length !== CURSOR_BYTES || bytes.readUInt8() !== FORMAT) {
    throw refuse('cursor', 'is not the cursor of a page');
  }
  if (!storeHash(owner).equals(bytes.subarray(STORE_AT, QUERY_AT))) throw refuse('cursor', 'is one of another store');
  if (!queryHash(owner).equals(bytes.subarray(QUERY_AT, SEQUENCE_AT))) {
    throw refuse('cursor', 'is one of another query, or of another direction');
  }
  const sequence = Number(bytes.readBigUInt64BE(SEQUENCE_AT));
  if (!Number.isSafeInteger(sequence)) throw refuse('cursor', 'is not the cursor of a page');
  return sequence;
}

function storeHash({ storeId }: CursorOwner): Buffer {
  return hashOf(storeId);
}

function queryHash({ predicate, direction }: CursorOwner): Buffer {
  return hashOf(`${direction}\n${toCel(predicate)}`);
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest().subarray(0, HASH_BYTES);
}
