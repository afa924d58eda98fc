/**
 * Retention: which segments go, and when. The oldest sealed ones, as soon as the log is larger or older than it may be, and
 * none that is being read. How one goes is in {@link file://./prune.ts}.
 */
import { checkWorkOptions, invalid, isLimited, parseRetention, type RetentionOptions } from '../shared/options.js';
import { aborted, isKeeperError, type KeeperError } from '../shared/portable/errors.js';
import { isFailedSync } from '../shared/storage.js';
import type { Pruning } from './prune.js';
import type { PruneOptions, PruneProgress, PruneReport } from './prune-types.js';
import type { Catalog, Segment } from './read/catalog.js';
import { orAborted } from './seal/or-aborted.js';
import { closedError } from './store-errors.js';

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
  /** Seal what is full. */
  seal(signal: AbortSignal | undefined): Promise<unknown>;
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
  onPruned(pruned: PruneProgress): void;
  onFailure(error: unknown): void;
  /** The wall clock is not to be trusted: age is not looked at. */
  onClockDoubted(aheadMs: number): void;
}

/** What is to go now. */
interface Due {
  /** Oldest first. */
  readonly segments: readonly Segment[];
  /** Why the one behind them stays, though a limit asks for it. */
  readonly left: PruneReport['left'];
  /** The last sequence of that one, where somebody reads it. */
  readonly heldUpTo?: number;
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

  /**
   * Once, by other limits, what is full being sealed before; behind what is under way.
   * @throws ERR_INVALID_OPTIONS; what sealing throws, and {@link Pruning.prune}; ERR_ABORTED, ERR_CLOSED
   */
  async prune(given: RetentionOptions, options: PruneOptions): Promise<PruneReport> {
    const limits = parseRetention(given);
    if (!isLimited(limits)) throw invalid('retention', 'must have maxAgeMs, maxBytes, or both');
    checkWorkOptions(options);
    const { signal } = options;
    // Whoever waits keeps Node alive, which the writer's answer does not.
    const waiting = setInterval(() => {}, LOOK_AGAIN_MS.most);
    try {
      await this.#parts.seal(signal);
      const run = this.#last.then(() => this.#once(limits, options));
      this.#last = run.then(
        () => this.soon(), // who waited for a reader may have to be told of another one
        (error) => {
          if (isFailedSync(error)) this.#failure = error;
          this.soon();
        },
      );
      return await orAborted(run, signal, 'pruning');
    } finally {
      clearInterval(waiting);
    }
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
      for (let due = this.#next(); due.length > 0 && !this.#closed; due = this.#next()) {
        if ((await this.#remove(due)) !== undefined) this.#isFailureTold = false;
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

  /** What is to go now; as soon as nobody reads what is behind it, that is looked at as well. */
  #next(): readonly Segment[] {
    const { leases } = this.#parts.catalog.start;
    const unread = this.#unreadUpTo;
    this.#unreadUpTo = 0;
    const { segments, heldUpTo } = this.#due(this.#parts.limits, unread);
    if (heldUpTo !== undefined) {
      // A moment is enough to get ready, and the next one to have them go.
      leases.whenAbove(heldUpTo, () => {
        this.#unreadUpTo = leases.lowest - 1;
        this.soon();
      });
    }
    return segments;
  }

  async #once(limits: RetentionOptions, { signal, onProgress }: PruneOptions): Promise<PruneReport> {
    let done = { floor: this.#parts.catalog.start.floor, segments: 0, bytes: 0 };
    for (;;) {
      if (this.#closed) throw closedError();
      if (signal?.aborted === true) throw aborted(signal, 'pruning');
      if (this.#failure !== undefined) throw this.#failure;
      const { segments, left } = this.#due(limits);
      const clockDoubted = limits.maxAgeMs !== undefined && this.#isClockDoubted();
      if (segments.length === 0) return { ...done, left, clockDoubted };
      const pruned = await this.#remove(segments, signal);
      if (pruned === undefined) continue;
      done = { floor: pruned.floor, segments: done.segments + pruned.segments, bytes: done.bytes + pruned.bytes };
      onProgress?.({ ...done });
    }
  }

  /** Undefined where it is to be decided anew. */
  async #remove(due: readonly Segment[], signal?: AbortSignal): Promise<PruneProgress | undefined> {
    const pruned = await this.#parts.pruning.prune(due, signal);
    if (pruned === undefined) return undefined;
    for (const { number } of due) this.#sizes.delete(number);
    this.#parts.onPruned(pruned);
    return pruned;
  }

  /** @param unread nobody reads what is up to there */
  #due(limits: RetentionOptions, unread = 0): Due {
    const { catalog } = this.#parts;
    const durable = this.#parts.durable();
    const all = catalog.segments;
    const sealedUpTo = catalog.sealedUpTo();
    const { lowest } = catalog.start.leases;
    const { maxBytes = Number.POSITIVE_INFINITY } = limits;
    const isOld = this.#ageTest(limits);
    let bytes = limits.maxBytes === undefined ? 0 : this.#bytes();
    const segments: Segment[] = [];
    for (const [i, segment] of all.entries()) {
      const next = all[i + 1];
      const isLarge = bytes > maxBytes;
      if (!(isLarge || isOld(next))) break;
      if (next === undefined) return { segments, left: 'unsealed' };
      const last = next.firstSequence - 1;
      // The newest event stays, though the segment behind its own may have none yet: the log's end is read there.
      if (last > sealedUpTo || next.firstSequence > durable) return { segments, left: 'unsealed' };
      if (lowest <= last && last > unread) return { segments, left: 'being-read', heldUpTo: last };
      segments.push(segment);
      bytes -= isLarge ? this.#bytesOf(segment) : 0;
    }
    return { segments, left: null };
  }

  /** Whether the segment before one, or the newest one, is too old, by its newest event. */
  #ageTest({ maxAgeMs }: RetentionOptions): (next: Segment | undefined) => boolean {
    if (maxAgeMs === undefined || this.#isClockDoubted()) return () => false;
    const { clock } = this.#parts;
    const oldest = clock.wallMs() - maxAgeMs;
    // Without an event there is no time.
    const ofAllMs = clock.seconds === 0 ? Number.POSITIVE_INFINITY : clock.seconds * 1000;
    return (next) => (next === undefined ? ofAllMs : newestMs(next)) < oldest;
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
