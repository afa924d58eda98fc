/** What one turn of a read finds. */
import { type Memory, recordLength } from '../../shared/format/record.js';
import type { Known, Sought } from './sought.js';
import type { TombstonesInForce } from './tombstones.js';

/** A batch ends at so many rows or bytes of them and of what was decoded in vain, and the thread is given back. */
const BATCH_ROWS = 256;
const BATCH_BYTES = 128 * 1024;
/** Records looked at without a match before the thread is given back. */
const BATCH_LOOKS = 16_384;

/** Some of what was found, each row with its sequence. */
export interface Found<T> {
  readonly rows: T[];
  readonly sequences: readonly number[];
}

interface Asked<T> {
  readonly records: { readonly tombstones: TombstonesInForce };
  readonly sought: Sought<T>;
  readonly limit: number;
}

/** Rows until there are enough of them, or enough was looked at, to give the thread back. */
export class RowBatch<T> implements Found<T> {
  readonly rows: T[] = [];
  readonly sequences: number[] = [];
  readonly #sought: Sought<T>;
  readonly #tombstones: TombstonesInForce;
  readonly #most: number;
  #bytes = 0;
  #looks = 0;

  constructor({ records, sought, limit }: Asked<T>) {
    this.#tombstones = records.tombstones;
    this.#sought = sought;
    this.#most = Math.min(limit, BATCH_ROWS);
  }

  look(memory: Memory, at: number, sequence: number, known: Known): void {
    this.#looks++;
    if (this.#tombstones.hides(sequence, memory, at)) return;
    const decoded = this.#sought.decodedBytes;
    const row = this.#sought.take(memory, at, known);
    this.#bytes += this.#sought.decodedBytes - decoded;
    if (row === undefined) return;
    this.rows.push(row);
    this.sequences.push(sequence);
    this.#bytes += recordLength(memory.view, at);
  }

  get full(): boolean {
    return this.rows.length >= this.#most || this.#bytes >= BATCH_BYTES || this.#looks >= BATCH_LOOKS;
  }
}
