/**
 * Payloads: what a record's data and metadata look like in bytes.
 *
 * | codec | bytes |
 * | --- | --- |
 * | 0 | none: `null` |
 * | 1 | MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), no extension but timestamp (-1) |
 * | 2 | JSON text, UTF-8 |
 * | 3 | the bytes of a Uint8Array |
 *
 * @msgpack/msgpack is the reference for what is on disk. Writing is done by messagepack-writer.ts; msgpackr reads the same
 * plain bytes faster than the reference, which reads the rare ones (dates, bytes, bigints).
 */
import { Decoder } from '@msgpack/msgpack';
import { Unpackr } from 'msgpackr/pack';
import { toJsonText } from './json-check.js';
import { checkMessagePack } from './messagepack-check.js';
import { findValue, type PathKey } from './messagepack-path.js';
import { MessagePackWriter, NO_ROOM } from './messagepack-writer.js';
import type { Memory } from './record.js';

/** How a payload is encoded: one byte in a record. */
export const PAYLOAD = { none: 0, msgpack: 1, json: 2, bytes: 3 } as const;
export type PayloadCodec = (typeof PAYLOAD)[keyof typeof PAYLOAD];

/** Checks values and writes them straight to where they are to be. One for each thread, and not reentrant. */
export class PayloadWriter {
  readonly #messagePack = new MessagePackWriter();
  readonly #prefersJson: boolean;
  #codec: PayloadCodec = PAYLOAD.none;

  /** @param prefer the codec for what both can hold */
  constructor(prefer: 'msgpack' | 'json') {
    this.#prefersJson = prefer === 'json';
  }

  /** The codec of the value that was written last. */
  get codec(): PayloadCodec {
    return this.#codec;
  }

  /**
   * Write a value from `at` on. Returns how many bytes it took, or {@link NO_ROOM} where there may be too few before
   * `end`: a few bytes less than that may have been enough. What is written then means nothing.
   * @throws ERR_INVALID_EVENT with the path of what cannot be held
   */
  write(value: unknown, path: string, target: Memory, at: number, end: number): number {
    if (value === null || value === undefined) {
      this.#codec = PAYLOAD.none;
      return 0;
    }
    if (value instanceof Uint8Array) {
      this.#codec = PAYLOAD.bytes;
      if (at + value.length > end) return NO_ROOM;
      target.bytes.set(value, at);
      return value.length;
    }
    if (this.#prefersJson) {
      const text = toJsonText(value, end - at);
      if (text !== undefined) {
        this.#codec = PAYLOAD.json;
        if (at + 3 * text.length > end && at + Buffer.byteLength(text) > end) return NO_ROOM;
        return target.bytes.write(text, at, 'utf8');
      }
    }
    return this.writeMessagePack(value, path, target, at, end);
  }

  /** Write a value as MessagePack, whatever is preferred. Does as {@link write} does. */
  writeMessagePack(value: unknown, path: string, target: Memory, at: number, end: number): number {
    this.#codec = PAYLOAD.msgpack;
    return this.#messagePack.write(value, path, target, at, end);
  }
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const reference = new Decoder({ useBigInt64: true });

const DOUBLE = 0xcb;

/** What is unpacked of some bytes: a part of the same buffer again and again costs less than a buffer for each. */
const part = { start: 0, end: 0 };

/**
 * The value of a payload, which shares no memory with the bytes. They have been verified before; what they claim of
 * lengths and depth is checked here.
 * @param start where the payload begins, and ends
 * @throws Error where the bytes are not what the codec says
 */
export function decodePayload(codec: number, bytes: Buffer, start = 0, end = bytes.length): unknown {
  switch (codec) {
    case PAYLOAD.none:
      return null;
    case PAYLOAD.msgpack:
      if (checkMessagePack(bytes, start, end)) return reference.decode(new Uint8Array(bytes.subarray(start, end)));
      part.start = start;
      part.end = end;
      return unpackr.unpack(bytes, part);
    case PAYLOAD.json:
      return JSON.parse(bytes.toString('utf8', start, end));
    case PAYLOAD.bytes:
      return new Uint8Array(bytes.subarray(start, end));
    default:
      throw new Error(`no such data codec: ${codec}`);
  }
}

/**
 * What a path leads to in a payload of MessagePack, as it is when all of it is decoded; undefined where it leads nowhere.
 * @throws Error where the bytes on the way are no plain MessagePack
 */
export function decodeAtPath(bytes: Buffer, start: number, end: number, path: readonly PathKey[]): unknown {
  const found = findValue(bytes, start, end, path);
  if (found === undefined) return undefined;
  const first = bytes[found.start]!;
  if (first < 0x80) return first; // a small number, or a double: most of what is compared
  if (first === DOUBLE) return bytes.readDoubleBE(found.start + 1);
  return decodePayload(PAYLOAD.msgpack, bytes, found.start, found.end);
}
