/** Repeated calls: what an idempotency key that is known already means for a call. */
import { type Memory, recordRevision, recordSequence, recordTimestampNs } from '../../shared/format/record.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { Appended, AppendedMany } from '../../shared/portable/log.js';
import type { Admitted, Call } from './call.js';
import { type RecordAt, sameBody } from './compare.js';
import type { Keys } from './keys.js';
import type { Pending } from './pending.js';
import { findInRing } from './ring-records.js';

/** Reads one durable record, verified, blocking the thread; undefined where there is none. */
export type ReadRecordSync = (sequence: number) => RecordAt | undefined;

export class Duplicates {
  readonly #keys: Keys;
  readonly #pending: Pending;
  readonly #ring: Memory;
  readonly #readRecord: ReadRecordSync;
  readonly #nodeId: string;

  constructor(keys: Keys, pending: Pending, ring: Memory, readRecord: ReadRecordSync, nodeId: string) {
    this.#keys = keys;
    this.#pending = pending;
    this.#ring = ring;
    this.#readRecord = readRecord;
    this.#nodeId = nodeId;
  }

  /**
   * @param starts where the call's records begin in the memory
   * @returns undefined if no key is known
   * @throws ERR_IDEMPOTENCY_REUSED unless the call repeats an earlier one as a whole
   */
  check(call: Call, memory: Memory, starts: readonly number[]): Admitted | undefined {
    const keys = call.keys!;
    let known: { key: string; first: number } | undefined;
    const seen = new Set<string>();
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i]!;
      if (key === '') continue;
      if (seen.has(key)) throw reused(key, 'stands twice in this call');
      seen.add(key);
      const sequence = this.#keys.find(key);
      if (sequence !== 0 && known === undefined) known = { key, first: sequence - i };
    }
    if (known === undefined) return undefined;

    const originals: RecordAt[] = [];
    const pending = this.#pending.find(Math.max(1, known.first));
    for (let i = 0; i < call.count; i++) {
      const original =
        pending === undefined ? this.#readRecord(known.first + i) : this.#inRing(pending, known.first + i);
      if (original === undefined || !sameBody({ memory, at: starts[i]! }, original)) {
        throw reused(known.key, 'was used by an append with another body, or together with other events');
      }
      originals.push(original);
    }
    if (pending !== undefined) return { kind: 'repeats', pending };
    return { kind: 'repeated', result: this.#resultOf(call, originals) };
  }

  /** A record of a pending call, which the ring still holds. */
  #inRing(call: Call, sequence: number): RecordAt | undefined {
    const at = findInRing(call, this.#ring, (found) => found === sequence);
    return at === undefined ? undefined : { memory: this.#ring, at };
  }

  #resultOf(call: Call, originals: readonly RecordAt[]): Appended {
    const ids = originals.map(({ memory, at }) =>
      formatEventId(recordTimestampNs(memory.view, at), recordSequence(memory.view, at), this.#nodeId),
    );
    const revisionOf = ({ memory, at }: RecordAt): number => recordRevision(memory.view, at);
    const revisions: Record<string, number> = Object.create(null);
    let end = 0;
    for (const part of call.parts) {
      end += part.count;
      revisions[part.head.stream] = revisionOf(originals[end - 1]!);
    }
    const first = originals[0]!;
    const last = originals.at(-1)!;
    const result: Appended = {
      ids,
      firstSequence: recordSequence(first.memory.view, first.at),
      lastSequence: recordSequence(last.memory.view, last.at),
      revision: revisionOf(last),
      durability: 'synced',
      duplicate: true,
    };
    return call.flags.many ? ({ ...result, revisions } as AppendedMany) : result;
  }
}

function reused(key: string, why: string): KeeperError {
  return new KeeperError('ERR_IDEMPOTENCY_REUSED', `idempotency key ${key} ${why}`, {
    key,
    hint: 'Repeat a call whole and unchanged, or use a new key.',
  });
}
