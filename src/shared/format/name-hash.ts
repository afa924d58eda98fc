/**
 * The hash by which streams and idempotency keys are found: BLAKE3 with the store's own key, 128 bits
 * (https://github.com/BLAKE3-team/BLAKE3-specs). Keyed, so that nobody who chooses names can make two of them meet.
 */
import { createBLAKE3, type IHasher } from 'hash-wasm';

/** Unit: bytes. */
export const NAME_HASH_BYTES = 16;

/** 128 bits as four words, little-endian. */
export type NameHash = Uint32Array;

/** So many are kept for the stores that are opened again. */
const KEPT = 8;
/** By their keys, the longest unused first: each takes gigabytes of address space, until it is collected. */
const kept = new Map<string, Promise<IHasher>>();

/** Not reentrant: the result holds until the next call. */
export class NameHasher {
  readonly #hasher: IHasher;

  private constructor(hasher: IHasher) {
    this.#hasher = hasher;
  }

  /** @param key 32 bytes */
  static async create(key: Uint8Array): Promise<NameHasher> {
    const name = Buffer.from(key).toString('hex');
    const hasher = kept.get(name) ?? createBLAKE3(NAME_HASH_BYTES * 8, key);
    kept.delete(name);
    kept.set(name, hasher);
    if (kept.size > KEPT) kept.delete(kept.keys().next().value!);
    try {
      return new NameHasher(await hasher);
    } catch (error) {
      kept.delete(name);
      throw error;
    }
  }

  hash(name: string): NameHash {
    this.#hasher.init();
    this.#hasher.update(name);
    return this.#digest();
  }

  /** Of some bytes, one after the other. */
  hashParts(parts: readonly Uint8Array[]): NameHash {
    this.#hasher.init();
    for (const part of parts) this.#hasher.update(part);
    return this.#digest();
  }

  #digest(): NameHash {
    const digest = this.#hasher.digest('binary');
    const view = new DataView(digest.buffer, digest.byteOffset, NAME_HASH_BYTES);
    return Uint32Array.of(
      view.getUint32(0, true),
      view.getUint32(4, true),
      view.getUint32(8, true),
      view.getUint32(12, true),
    );
  }
}
