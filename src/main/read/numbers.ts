/** Whole numbers of 32 bits in as little memory as is easy. */

/** What an array costs beside its numbers, about. Unit: bytes. */
const ARRAY_BYTES = 240;
const LEAST = 4;

export class Numbers {
  /** Of many lists there is one number. */
  #first = 0;
  #values: Uint32Array | undefined;
  #count = 0;

  /** Returns how many bytes the memory has grown by. */
  push(value: number): number {
    const values = this.#values;
    if (values !== undefined && this.#count < values.length) {
      values[this.#count++] = value;
      return 0;
    }
    return this.#grow(value);
  }

  #grow(value: number): number {
    const before = this.#values;
    if (this.#count++ === 0) {
      this.#first = value;
      return 0;
    }
    const values = new Uint32Array(before === undefined ? LEAST : before.length * 2);
    if (before === undefined) values[0] = this.#first;
    else values.set(before);
    values[this.#count - 1] = value;
    this.#values = values;
    return values.byteLength - (before?.byteLength ?? -ARRAY_BYTES);
  }

  at(place: number): number {
    return this.#values === undefined ? this.#first : this.#values[place]!;
  }

  /** Undefined where there is none. */
  get last(): number | undefined {
    return this.#count === 0 ? undefined : this.at(this.#count - 1);
  }

  get count(): number {
    return this.#count;
  }

  get values(): Uint32Array {
    if (this.#values !== undefined) return this.#values.subarray(0, this.#count);
    return this.#count === 0 ? new Uint32Array(0) : Uint32Array.of(this.#first);
  }
}
