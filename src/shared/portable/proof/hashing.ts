/**
 * The hashes of a Merkle tree as RFC 9162 has them, and the two checks of its sections 2.1.3.2 and 2.1.4.2. By the
 * WebCrypto that browsers and Node.js share.
 */

/** Bytes of a SHA-256. */
export const HASH_BYTES = 32;

const LEAF = 0;
const NODE = 1;

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

/** @param data of a leaf; in Keeperlog's tree a record's digest */
export function hashLeaf(data: Uint8Array): Promise<Uint8Array> {
  return sha256(joined(LEAF, data));
}

export function hashNode(left: Uint8Array, right: Uint8Array): Promise<Uint8Array> {
  return sha256(joined(NODE, left, right));
}

export function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, i) => byte === other[i]);
}

/** Whether a path leads from the hash of leaf `index` to the root of a tree of `size` leaves. */
export async function isIncluded(
  index: number,
  size: number,
  leaf: Uint8Array,
  path: readonly Uint8Array[],
  root: Uint8Array,
): Promise<boolean> {
  if (index >= size || ![leaf, root, ...path].every(isHash)) return false;
  let at = index;
  let last = size - 1;
  let hash = leaf;
  for (const next of path) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      hash = await hashNode(next, hash);
      // A subtree at the right edge has no neighbour until it is a right child: those levels have no node in the path.
      for (; !isOdd(at) && at !== 0; last = half(last)) at = half(at);
    } else {
      hash = await hashNode(hash, next);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 && isSame(hash, root);
}

/** A tree as a checkpoint tells it. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether the leaves of the older tree are the first ones of the newer tree. */
export async function isConsistent(older: TreeHead, newer: TreeHead, path: readonly Uint8Array[]): Promise<boolean> {
  if (older.size > newer.size || !path.every(isHash)) return false;
  if (older.size === 0 && !isSame(older.root, await sha256(new Uint8Array()))) return false;
  if (older.size === newer.size) return path.length === 0 && isSame(older.root, newer.root);
  if (older.size === 0) return path.length === 0 && isHash(newer.root);
  const [first, ...rest] = isPowerOfTwo(older.size) ? [older.root, ...path] : path;
  if (first === undefined) return false;
  let at = older.size - 1;
  let last = newer.size - 1;
  for (; isOdd(at); last = half(last)) at = half(at);
  let olderHash = first;
  let newerHash = first;
  for (const next of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      olderHash = await hashNode(next, olderHash);
      newerHash = await hashNode(next, newerHash);
      for (; !isOdd(at) && at !== 0; last = half(last)) at = half(at);
    } else {
      newerHash = await hashNode(newerHash, next);
    }
    at = half(at);
    last = half(last);
  }
  return last === 0 && isSame(olderHash, older.root) && isSame(newerHash, newer.root);
}

function joined(kind: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 1));
  bytes[0] = kind;
  let at = 1;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function isHash(bytes: Uint8Array): boolean {
  return bytes.length === HASH_BYTES;
}

// Sizes go beyond 32 bits: no shifts.
const half = (number: number): number => Math.floor(number / 2);
const isOdd = (number: number): boolean => number % 2 === 1;

function isPowerOfTwo(number: number): boolean {
  let rest = number;
  while (rest > 1 && !isOdd(rest)) rest = half(rest);
  return rest === 1;
}
