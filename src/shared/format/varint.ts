/**
 * Numbers of few bytes (LEB128, https://en.wikipedia.org/wiki/LEB128): seven bits a byte, the low ones first, and the eighth
 * says that there are more. Signed ones are zigzagged before: 0, -1, 1, -2 are 0, 1, 2, 3.
 */

/** What was to be decoded is not what an encoder writes. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

/** Few enough to come out of Node's pool of memory. */
const FIRST_BYTES = 1024;

/** Bytes that grow. */
export class ByteWriter {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was written, in memory of its own. */
  take(): Buffer {
    const bytes = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return bytes;
  }

  /** A whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.#ensure(8);
    let rest = value;
    // Beyond 32 bits, bits are taken by division.
    for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 0x80;
    for (; rest > 127; rest >>>= 7) this.#bytes[this.#length++] = (rest & 127) | 0x80;
    this.#bytes[this.#length++] = rest;
  }

  signed(value: number): void {
    this.varint(value < 0 ? -2 * value - 1 : 2 * value);
  }

  /** Each character a byte. */
  latin1(text: string): void {
    this.#ensure(text.length);
    this.#length += this.#bytes.write(text, this.#length, 'latin1');
  }

  bytes(bytes: Uint8Array): void {
    this.#ensure(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #ensure(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#length + more));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}

/** Reads them; all throw {@link MalformedBytes}. */
export class ByteReader {
  readonly #bytes: Buffer;
  at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  varint(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new MalformedBytes('a number is cut off');
      this.at++;
      value += (byte & 127) * factor;
      if (byte < 128) break;
      // An eighth byte holds the last four bits of a safe integer.
      if (factor >= 2 ** 49) throw new MalformedBytes('a number is too long');
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new MalformedBytes('a number is too large');
    return value;
  }

  signed(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  latin1(length: number): string {
    return this.#bytes.toString('latin1', this.at, this.#skip(length));
  }

  bytes(length: number): Buffer {
    return this.#bytes.subarray(this.at, this.#skip(length));
  }

  #skip(length: number): number {
    if (length > this.left) throw new MalformedBytes('bytes are cut off');
    this.at += length;
    return this.at;
  }
}
