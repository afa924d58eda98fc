/** Bytes that are almost right: a valid encoding, changed in a few places. */
import type { Random } from '../crash/random.js';

/** Numbers that a length or a count should not be. */
const EXTREMES = [
  0, 1, 2, 7, 8, 63, 64, 65, 127, 128, 255, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff,
];

export function below(random: Random, end: number): number {
  return Math.floor(random() * end);
}

export function pick<T>(random: Random, list: readonly T[]): T {
  return list[below(random, list.length)]!;
}

export function arbitraryBytes(random: Random, maxLength: number): Buffer {
  return Buffer.from(Array.from({ length: below(random, maxLength + 1) }, () => below(random, 256)));
}

/** A copy of the bytes with one to four changes; one time in sixteen bytes that have nothing to do with them. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  if (random() < 1 / 16) return arbitraryBytes(random, bytes.length + 64);
  let changed: Buffer = Buffer.from(bytes);
  for (let left = 1 + below(random, 4); left > 0; left--) changed = pick(random, CHANGES)(random, changed);
  return changed;
}

type Change = (random: Random, bytes: Buffer) => Buffer;

const flip: Change = (random, bytes) => {
  const at = below(random, bytes.length);
  if (at < bytes.length) bytes[at] = bytes[at]! ^ (1 << below(random, 8));
  return bytes;
};

const replace: Change = (random, bytes) => {
  const at = below(random, bytes.length);
  if (at < bytes.length) bytes[at] = below(random, 256);
  return bytes;
};

/** A number of 1, 2, 4 or 8 bytes at its usual alignment, which is where lengths and counts stand. */
const extreme: Change = (random, bytes) => {
  const width = pick(random, [1, 2, 4, 8]);
  // Most often in the first bytes: there the headers are.
  const end = random() < 0.7 ? Math.min(bytes.length, 128) : bytes.length;
  const at = below(random, Math.floor(end / width)) * width;
  if (at + width > bytes.length) return bytes;
  const value = pick(random, EXTREMES);
  if (width === 8) {
    bytes.writeUInt32LE(value, at);
    bytes.writeUInt32LE(pick(random, EXTREMES), at + 4);
  } else if (random() < 0.5) bytes.writeUIntLE(value % 2 ** (8 * width), at, width);
  else bytes.writeUIntBE(value % 2 ** (8 * width), at, width);
  return bytes;
};

const truncate: Change = (random, bytes) => bytes.subarray(0, below(random, bytes.length + 1));

const extend: Change = (random, bytes) => Buffer.concat([bytes, arbitraryBytes(random, 64)]);

/** A part once more, somewhere else. */
const splice: Change = (random, bytes) => {
  const start = below(random, bytes.length + 1);
  const part = bytes.subarray(start, start + below(random, 256));
  const at = below(random, bytes.length + 1);
  const over = random() < 0.5 ? part.length : 0;
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at + over)]);
};

const CHANGES: readonly Change[] = [flip, flip, replace, extreme, extreme, extreme, truncate, extend, splice];
