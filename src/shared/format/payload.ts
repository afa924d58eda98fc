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
 * @msgpack/msgpack is the reference for what is on disk. msgpackr writes and reads the same plain bytes faster and does
 * so for the common values; the rare ones (dates, bytes, objects with odd keys) are written by the reference.
 */
import { Decoder, Encoder } from '@msgpack/msgpack';
import { Packr, Unpackr } from 'msgpackr/pack';
import { KeeperError } from '../portable/errors.js';
import { checkMessagePack, MAX_DEPTH } from './messagepack-check.js';

/** How a payload is encoded: one byte in a record. */
export const PAYLOAD = { none: 0, msgpack: 1, json: 2, bytes: 3 } as const;
export type PayloadCodec = (typeof PAYLOAD)[keyof typeof PAYLOAD];

// Flags of msgpackr's pack(): give out the shared buffer with `start` and `end` instead of a view, and rewind it.
const REUSE_AND_RESET = 512 | 1024;

const INT64_MIN = -(2n ** 63n);
const UINT64_MAX = 2n ** 64n - 1n;

/** Nodes and characters of a value whose strings are looked at one by one; beyond it a search of the bytes is cheaper. */
const DEFER_AFTER = 1024;

/** What a walk over a value has found out. */
const JSON_LIKE = 0; // JSON holds it, and both MessagePack codecs agree on it
const NOT_JSON = 1; // a flag: NaN, infinities and bigints: only MessagePack holds them
const RARE = 2; // a flag: dates, bytes, absent members, odd keys: only the reference codec takes them

/**
 * Checks and encodes one value at a time. {@link encode} holds the result until the next call; {@link writeTo} copies
 * it out. Not reentrant, and one for each thread.
 */
export class PayloadEncoder {
  readonly #packr = new Packr({ useRecords: false, encodeUndefinedAsNil: true });
  readonly #reference = new Encoder({ useBigInt64: true, ignoreUndefined: true, maxDepth: MAX_DEPTH + 2 });
  readonly #json: boolean;
  readonly #limit: number;
  #codec: PayloadCodec = PAYLOAD.none;
  #text = '';
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;
  #end = 0;
  #kind = JSON_LIKE;
  #budget = 0;
  /** Below this budget strings are not looked at one by one, but all together once they are encoded. */
  #deferBelow = 0;
  #deferred = false;
  #path: (string | number)[] = [];

  /**
   * @param prefer the codec for what both can hold
   * @param limitBytes a value that is surely larger is refused before it is encoded
   */
  constructor(prefer: 'msgpack' | 'json', limitBytes: number) {
    this.#json = prefer === 'json';
    this.#limit = limitBytes;
  }

  /** The codec of the value that was encoded last. */
  get codec(): PayloadCodec {
    return this.#codec;
  }

  /** No fewer bytes than {@link writeTo} will write. */
  get maxBytes(): number {
    return this.#codec === PAYLOAD.json ? this.#text.length * 3 : this.#end - this.#start;
  }

