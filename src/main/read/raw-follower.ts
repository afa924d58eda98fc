/**
 * Keeps the index of the newest segment up with the log while queries come, so that none has much to catch up with: a second of
 * appends at once takes longer than the query. It is woken by what becomes durable, takes a slice of the thread a turn of the
 * event loop at most, and ends once no query has wanted such an index for a while.
 */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import type { Segment } from './catalog.js';
import type { RawIndex } from './raw-index.js';
import { takeIn } from './raw-intake.js';
import type { Records } from './records.js';

/** For so long after a query. */
const FOLLOWED_MS = 10_000;
const SLICE_MS = 1;
/** So many are left to the next query: each slice costs something beside its records. */
const LAG_RECORDS = 256;
/** Places are filled in from whole blocks of the file, well before the cache gives the records up. Unit: bytes. */
const OPEN_BYTES = 1024 * 1024;

/** Where the indexes are. */
interface Indexes {
  inMemory(segment: Segment): RawIndex | undefined;
  begun(segment: Segment): RawIndex | undefined;
  hold(segment: Segment, index: RawIndex): boolean;
}

export class RawFollower {
  readonly #records: Records;
  readonly #indexes: Indexes;
  /** The segment whose index is followed. The index itself belongs to the memory, which may let it go. */
  #segment: Segment | undefined;
  /** The first sequence that is not in the index. */
  #next = 0;
  #wantedMs = 0;
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(records: Records, indexes: Indexes) {
    this.#records = records;
    this.#indexes = indexes;
  }

  /** A query has used an index: if it is that of the newest segment, it is followed from now on. */
  want(segment: Segment, index: RawIndex): void {
    if (this.#isClosed || segment !== this.#newest) return;
    this.#wantedMs = performance.now();
    if (this.#running !== undefined) return;
    this.#segment = segment;
    this.#next = index.nextSequence;
    this.#records.onDurable = (durable) => this.#wake(durable);
  }

  /** Resolves when it does nothing any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#end();
    await this.#running;
  }

  get #newest(): Segment | undefined {
    return this.#records.catalog.segments.at(-1);
  }

  get #isWanted(): boolean {
    return this.#segment !== undefined && performance.now() - this.#wantedMs < FOLLOWED_MS;
  }

  #wake(durable: number): void {
    if (this.#running !== undefined || durable - this.#next < LAG_RECORDS) return;
    if (this.#isWanted) this.#running = this.#run();
    else this.#end();
  }

  #end(): void {
    this.#segment = undefined;
    this.#records.onDurable = undefined;
  }

  async #run(): Promise<void> {
    try {
      do await giveThreadBack();
      while (this.#isWanted && (await this.#catchUp(this.#segment!)));
    } catch {
      // Whoever wants the index next does the same reading, and is told.
      this.#end();
    } finally {
      this.#running = undefined;
    }
  }

  /** Returns whether there is more to do by now. */
  async #catchUp(segment: Segment): Promise<boolean> {
    const records = this.#records;
    const index = this.#indexes.inMemory(segment);
    const last = records.catalog.lastSequenceOf(segment, records.durable());
    const isOver = segment !== this.#newest;
    const goOn = (): boolean =>
      this.#isWanted && this.#indexes.inMemory(segment) === index && this.#indexes.hold(segment, index!);
    if (index !== undefined) {
      const isPlaceWanted = (): boolean => index.openBytes >= (isOver ? 1 : OPEN_BYTES);
      await takeIn(index, last, { records, sliceMs: SLICE_MS, goOn, isPlaceWanted });
    }
    // Let go by the memory, or too large for it: the next query is to say whether it is wanted again.
    if (index === undefined || !goOn()) {
      this.#end();
      return false;
    }
    if (isOver) return this.#goOnBehind(segment);
    this.#next = index.nextSequence;
    return records.durable() - this.#next >= LAG_RECORDS;
  }

  /** The log goes on in the next segment. */
  #goOnBehind(segment: Segment): boolean {
    const { segments } = this.#records.catalog;
    const place = segments.indexOf(segment);
    const next = place === -1 ? undefined : segments[place + 1];
    if (next === undefined || this.#indexes.begun(next) === undefined) {
      this.#end();
      return false;
    }
    this.#segment = next;
    return true;
  }
}
