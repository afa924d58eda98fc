/**
 * A look over MessagePack before it is decoded. A decoder allocates what a header claims, so five bytes could ask for
 * hundreds of megabytes: here every claim is held against the bytes that are there.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** Data may be nested so deep: containers within containers. */
export const MAX_DEPTH = 64;

const TIMESTAMP = 0xff; // extension type -1 as a byte

/**
 * Check that the bytes are exactly one value of plain MessagePack: complete, of bounded depth, string keys, no extension
 * but timestamp.
 * @returns whether it holds bytes or timestamps, which only the reference codec decodes as documented
 * @throws Error where it is anything else
 */
export function checkMessagePack(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  const scan = new MessagePackScan(bytes, start, end);
  scan.value(0);
  if (scan.at !== end) throw new Error(`MessagePack ends at byte ${scan.at} of ${end}`);
  return scan.rare;
}

/** Goes over MessagePack, value by value: `at` is where the next one begins. */
export class MessagePackScan {
  at: number;
  rare = false;
  readonly #bytes: Uint8Array;
  readonly #end: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.at = start;
    this.#end = end;
  }

  /** Go over a value. @throws Error where it is none, or more than plain */
  value(depth: number): void {
    const byte = this.#byte();
    if (byte < 0x80 || byte >= 0xe0) return; // fixint
    if (byte < 0x90) return this.#map(byte & 0x0f, depth);
    if (byte < 0xa0) return this.#array(byte & 0x0f, depth);
    if (byte < 0xc0) return this.#skip(byte & 0x1f); // fixstr
    switch (byte) {
      case 0xc0: // nil
      case 0xc2: // false
      case 0xc3: // true
        return;
      case 0xcc: // uint8
      case 0xd0: // int8
        return this.#skip(1);
      case 0xcd:
      case 0xd1:
        return this.#skip(2);
      case 0xca: // float32
      case 0xce:
      case 0xd2:
        return this.#skip(4);
      case 0xcb: // float64
      case 0xcf:
      case 0xd3:
        return this.#skip(8);
      case 0xd9: // str8
        return this.#skip(this.#uint(1));
      case 0xda:
        return this.#skip(this.#uint(2));
      case 0xdb:
        return this.#skip(this.#uint(4));
      case 0xc4: // bin8
        return this.#rare(this.#uint(1));
      case 0xc5:
        return this.#rare(this.#uint(2));
      case 0xc6:
        return this.#rare(this.#uint(4));
      case 0xd6: // fixext4: timestamp32
        return this.#timestamp(4);
      case 0xd7: // fixext8: timestamp64
        return this.#timestamp(8);
      case 0xc7: // ext8: timestamp96
        if (this.#uint(1) !== 12) throw new Error(`MessagePack has an unknown extension before byte ${this.at}`);
        return this.#timestamp(12);
      case 0xdc:
        return this.#array(this.#uint(2), depth);
      case 0xdd:
        return this.#array(this.#uint(4), depth);
      case 0xde:
        return this.#map(this.#uint(2), depth);
      case 0xdf:
        return this.#map(this.#uint(4), depth);
      default:
        throw new Error(`MessagePack has byte 0x${byte.toString(16)} before byte ${this.at}, which is not plain`);
    }
  }

  #array(count: number, depth: number): void {
    this.#claim(count, depth);
    for (let i = 0; i < count; i++) this.value(depth + 1);
  }

  #map(count: number, depth: number): void {
    this.#claim(count * 2, depth);
    for (let i = 0; i < count; i++) {
      const key = this.#bytes[this.at]!;
      if (!((key >= 0xa0 && key < 0xc0) || (key >= 0xd9 && key <= 0xdb))) {
        throw new Error(`MessagePack has a key that is no string at byte ${this.at}`);
      }
      this.value(depth + 1);
      this.value(depth + 1);
    }
  }

  /** Each member takes a byte at least. */
  #claim(members: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw new Error(`MessagePack is nested deeper than ${MAX_DEPTH} at byte ${this.at}`);
    if (members > this.#end - this.at) {
      throw new Error(`MessagePack claims ${members} members at byte ${this.at} of ${this.#end}`);
    }
  }

  #timestamp(length: number): void {
    if (this.#byte() !== TIMESTAMP) throw new Error(`MessagePack has an unknown extension before byte ${this.at}`);
    this.#rare(length);
  }

  #rare(length: number): void {
    this.rare = true;
    this.#skip(length);
  }

  #skip(length: number): void {
    this.at += length;
    if (this.at > this.#end) throw new Error(`MessagePack is cut off at byte ${this.#end}`);
  }

  #byte(): number {
    this.#skip(1);
    return this.#bytes[this.at - 1]!;
  }

  #uint(length: 1 | 2 | 4): number {
    this.#skip(length);
    let value = 0;
    for (let i = this.at - length; i < this.at; i++) value = value * 256 + this.#bytes[i]!;
    return value;
  }
}
