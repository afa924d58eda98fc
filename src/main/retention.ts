/**
 * Retention: which segments go, and when. The oldest sealed ones, as soon as the log is larger or older than it may be, and
 * none that is being read. How one goes is in {@link file://./prune.ts}.
 */
import { isLimited, type RetentionOptions } from '../shared/options.js';
import { isKeeperError, type KeeperError } from '../shared/portable/errors.js';
import { isFailedSync } from '../shared/storage.js';
import type { Pruned, Pruning } from './prune.js';
import type { Catalog, Segment } from './read/catalog.js';

/**
 * It looks again after so long at most, whatever it waits for, and at least; and after a failure: where a disk is full, nothing else may
 * be going on that would have it look. What does not verify will not the next time either. Unit: milliseconds.
 */
const LOOK_AGAIN_MS = { most: 600_000, least: 1000, failed: 30_000 } as const;
/** The newest event may be ahead of the wall clock by so much before one of the two is taken for wrong. Unit: milliseconds. */
const MOST_AHEAD_MS = 3_600_000;
const NS_PER_MS = 1_000_000n;

export interface RetentionParts {
  readonly limits: RetentionOptions;
  readonly catalog: Pick<Catalog, 'segments' | 'sealedUpTo' | 'isRaw' | 'start'>;
  readonly pruning: Pick<Pruning, 'prune' | 'decideAnew' | 'close'>;
  /** Bytes of a segment's file. */
  bytesOf(segment: Segment): number;
  /** Bytes of the segment that is being written. */
  activeBytes(): number;
  /** The last durable sequence, the catalog being up to date. */
  durable(): number;
  readonly clock: {
    /** Milliseconds since 1970; may tell of a jump. */
    wallMs(): number;
    /** Of the newest event. Unit: seconds. */
    readonly seconds: number;
  };
  onPruned(pruned: Pruned): void;
  onFailure(error: unknown): void;
  /** The wall clock is not to be trusted: age is not looked at. */
  onClockDoubted(aheadMs: number): void;
}

