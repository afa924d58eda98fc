/** Whole numbers of 32 bits in as little memory as is easy. */
export class Numbers {
  #values = new Uint32Array(2);
  #count = 0;

  /** Returns how many bytes the memory has grown by. */
  push(value: number): number {
    let grown = 0;
    if (this.#count === this.#values.length) {
      const larger = new Uint32Array(this.#count * 2);
      larger.set(this.#values);
      grown = this.#values.byteLength;
      this.#values = larger;
    }
    this.#values[this.#count++] = value;
    return grown;
  }

  at(place: number): number {
    return this.#values[place]!;
  }

  get count(): number {
    return this.#count;
  }

  get values(): Uint32Array {
    return this.#values.subarray(0, this.#count);
  }
}
