/** Repeated calls: what an idempotency key that is known already means for a call. */
import { hashBody, type StoredResult } from '../../shared/format/base.js';
import type { NameHasher } from '../../shared/format/name-hash.js';
import { type Memory, recordRevision, recordSequence, recordTimestampNs } from '../../shared/format/record.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { Appended, AppendedMany } from '../../shared/portable/log.js';
import type { Admitted, Call } from './call.js';
import { type RecordAt, sameBody } from './compare.js';
import type { Keys } from './keys.js';
import type { Pending } from './pending.js';
import { findInRing } from './ring-records.js';

/** An event of an earlier call: its record, or what is kept of it once retention has removed that. */
export interface Original {
  readonly sequence: number;
  readonly timestampNs: bigint;
  readonly revision: number;
  hasBodyOf(repeated: RecordAt): boolean;
}

/** Looks up one durable event, verified, blocking the thread; undefined where nothing tells of it, or that it was removed. */
export type OriginalSync = (sequence: number) => Original | 'removed' | undefined;

export function recordedOriginal(record: RecordAt): Original {
  const { view } = record.memory;
  return {
    sequence: recordSequence(view, record.at),
    timestampNs: recordTimestampNs(view, record.at),
    revision: recordRevision(view, record.at),
    hasBodyOf: (repeated) => sameBody(repeated, record),
  };
}

/** Its body is known by its hash alone. */
export function keptOriginal({ body, ...kept }: StoredResult, hasher: NameHasher): Original {
  const hasBodyOf = ({ memory, at }: RecordAt): boolean =>
    hashBody(hasher, memory, at).every((word, i) => word === body[i]);
  return { ...kept, hasBodyOf };
}

export class Duplicates {
  readonly #keys: Keys;
  readonly #pending: Pending;
  readonly #ring: Memory;
  readonly #original: OriginalSync;
  readonly #nodeId: string;

  constructor(keys: Keys, pending: Pending, ring: Memory, original: OriginalSync, nodeId: string) {
    this.#keys = keys;
    this.#pending = pending;
    this.#ring = ring;
    this.#original = original;
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
      if (sequence !== 0 && known === undefined && !this.#isGone(sequence)) known = { key, first: sequence - i };
    }
    if (known === undefined) return undefined;

    const originals: Original[] = [];
    const pending = this.#pending.find(Math.max(1, known.first));
    for (let i = 0; i < call.count; i++) {
      const original = pending === undefined ? this.#original(known.first + i) : this.#inRing(pending, known.first + i);
      if (typeof original !== 'object' || !original.hasBodyOf({ memory, at: starts[i]! })) {
        throw reused(known.key, 'was used by an append with another body, or together with other events');
      }
      originals.push(original);
    }
    if (pending !== undefined) return { kind: 'repeats', pending };
    return { kind: 'repeated', result: this.#resultOf(call, originals) };
  }

  /** Whether the event with a key was removed. Its key was forgotten then, though an older checkpoint may have it. */
  #isGone(sequence: number): boolean {
    return this.#pending.find(sequence) === undefined && this.#original(sequence) === 'removed';
  }

  /** A record of a pending call, which the ring still holds. */
  #inRing(call: Call, sequence: number): Original | undefined {
    const at = findInRing(call, this.#ring, (found) => found === sequence);
    return at === undefined ? undefined : recordedOriginal({ memory: this.#ring, at });
  }

  #resultOf(call: Call, originals: readonly Original[]): Appended {
    const ids = originals.map(({ timestampNs, sequence }) => formatEventId(timestampNs, sequence, this.#nodeId));
    const revisions: Record<string, number> = Object.create(null);
    let end = 0;
    for (const part of call.parts) {
      end += part.count;
      revisions[part.head.stream] = originals[end - 1]!.revision;
    }
    const first = originals[0]!;
    const last = originals.at(-1)!;
    const result: Appended = {
      ids,
      firstSequence: first.sequence,
      lastSequence: last.sequence,
      revision: last.revision,
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