export class Retention {
  readonly #parts: RetentionParts;
  /** Of sealed segments, by number. Unit: bytes. */
  readonly #sizes = new Map<number, number>();
  #last: Promise<void> = Promise.resolve();
  #isDue = false;
  #timer: NodeJS.Timeout | undefined;
  /** Up to this sequence nobody read for a moment: who has begun since may not have ended when the next one begins. */
  #unreadUpTo = 0;
  #closed = false;
  /** A failed sync, after which nothing is removed any more until the store is opened again. */
  #failure: KeeperError | undefined;
  #isFailureTold = false;
  /** The wall clock has jumped, or is behind the newest event. */
  #clockJumped = false;
  #isDoubtTold = false;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** Something has changed that may let segments go: look, after what is under way. */
  soon(): void {
    if (this.#closed || this.#isDue || this.#failure !== undefined || !isLimited(this.#parts.limits)) return;
    this.#isDue = true;
    this.#last = this.#last.then(async () => {
      this.#isDue = false;
      await this.#run();
    });
  }

  /** A sealed segment is not as large any more as it was. */
  resized(number: number): void {
    this.#sizes.delete(number);
    this.#parts.pruning.decideAnew(); // the log may be small enough by now
  }

  /** The wall clock has jumped: how old anything is, is not known until the store is opened again. */
  suspendAge(): void {
    this.#clockJumped = true;
    this.#parts.pruning.decideAnew();
  }

  /** Stop between two slices. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#parts.pruning.close();
    await this.#last;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    let mostMs: number = LOOK_AGAIN_MS.most;
    try {
      for (let due = this.#due(); due.length > 0 && !this.#closed; due = this.#due()) {
        const pruned = await this.#parts.pruning.prune(due);
        if (pruned === undefined) continue;
        for (const { number } of due) this.#sizes.delete(number);
        this.#isFailureTold = false;
        this.#parts.onPruned(pruned);
      }
    } catch (error) {
      this.#failed(error);
      if (!isKeeperError(error, 'ERR_CORRUPT')) mostMs = LOOK_AGAIN_MS.failed;
    }
    if (!this.#closed && this.#failure === undefined) this.#lookAgain(mostMs);
  }

  #failed(error: unknown): void {
    if (this.#closed) return;
    if (isFailedSync(error)) this.#failure = error;
    // What is tried again and again is told once.
    if (!this.#isFailureTold) this.#parts.onFailure(error);
    this.#isFailureTold = true;
  }

  /** The segments that are to go now, oldest first. */
  #due(): Segment[] {
    const { catalog, limits } = this.#parts;
    const durable = this.#parts.durable();
    const { segments } = catalog;
    const sealedUpTo = catalog.sealedUpTo();
    const { lowest } = catalog.start.leases;
    const isOld = this.#ageTest();
    let bytes = limits.maxBytes === undefined ? 0 : this.#bytes();
    const due: Segment[] = [];
    const unread = this.#unreadUpTo;
    this.#unreadUpTo = 0;
    for (const [i, segment] of segments.slice(0, -1).entries()) {
      const next = segments[i + 1]!;
      const last = next.firstSequence - 1;
      const isLarge = limits.maxBytes !== undefined && bytes > limits.maxBytes;
      // The newest event stays, though the segment behind its own may have none yet: the log's end is read there.
      if (last > sealedUpTo || next.firstSequence > durable || !(isLarge || isOld(next))) break;
      if (lowest <= last && last > unread) {
        // A moment is enough to get ready, and the next one to have them go.
        catalog.start.leases.whenAbove(last, () => {
          this.#unreadUpTo = catalog.start.leases.lowest - 1;
          this.soon();
        });
        break;
      }
      due.push(segment);
      bytes -= isLarge ? this.#bytesOf(segment) : 0;
    }
    return due;
  }

  /** Whether the segment before one is too old, by its newest event. */
  #ageTest(): (next: Segment) => boolean {
    const { maxAgeMs } = this.#parts.limits;
    if (maxAgeMs === undefined || this.#isClockDoubted()) return () => false;
    const oldest = this.#parts.clock.wallMs() - maxAgeMs;
    return (next) => newestMs(next) < oldest;
  }

  #isClockDoubted(): boolean {
    const { clock } = this.#parts;
    const aheadMs = clock.seconds * 1000 - clock.wallMs();
    const isBehind = aheadMs > MOST_AHEAD_MS;
    const isDoubted = isBehind || this.#clockJumped;
    if (isDoubted && !this.#isDoubtTold) this.#parts.onClockDoubted(Math.round(aheadMs));
    this.#isDoubtTold = isDoubted;
    return isDoubted;
  }

  #bytes(): number {
    const { catalog, activeBytes } = this.#parts;
    return catalog.segments.slice(0, -1).reduce((sum, segment) => sum + this.#bytesOf(segment), activeBytes());
  }

  #bytesOf(segment: Segment): number {
    const known = this.#sizes.get(segment.number);
    if (known !== undefined) return known;
    const { catalog } = this.#parts;
    // Asked before: what becomes sealed between the two is looked at again.
    const isSealed = !catalog.isRaw(segment);
    const bytes = this.#parts.bytesOf(segment);
    if (isSealed) this.#sizes.set(segment.number, bytes);
    return bytes;
  }

  /** When the oldest segment is old enough, or a lease may have been lost. */
  #lookAgain(mostMs: number): void {
    const { limits, catalog, clock } = this.#parts;
    const next = catalog.segments[1];
    const ageMs = limits.maxAgeMs ?? Number.POSITIVE_INFINITY;
    const dueMs = next === undefined ? Number.POSITIVE_INFINITY : newestMs(next) + ageMs + 1 - clock.wallMs();
    const waitMs = dueMs > 0 ? Math.max(LOOK_AGAIN_MS.least, dueMs) : mostMs;
    this.#timer = setTimeout(() => this.soon(), Math.min(mostMs, waitMs));
    this.#timer.unref();
  }
}

/** The time of the newest event before a segment. Unit: milliseconds since 1970. */
function newestMs({ previousTimestampNs }: Segment): number {
  return Number(previousTimestampNs / NS_PER_MS);
}
