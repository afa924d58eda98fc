/** What an append with a condition asks of the log. */
import type { Memory } from '../../shared/format/record.js';

/** The condition of one append, which knows how far the log was looked at for it. */
export interface Condition {
  /** Only events with a higher sequence count. */
  readonly after: number;
  /** Where an event that matches was found to stand. */
  readonly found: number | undefined;
  /** Whether so little of what is durable was not looked at yet that {@link lookNow} hardly blocks. */
  readonly isNear: boolean;
  /**
   * Look at what is durable, until one is found or {@link isNear}.
   * @throws ERR_CORRUPT, ERR_STORAGE, and ERR_ABORTED once the signal is aborted
   */
  look(signal: AbortSignal | undefined): Promise<void>;
  /**
   * Look at the rest of what is durable, blocking the thread.
   * @throws ERR_CORRUPT, ERR_STORAGE
   */
  lookNow(): void;
  /** Whether it matches a record in some memory. */
  matches(memory: Memory, at: number): boolean;
}