  /**
   * Check a value and encode it. Getters and proxies in it are read once for the check and once for the encoding.
   * @throws ERR_INVALID_EVENT with the path of what cannot be held, ERR_EVENT_TOO_LARGE
   */
  encode(value: unknown, path: string): void {
    if (value === null || value === undefined) {
      this.#codec = PAYLOAD.none;
      this.#start = this.#end = 0;
    } else if (value instanceof Uint8Array) {
      this.#hold(PAYLOAD.bytes, value);
    } else {
      this.#check(value, path, DEFER_AFTER);
      if (this.#json && this.#kind === JSON_LIKE) {
        this.#codec = PAYLOAD.json;
        this.#text = JSON.stringify(value);
      } else {
        this.#pack(value);
      }
      if (this.#deferred && this.#mayHaveSurrogates()) this.#check(value, path, Number.POSITIVE_INFINITY);
    }
  }

  /**
   * Check a value and have the reference encode it, into a buffer that is this encoder's own: msgpackr's is shared by the
   * whole thread, and holds one value at a time. Fails as {@link encode} does.
   */
  encodeByReference(value: unknown, path: string): void {
    this.#check(value, path, Number.POSITIVE_INFINITY);
    this.#hold(PAYLOAD.msgpack, this.#reference.encodeSharedRef(value));
  }

  /** Copy the encoded value to a place with room for {@link maxBytes}. Returns how many bytes it took. */
  writeTo(target: Buffer, at: number): number {
    if (this.#codec === PAYLOAD.json) return target.write(this.#text, at, 'utf8');
    return this.#bytes.copy(target, at, this.#start, this.#end);
  }

  #hold(codec: PayloadCodec, bytes: Uint8Array): void {
    this.#codec = codec;
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#start = 0;
    this.#end = bytes.byteLength;
  }

  #pack(value: unknown): void {
    if ((this.#kind & RARE) !== 0) {
      this.#hold(PAYLOAD.msgpack, this.#reference.encodeSharedRef(value));
      return;
    }
    const target = this.#packr.pack(value, REUSE_AND_RESET) as Buffer & { start: number; end: number };
    this.#codec = PAYLOAD.msgpack;
    this.#bytes = target;
    this.#start = target.start;
    this.#end = target.end;
  }

  /**
   * Whether what was encoded can hold a lone surrogate: JSON escapes it, and as UTF-8 it is written as a surrogate (0xED)
   * or replaced (0xEF). Both bytes occur in honest text as well.
   */
  #mayHaveSurrogates(): boolean {
    if (this.#codec === PAYLOAD.json) return this.#text.includes('\\ud');
    const bytes = this.#bytes.subarray(this.#start, this.#end);
    return bytes.includes(0xed) || bytes.includes(0xef);
  }

  /** @param deferAfter strings beyond so many nodes and characters are left for later, and `#deferred` says so */
  #check(value: unknown, path: string, deferAfter: number): void {
    this.#kind = JSON_LIKE;
    this.#budget = this.#limit;
    this.#deferBelow = this.#limit - deferAfter;
    this.#deferred = false;
    const problem = this.#walk(value, 1);
    if (problem === undefined && this.#budget >= 0) return;
    const keys = this.#path.reverse();
    this.#path = [];
    const where = keys.reduce<string>((at, key) => at + formatKey(key), path);
    if (this.#budget < 0) {
      throw new KeeperError('ERR_EVENT_TOO_LARGE', `${path} is larger than an event may be (${this.#limit} bytes)`, {
        bytes: this.#limit - this.#budget,
        limit: this.#limit,
        hint: 'Store large content elsewhere and append a reference to it, or raise maxEventBytes.',
      });
    }
    throw new KeeperError('ERR_INVALID_EVENT', `${where} ${problem}`, { path: where });
  }

  /** What is wrong with a value, its path left in #path from the inside out; or undefined. */
  #walk(value: unknown, depth: number): string | undefined {
    if (--this.#budget < 0) return 'is too large';
    switch (typeof value) {
      case 'string':
        if (this.#budget < this.#deferBelow) this.#deferred = true;
        else if (!value.isWellFormed()) return 'has a lone surrogate, which UTF-8 cannot hold';
        this.#budget -= value.length;
        return undefined;
      case 'number':
        if (!Number.isFinite(value)) this.#kind |= NOT_JSON;
        return undefined;
      case 'boolean':
        return undefined;
      case 'undefined':
        this.#kind |= RARE;
        return undefined;
      case 'bigint':
        if (value < INT64_MIN || value > UINT64_MAX) return 'is a bigint outside of int64 and uint64';
        this.#kind |= NOT_JSON;
        return undefined;
      case 'object':
        return value === null ? undefined : this.#walkObject(value, depth);
      default:
        return `is a ${typeof value}, which cannot be stored`;
    }
  }

  #walkObject(value: object, depth: number): string | undefined {
    if (depth > MAX_DEPTH) return `is nested deeper than ${MAX_DEPTH} levels, or contains itself`;
    const prototype: unknown = Object.getPrototypeOf(value);
    if (Array.isArray(value)) {
      if (prototype !== Array.prototype && !isForeign(prototype, 'Array'))
        return 'is a class instance, not a plain array';
      for (let i = 0; i < value.length; i++) {
        const problem = this.#walk(value[i], depth + 1);
        if (problem !== undefined) return this.#at(i, problem);
      }
      return undefined;
    }
    if (prototype !== Object.prototype && prototype !== null) {
      this.#kind |= RARE;
      if (value instanceof Uint8Array) {
        this.#budget -= value.byteLength;
        return undefined;
      }
      if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'is an invalid date' : undefined;
      if (!isForeign(prototype, 'Object')) return 'is a class instance, not a plain object';
    }
    // Inherited members can only come from a polluted Object.prototype, and are then checked in vain, not stored.
    for (const key in value) {
      if (key === '__proto__') return this.#at(key, 'is a key that cannot be stored');
      if (key === 'constructor' || key === 'hasOwnProperty' || key === 'toJSON') this.#kind |= RARE;
      if (this.#budget < this.#deferBelow) this.#deferred = true;
      else if (!key.isWellFormed()) return this.#at(key, 'is a key with a lone surrogate, which UTF-8 cannot hold');
      this.#budget -= key.length;
      const problem = this.#walk((value as Record<string, unknown>)[key], depth + 1);
      if (problem !== undefined) return this.#at(key, problem);
    }
    return undefined;
  }

  #at(key: string | number, problem: string): string {
    this.#path.push(key);
    return problem;
  }
}

const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const reference = new Decoder({ useBigInt64: true });

/**
 * The value of a payload, which shares no memory with the bytes. They have been verified before; what they claim of
 * lengths and depth is checked here.
 * @throws Error where the bytes are not what the codec says
 */
export function decodePayload(codec: number, bytes: Buffer): unknown {
  switch (codec) {
    case PAYLOAD.none:
      return null;
    case PAYLOAD.msgpack:
      return checkMessagePack(bytes) ? reference.decode(new Uint8Array(bytes)) : unpackr.unpack(bytes);
    case PAYLOAD.json:
      return JSON.parse(bytes.toString('utf8'));
    case PAYLOAD.bytes:
      return new Uint8Array(bytes);
    default:
      throw new Error(`no such data codec: ${codec}`);
  }
}

function formatKey(key: string | number): string {
  if (typeof key === 'number') return `[${key}]`;
  return /^[A-Za-z_$][\w$]*$/.test(key) ? `.${key}` : `[${JSON.stringify(key)}]`;
}

/** Whether a prototype is Object.prototype or Array.prototype of another realm (a vm context). */
function isForeign(prototype: unknown, name: 'Object' | 'Array'): boolean {
  if (typeof prototype !== 'object' || prototype === null) return false;
  const base: unknown = Object.getPrototypeOf(prototype);
  if (name === 'Object') return base === null;
  return Array.isArray(prototype) && base !== null && Object.getPrototypeOf(base) === null;
}
