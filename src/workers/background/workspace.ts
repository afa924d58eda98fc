/** What writing checkpoints needs, made once and used again: it is large enough to stay for long as garbage. */
import { PlaceHasher } from '../../shared/format/checksum.js';

/** More than was asked for, so that it need not be made anew each time that the store has grown a little. */
const GROWTH = 1.25;

/** Memory of changing size. */
class Room {
  #memory = new ArrayBuffer(0);

  /** So many bytes, all of them zero. What was taken before is gone. */
  take(bytes: number): ArrayBuffer {
    if (bytes > this.#memory.byteLength) this.#memory = new ArrayBuffer(Math.ceil(bytes * GROWTH));
    else new Uint8Array(this.#memory, 0, bytes).fill(0);
    return this.#memory;
  }
}

export class Workspace {
  readonly hasher: PlaceHasher;
  readonly #filter = new Room();
  readonly #fences = new Room();
  readonly #ends = new Room();
  readonly #order = new Room();

  private constructor(hasher: PlaceHasher) {
    this.hasher = hasher;
  }

  static async create(storeId: Uint8Array): Promise<Workspace> {
    return new Workspace(await PlaceHasher.create(storeId));
  }

  filter(bytes: number): Buffer {
    return Buffer.from(this.#filter.take(bytes), 0, bytes);
  }

  fences(bytes: number): Buffer {
    return Buffer.from(this.#fences.take(bytes), 0, bytes);
  }

  /** Where the buckets of a counting sort end. */
  ends(buckets: number): Uint32Array {
    return new Uint32Array(this.#ends.take(buckets * 4), 0, buckets);
  }

  /** Numbers of entries in order. */
  order(count: number): Uint32Array {
    return new Uint32Array(this.#order.take(count * 4), 0, count);
  }
}
