/**
 * A value inside MessagePack, by the keys that lead to it, with nothing around it decoded: what a query compares is often a few
 * bytes of a payload of kilobytes.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { MessagePackScan } from './messagepack-check.js';

/** A key of an object, or the place of an element of a list. */
export interface PathKey {
  readonly bytes: Uint8Array;
  /** -1 where the key is no place. */
  readonly place: number;
}

/** Where a value is. Unit: bytes. */
export interface ValueRange {
  readonly start: number;
  readonly end: number;
}

/** Places have one form: no sign, no leading zero. */
const PLACE = /^(0|[1-9][0-9]{0,9})$/;
/** Decoders make another name of it, so that it is not found among the bytes. */
const RENAMED = '__proto__';

/** The keys of a path, ready to be looked for; undefined where it has to be followed in the decoded value. */
export function pathKeysOf(path: readonly string[]): readonly PathKey[] | undefined {
  if (path.includes(RENAMED)) return undefined;
  return path.map((key) => ({ bytes: Buffer.from(key), place: PLACE.test(key) ? Number(key) : -1 }));
}

/**
 * Where the value is that a path leads to; undefined where it leads nowhere. Of a key that is there twice the first counts: the
 * writer of this package writes none twice.
 * @throws Error where the bytes on the way are no plain MessagePack
 */
export function findValue(
  bytes: Uint8Array,
  start: number,
  end: number,
  path: readonly PathKey[],
): ValueRange | undefined {
  const scan = new MessagePackScan(bytes, start, end);
  let depth = 0;
  for (const key of path) if (!enter(scan, bytes, key, depth++)) return undefined;
  const { at } = scan;
  scan.value(depth);
  return { start: at, end: scan.at };
}

/** Go to what the value that is next has under a key; false where it has nothing there. */
function enter(scan: MessagePackScan, bytes: Uint8Array, key: PathKey, depth: number): boolean {
  const byte = bytes[scan.at]!;
  if ((byte & 0xf0) === 0x80 || byte === 0xde || byte === 0xdf) {
    for (let left = countAt(scan, bytes, byte); left > 0; left--) {
      const start = scan.at;
      scan.value(depth + 1);
      if (isKey(bytes, start, scan.at, key.bytes)) return true;
      scan.value(depth + 1);
    }
    return false;
  }
  if ((byte & 0xf0) !== 0x90 && byte !== 0xdc && byte !== 0xdd) return false;
  const count = countAt(scan, bytes, byte);
  if (key.place === -1 || key.place >= count) return false;
  for (let i = 0; i < key.place; i++) scan.value(depth + 1);
  return true;
}

/** How many members the container has that is next, and on to the first of them. */
function countAt(scan: MessagePackScan, bytes: Uint8Array, byte: number): number {
  const { at } = scan;
  if (byte < 0xa0) {
    scan.at = at + 1;
    return byte & 0x0f;
  }
  // 0xdc and 0xde have two bytes of length, 0xdd and 0xdf four.
  const length = (byte & 1) === 0 ? 2 : 4;
  scan.at = at + 1 + length;
  let count = 0;
  for (let i = at + 1; i < scan.at; i++) count = count * 256 + bytes[i]!;
  return count;
}

/** Whether a text from one offset to another, its length before it, is a key. */
function isKey(bytes: Uint8Array, start: number, end: number, key: Uint8Array): boolean {
  const head = end - start - key.length;
  const byte = bytes[start]!;
  const isText = (byte & 0xe0) === 0xa0 ? head === 1 : byte >= 0xd9 && byte <= 0xdb && head === 1 + 2 ** (byte - 0xd9);
  if (!isText) return false;
  for (let i = 0; i < key.length; i++) if (bytes[start + head + i] !== key[i]) return false;
  return true;
}
