/**
 * The two checksums of the hot path. Into both the store's identity is mixed, so that bytes from another place never
 * verify: XXH3 with 64 bits (https://github.com/Cyan4973/xxHash) over frames and headers, CRC-32 (zlib's) over single
 * records, which is the faster one for small input. bench/functions.ts keeps the figures behind that choice.
 */
import { crc32 } from 'node:zlib';
import { createXXHash3, type IHasher } from 'hash-wasm';

/** Bytes of an XXH3 checksum. */
export const CHECKSUM_BYTES = 8;
/** Bytes of a store's identity. */
export const STORE_ID_BYTES = 16;

/** One serves all stores of a thread: each takes gigabytes of address space, until it is collected. */
let shared: Promise<IHasher> | undefined;

/** XXH3 checksums that belong to one place of one store. Not reentrant. */
export class PlaceHasher {
  readonly #hasher: IHasher;
  readonly #place: Buffer;

  private constructor(hasher: IHasher, storeId: Uint8Array) {
    this.#hasher = hasher;
    this.#place = Buffer.alloc(STORE_ID_BYTES + 4);
    this.#place.set(storeId);
  }

  static async create(storeId: Uint8Array): Promise<PlaceHasher> {
    shared ??= createXXHash3().catch((error) => {
      shared = undefined;
      throw error;
    });
    return new PlaceHasher(await shared, storeId);
  }

  /**
   * @param place what the bytes are part of: a segment's number, 0 for the store itself
   * @param parts hashed one after the other
   */
  digest(place: number, ...parts: readonly Uint8Array[]): Uint8Array {
    return this.digestOf(place, parts);
  }

  /** The same of parts that need not be in memory together. */
  digestOf(place: number, parts: Iterable<Uint8Array>): Uint8Array {
    this.#place.writeUInt32LE(place, STORE_ID_BYTES);
    this.#hasher.init();
    this.#hasher.update(this.#place);
    for (const part of parts) this.#hasher.update(part);
    return this.#hasher.digest('binary');
  }

  /** Whether `length` bytes at an offset are the checksum of the parts. */
  verify(expected: Uint8Array, at: number, place: number, ...parts: readonly Uint8Array[]): boolean {
    const actual = this.digest(place, ...parts);
    for (let i = 0; i < CHECKSUM_BYTES; i++) if (actual[i] !== expected[at + i]) return false;
    return true;
  }
}

/** Where the checksum of a store's records begins. */
export function recordSeed(storeId: Uint8Array): number {
  return crc32(storeId);
}

export { crc32 };
