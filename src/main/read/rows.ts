/** What a read returns: rows that are pulled, batch by batch. */
import type { Hole } from '../../shared/holes.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { Rows, SequenceRange } from '../../shared/portable/log.js';

/** Some rows, and the position once they are handed out. */
export interface Batch<T> {
  readonly rows: T[];
  /** The position of a single row, by its place in the batch. */
  positionOf(place: number): number;
}

/** Yields batches; returns the position at the end. */
export type Batches<T> = AsyncGenerator<Batch<T>, number, void>;

export class PulledRows<T> implements Rows<T> {
  readonly #open: (onHole: (hole: Hole) => void) => Batches<T>;
  readonly #holes: Hole[] = [];
  #used = false;
  #position = 0;

  /** @param open called at the first pull; tells of each hole that it passes over */
  constructor(open: (onHole: (hole: Hole) => void) => Batches<T>) {
    this.#open = open;
  }

  get holes(): readonly SequenceRange[] {
    return this.#holes.map(([firstSequence, lastSequence]) => ({ firstSequence, lastSequence }));
  }

  get position(): number {
    return this.#position;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    for await (const { rows, positionOf } of this.#pull()) {
      for (let i = 0; i < rows.length; i++) {
        this.#position = positionOf(i);
        yield rows[i]!;
      }
    }
  }

  async *batches(): AsyncGenerator<T[], void, void> {
    for await (const { rows, positionOf } of this.#pull()) {
      this.#position = positionOf(rows.length - 1);
      yield rows;
    }
  }

  async toArray(): Promise<T[]> {
    const all: T[] = [];
    for await (const rows of this.batches()) for (const row of rows) all.push(row);
    return all;
  }

  async first(): Promise<T | undefined> {
    for await (const row of this) return row;
    return undefined;
  }

  async *#pull(): AsyncGenerator<Batch<T>, void, void> {
    if (this.#used) {
      throw new KeeperError('ERR_INVALID_QUERY', 'these rows were read already: rows are for a single use', {
        path: 'rows',
        hint: 'Call the read again, or keep what toArray() returned.',
      });
    }
    this.#used = true;
    const batches = this.#open((hole) => this.#holes.push(hole));
    try {
      for (;;) {
        const next = await batches.next();
        if (next.done === true) {
          this.#position = next.value;
          return;
        }
        if (next.value.rows.length > 0) yield next.value;
      }
    } finally {
      await batches.return(this.#position);
    }
  }
}
