/**
 * Writes a value as MessagePack, straight to where it is to be, and checks it on the way: every member is read once.
 * Objects are maps of 16-bit size where that holds them, integers beyond 32 bits are floats, bigints are 64-bit integers,
 * dates are timestamps (extension -1); members that are undefined are left out.
 *
 * A codec of our own because a check, an encoding by a library and a copy to the ring cost twice as much as all three in
 * one pass; the tests hold it against @msgpack/msgpack, the reference for what is on disk, and against msgpackr.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */
import { Encoder } from '@msgpack/msgpack';
import { invalidEvent } from '../names.js';
import { MAX_DEPTH } from './messagepack-check.js';
import { isPlainArray, isPlainObject } from './plain.js';
import type { Memory } from './record.js';

/** What is returned for what does not fit. */
export const NO_ROOM = -1;

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/** Shorter strings have their length in one byte. They are written character by character: a call into the runtime costs more. */
const SHORT = 0x20;
/** The largest header, and the largest number. Unit: bytes. */
const HEADER = 5;
const NUMBER = 9;

/** Why a value is not written: what is wrong with it, or this. */
const DOES_NOT_FIT = 'does not fit';

const hasOwn = Object.prototype.hasOwnProperty;
const NO_MEMORY: Memory = { bytes: Buffer.alloc(0), view: new DataView(new ArrayBuffer(0)) };

/** One for each thread, and not reentrant: nothing in a value may come back to it. */
export class MessagePackWriter {
  /** For what is rare. */
  readonly #reference = new Encoder();
  #bytes = NO_MEMORY.bytes;
  #view = NO_MEMORY.view;
  #at = 0;
  #end = 0;
  /** Where a problem is, from the inside out. */
  #path: (string | number)[] = [];

  /**
   * Write a value from `at` on. Returns how many bytes it took, or {@link NO_ROOM} where there may be too few before
   * `end`: a few bytes less than that may have been enough. What is written then means nothing.
   * @throws ERR_INVALID_EVENT with the path of what cannot be held
   */
  write(value: unknown, path: string, target: Memory, at: number, end: number): number {
    this.#bytes = target.bytes;
    this.#view = target.view;
    this.#at = at;
    this.#end = end;
    const problem = this.#value(value, 1);
    if (problem === undefined) return this.#at - at;
    const keys = this.#path.reverse();
    this.#path = [];
    if (problem === DOES_NOT_FIT) return NO_ROOM;
    throw invalidEvent(
      keys.reduce<string>((where, key) => where + formatKey(key), path),
      problem,
    );
  }

