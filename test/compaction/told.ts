/** What was told by the calls on a store that came to their end, and what must be read of it at any time. */
import type { RecordedEvent, Store } from 'keeperlog';
import { expect } from 'vitest';

/** An event that was acknowledged. */
export interface Known {
  readonly id: string;
  readonly stream: string;
  readonly text: string;
  /** Once it was asked for. */
  digest?: string;
}

/** What is wanted of a read. */
export interface ReadOf {
  /** The events that it is to give, of those that there are; all unless given. */
  readonly wanted?: (known: Known) => boolean;
  /** Whether it is of who reads beside the writer, and may be behind. */
  readonly isBeside?: boolean;
}

export class Told {
  /** By sequence. */
  readonly events = new Map<number, Known>();
  /** Up to where streams were deleted. */
  readonly #deleted = new Map<string, number>();
  /** Those of which a deletion is under way. */
  readonly #deleting = new Set<string>();

  async append(store: Store, stream: string, name: string, count: number): Promise<void> {
    const events = Array.from({ length: count }, (_, i) => ({
      type: i % 2 === 0 ? 'Said' : 'Done',
      data: { name, i, text: name.repeat(1 + ((name.length * 37 + i * 61) % 200)) },
    }));
    const { ids, firstSequence } = await store.append(stream, events);
    for (const [i, id] of ids.entries()) {
      this.events.set(firstSequence + i, { id, stream, text: textOf(events[i]!.data) });
    }
  }

  async deleteStream(store: Store, stream: string): Promise<void> {
    this.#deleting.add(stream);
    const { ids, firstSequence } = await store.deleteStream(stream);
    this.#deleting.delete(stream);
    this.#deleted.set(stream, firstSequence);
    this.events.set(firstSequence, { id: ids[0]!, stream, text: textOf(null) });
  }

  /** Whether it must be read: it was not deleted, nor may it be by what is under way. */
  isThere(sequence: number): boolean {
    const { stream } = this.events.get(sequence)!;
    return !this.#deleting.has(stream) && sequence >= (this.#deleted.get(stream) ?? 0);
  }

  /** The sequences that must be read from the floor on, ascending. */
  left(floor: number): number[] {
    const left = [...this.events.keys()].filter((sequence) => sequence >= floor && this.isThere(sequence));
    return left.sort((a, b) => a - b);
  }

  /** What must hold of a read forwards: by what was known when it began, and what has changed until it was done. */
  async checkRead(store: Store, read: () => Promise<readonly RecordedEvent[]>, of: ReadOf = {}): Promise<void> {
    const { wanted = () => true, isBeside = false } = of;
    const deleted = new Map(this.#deleted);
    const known = [...this.events.keys()];
    const rows = await read();
    let last = 0;
    for (const row of rows) {
      const { sequence, stream } = row;
      if (sequence <= last) expect.fail(`${sequence} comes behind ${last}`);
      if (sequence < (deleted.get(stream) ?? 0)) expect.fail(`${sequence} of ${stream} was deleted before it was read`);
      if (this.events.has(sequence)) this.#checkRow(row);
      last = sequence;
    }
    const found = new Set(rows.map(({ sequence }) => sequence));
    const { floor } = store.stats();
    const missing = known.filter((sequence) => {
      const isDue = sequence >= floor && (!isBeside || sequence <= last) && this.isThere(sequence);
      return isDue && wanted(this.events.get(sequence)!) && !found.has(sequence);
    });
    expect(missing).toEqual([]);
  }

  /** Just what is left is read, whoever asks for it, once nothing changes any more. */
  async checkAll(store: Store): Promise<void> {
    const left = this.left(store.stats().floor);
    const rows = await store.read().toArray();
    expect(rows.map(({ sequence }) => sequence)).toEqual(left);
    for (const row of rows) this.#checkRow(row);
    for (const stream of new Set(rows.map((row) => row.stream))) {
      const sequences = left.filter((sequence) => this.events.get(sequence)!.stream === stream);
      const found = await store.readStream(stream).toArray();
      expect(found.map(({ sequence }) => sequence)).toEqual(sequences);
      const counted = await store.query({ where: { stream: { eq: stream } }, aggregate: { count: true } }).toArray();
      expect(counted).toMatchObject([{ count: sequences.length }]);
    }
    expect((await store.verify({ deep: true })).problems).toEqual([]);
  }

  #checkRow({ sequence, id, stream, data }: RecordedEvent): void {
    const { digest: _, ...known } = this.events.get(sequence)!;
    expect({ id, stream, text: textOf(data) }).toEqual(known);
  }
}

function textOf(data: unknown): string {
  return JSON.stringify(data);
}
