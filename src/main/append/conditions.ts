/**
 * Append conditions (dynamic consistency boundaries, https://dcb.events): an append is let in only if no event behind a
 * sequence matches. What is durable is looked at beforehand, but for the newest part of it; that and what is pending is looked
 * at when the append takes its place, so that of two racing appends only one can win.
 */
import { type Memory, recordSequence } from '../../shared/format/record.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { Call } from './call.js';
import type { Condition } from './condition.js';
import type { Pending } from './pending.js';
import { findInRing } from './ring-records.js';

export class Conditions {
  readonly #pending: Pending;
  readonly #ring: Memory;

  /** @param ring the ring's memory */
  constructor(pending: Pending, ring: Memory) {
    this.#pending = pending;
    this.#ring = ring;
  }

  /**
   * Whether a condition holds in all that is accepted.
   * @throws ERR_CONDITION_FAILED where it does not; ERR_CORRUPT, ERR_STORAGE
   */
  check(condition: Condition): void {
    if (condition.found === undefined) condition.lookNow();
    const sequence = condition.found ?? this.#findPending(condition);
    if (sequence === undefined) return;
    throw new KeeperError('ERR_CONDITION_FAILED', `event ${sequence} matches the condition of the append`, {
      sequence,
      hint: 'Read again with the same selector, decide again, and append with the position of those rows as `after`.',
    });
  }

  #findPending(condition: Condition): number | undefined {
    for (const call of this.#pending.newestFirst()) {
      if (call.lastSequence <= condition.after) return undefined;
      const found = this.#findIn(call, condition);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #findIn(call: Call, condition: Condition): number | undefined {
    const matches = (sequence: number, at: number): boolean =>
      sequence > condition.after && condition.matches(this.#ring, at);
    const at = findInRing(call, this.#ring, matches);
    return at === undefined ? undefined : recordSequence(this.#ring.view, at);
  }
}