  /** Returns what is wrong with a value, its path left behind; or undefined. */
  #value(value: unknown, depth: number): string | undefined {
    switch (typeof value) {
      case 'string':
        return this.#string(value);
      case 'number':
        return this.#number(value);
      case 'boolean':
        return this.#byte(value ? 0xc3 : 0xc2);
      case 'undefined':
        return this.#byte(0xc0);
      case 'object':
        return value === null ? this.#byte(0xc0) : this.#object(value, depth);
      case 'bigint':
        return this.#bigint(value);
      default:
        return `is a ${typeof value}, which cannot be stored`;
    }
  }

  #byte(byte: number): string | undefined {
    if (this.#at >= this.#end) return DOES_NOT_FIT;
    this.#bytes[this.#at++] = byte;
    return undefined;
  }

  #number(value: number): string | undefined {
    const bytes = this.#bytes;
    const at = this.#at;
    if (at + NUMBER > this.#end) return DOES_NOT_FIT;
    if (value >>> 0 === value) {
      if (value < 0x80) {
        bytes[at] = value;
        this.#at = at + 1;
      } else if (value < 0x100) {
        bytes[at] = 0xcc;
        bytes[at + 1] = value;
        this.#at = at + 2;
      } else if (value < 0x10000) {
        bytes[at] = 0xcd;
        bytes[at + 1] = value >>> 8;
        bytes[at + 2] = value;
        this.#at = at + 3;
      } else {
        bytes[at] = 0xce;
        this.#view.setUint32(at + 1, value);
        this.#at = at + 5;
      }
    } else if (value >> 0 === value) {
      if (value >= -0x20) {
        bytes[at] = value;
        this.#at = at + 1;
      } else if (value >= -0x80) {
        bytes[at] = 0xd0;
        bytes[at + 1] = value;
        this.#at = at + 2;
      } else if (value >= -0x8000) {
        bytes[at] = 0xd1;
        this.#view.setInt16(at + 1, value);
        this.#at = at + 3;
      } else {
        bytes[at] = 0xd2;
        this.#view.setInt32(at + 1, value);
        this.#at = at + 5;
      }
    } else {
      bytes[at] = 0xcb;
      this.#view.setFloat64(at + 1, value);
      this.#at = at + 9;
    }
    return undefined;
  }

  #bigint(value: bigint): string | undefined {
    if (value < INT64_MIN || value > UINT64_MAX) return 'is a bigint outside of int64 and uint64';
    const at = this.#at;
    if (at + NUMBER > this.#end) return DOES_NOT_FIT;
    this.#bytes[at] = value < 0n ? 0xd3 : 0xcf;
    this.#view.setBigUint64(at + 1, BigInt.asUintN(64, value));
    this.#at = at + 9;
    return undefined;
  }

  #string(text: string): string | undefined {
    const { length } = text;
    if (length < SHORT) {
      const start = this.#at + 1;
      if (start + length > this.#end) return DOES_NOT_FIT;
      const bytes = this.#bytes;
      let bits = 0;
      for (let i = 0; i < length; i++) {
        const code = text.charCodeAt(i);
        bits |= code;
        bytes[start + i] = code;
      }
      if (bits < 0x80) {
        bytes[start - 1] = 0xa0 | length;
        this.#at = start + length;
        return undefined;
      }
    }
    return this.#text(text);
  }

  /** A string that is long or not ASCII. */
  #text(text: string): string | undefined {
    const at = this.#at;
    // Of a byte for each character, as most texts are, there will rarely be more bytes than that; three at most.
    if (at + HEADER + 3 * text.length > this.#end && at + HEADER + Buffer.byteLength(text) > this.#end) {
      return DOES_NOT_FIT;
    }
    const expected = textHeaderBytes(text.length);
    const length = this.#bytes.write(text, at + expected, 'utf8');
    if (length !== text.length && !text.isWellFormed()) return 'has a lone surrogate, which UTF-8 cannot hold';
    const header = textHeaderBytes(length);
    if (header !== expected) this.#bytes.copyWithin(at + header, at + expected, at + expected + length);
    this.#at = at;
    if (header === 1) this.#bytes[this.#at++] = 0xa0 | length;
    else this.#sized(0xd9, length);
    this.#at += length;
    return undefined;
  }

  #object(value: object, depth: number): string | undefined {
    if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels, or contains itself`;
    if (this.#at + HEADER > this.#end) return DOES_NOT_FIT;
    if (Array.isArray(value)) return this.#array(value, depth);
    if (!isPlainObject(value)) return this.#instance(value);
    const start = this.#at;
    this.#at += 3;
    let size = 0;
    for (const key in value) {
      if (!hasOwn.call(value, key)) continue; // of a polluted Object.prototype
      if (key === '__proto__') return this.#under(key, 'is a key that cannot be stored');
      const member = (value as Record<string, unknown>)[key];
      if (member === undefined) continue;
      size++;
      const problem = this.#string(key) ?? this.#value(member, depth + 1);
      if (problem !== undefined) return this.#under(key, problem);
    }
    if (size < 0x10000) {
      this.#bytes[start] = 0xde;
      this.#bytes[start + 1] = size >>> 8;
      this.#bytes[start + 2] = size;
      return undefined;
    }
    if (this.#at + 2 > this.#end) return DOES_NOT_FIT;
    this.#bytes.copyWithin(start + 5, start + 3, this.#at);
    this.#at += 2;
    this.#bytes[start] = 0xdf;
    this.#view.setUint32(start + 1, size);
    return undefined;
  }

  #array(value: readonly unknown[], depth: number): string | undefined {
    if (!isPlainArray(value)) return 'is a class instance, not a plain array';
    const { length } = value;
    if (length < 0x10) this.#bytes[this.#at++] = 0x90 | length;
    else if (length < 0x10000) {
      this.#bytes[this.#at] = 0xdc;
      this.#view.setUint16(this.#at + 1, length);
      this.#at += 3;
    } else {
      this.#bytes[this.#at] = 0xdd;
      this.#view.setUint32(this.#at + 1, length);
      this.#at += 5;
    }
    for (let i = 0; i < length; i++) {
      const problem = this.#value(value[i], depth + 1);
      if (problem !== undefined) return this.#under(i, problem);
    }
    return undefined;
  }

  /** Dates and bytes; other classes cannot be stored. */
  #instance(value: object): string | undefined {
    if (value instanceof Uint8Array) {
      if (this.#at + HEADER + value.length > this.#end) return DOES_NOT_FIT;
      this.#sized(0xc4, value.length);
      this.#bytes.set(value, this.#at);
      this.#at += value.length;
      return undefined;
    }
    if (!(value instanceof Date)) return 'is a class instance, not a plain object';
    if (Number.isNaN(value.getTime())) return 'is an invalid date';
    const timestamp = this.#reference.encodeSharedRef(value);
    if (this.#at + timestamp.length > this.#end) return DOES_NOT_FIT;
    this.#bytes.set(timestamp, this.#at);
    this.#at += timestamp.length;
    return undefined;
  }

  /** A header with a length of 8, 16 or 32 bits, whose types follow each other. */
  #sized(type: number, length: number): void {
    const bytes = this.#bytes;
    if (length < 0x100) {
      bytes[this.#at++] = type;
      bytes[this.#at++] = length;
    } else if (length < 0x10000) {
      bytes[this.#at++] = type + 1;
      bytes[this.#at++] = length >>> 8;
      bytes[this.#at++] = length;
    } else {
      bytes[this.#at++] = type + 2;
      this.#view.setUint32(this.#at, length);
      this.#at += 4;
    }
  }

  #under(key: string | number, problem: string): string {
    this.#path.push(key);
    return problem;
  }
}

function textHeaderBytes(length: number): number {
  if (length < SHORT) return 1;
  if (length < 0x100) return 2;
  return length < 0x10000 ? 3 : 5;
}

function formatKey(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}
