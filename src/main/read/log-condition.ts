/** What an append with a condition asks of the log: whether any event behind a sequence matches. */

import { RecordHeader } from '../../shared/decoding/record-header.js';
import { isTombstone, type Memory } from '../../shared/format/record.js';
import type { RecordedEvent } from '../../shared/portable/events.js';
import { matches, type ParsedSelector } from '../../shared/portable/selector.js';
import type { Indexes } from './indexes.js';
import type { Lease } from './leases.js';
import type { Records } from './records.js';
import { search } from './scan.js';
import { type Known, Selected } from './sought.js';

/** So many records in the cache are looked at in a millisecond or two: at once. */
const NEAR_RECORDS = 4096;
/** While a pass over the log goes on, the log does: after so many, the rest is looked at at once. */
const MOST_PASSES = 4;

/** Events that selectors match, without tombstones. */
class Conditional extends Selected {
  override take(memory: Memory, at: number, known: Known): RecordedEvent<any> | undefined {
    return isTombstone(memory.view, at) ? undefined : super.take(memory, at, known);
  }
}

export class LogCondition {
  /** Only events with a higher sequence count. */
  readonly after: number;
  readonly #records: Records;
  readonly #indexes: Indexes;
  readonly #selectors: readonly ParsedSelector[];
  #header: RecordHeader | undefined;
  /** What is durable was looked at up to here. */
  #seen: number;
  #found: number | undefined;

  constructor(records: Records, indexes: Indexes, selectors: readonly ParsedSelector[], after: number) {
    this.#records = records;
    this.#indexes = indexes;
    this.#selectors = selectors;
    this.after = after;
    this.#seen = Math.max(after, records.floor - 1);
  }

  /** Where an event that matches was found to stand. */
  get found(): number | undefined {
    return this.#found;
  }

  /** Whether so little of what is durable was not looked at yet that {@link lookNow} hardly blocks. */
  get isNear(): boolean {
    const left = this.#records.durable() - this.#seen;
    return left <= 0 || (left <= NEAR_RECORDS && this.#records.isCached(this.#seen + 1));
  }

  /**
   * Look at what is durable, until one is found or {@link isNear}.
   * @throws ERR_CORRUPT, ERR_STORAGE, and ERR_ABORTED once the signal is aborted
   */
  async look(signal: AbortSignal | undefined): Promise<void> {
    const lease = this.#records.lease(this.#seen + 1);
    try {
      await this.#pass(signal, lease);
    } finally {
      lease.end();
    }
  }

  async #pass(signal: AbortSignal | undefined, lease: Lease): Promise<void> {
    for (let pass = 0; pass < MOST_PASSES && this.#found === undefined && !this.isNear; pass++) {
      const durable = this.#records.durable();
      const found = search({
        records: this.#records,
        indexes: this.#indexes,
        durable,
        // The newest are the likeliest to match.
        range: { low: Math.max(this.#seen + 1, this.#records.floor), high: durable, direction: 'backwards' },
        sought: new Conditional(this.#records, this.#selectors),
        limit: 1,
        signal,
        lease,
        onHole: () => {},
      });
      for await (const { sequences } of found) this.#found = sequences[0];
      this.#seen = durable;
    }
  }

  /**
   * Look at the rest of what is durable, blocking the thread.
   * @throws ERR_CORRUPT, ERR_STORAGE
   */
  lookNow(): void {
    const durable = this.#records.durable();
    // What was removed since does not count.
    for (let next = Math.max(this.#seen + 1, this.#records.floor); next <= durable; ) {
      next = this.#records.holes.skip(next);
      if (next > durable) break;
      const run = this.#records.loadSync(next, durable);
      const end = Math.min(run.lastSequence, durable);
      for (; next <= end; next++) {
        const at = run.at(next);
        if (this.#records.tombstones.hides(next, run.memory, at) || !this.matches(run.memory, at)) continue;
        this.#found = next;
        return;
      }
    }
    this.#seen = Math.max(this.#seen, durable);
  }

  /** Whether it matches a record in some memory. No tombstone counts. */
  matches(memory: Memory, at: number): boolean {
    if (isTombstone(memory.view, at)) return false;
    if (this.#header === undefined) this.#header = new RecordHeader(memory, at);
    else this.#header.moveTo(memory, at);
    return matches(this.#selectors, this.#header);
  }
}
