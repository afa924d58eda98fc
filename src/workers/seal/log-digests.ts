/** The digests of records by their sequences, read from the log; none where a record is gone, or does not verify. */
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { recordSequence } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { HASH_BYTES } from '../../shared/format/tree-hash.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { FramePosition, SealedWork } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import type { SegmentSpan } from '../../shared/tree-tasks.js';
import { digestsOf } from './digest.js';
import { framesFrom } from './frames.js';

export class LogDigests {
  readonly #storage: Storage;
  readonly #hasher: PlaceHasher;
  readonly #work: SealedWork;
  readonly #spans: readonly SegmentSpan[];
  /** What was read last: from which sequence on, up to where, and the digests. */
  #read: { readonly number: number; readonly first: number; readonly to: FramePosition } | undefined;
  #known = new Map<number, Buffer>();

  /** @param spans of the segments that are read */
  constructor(storage: Storage, hasher: PlaceHasher, work: SealedWork, spans: readonly SegmentSpan[]) {
    this.#storage = storage;
    this.#hasher = hasher;
    this.#work = work;
    this.#spans = spans;
  }

  /** Of each sequence from one to another. */
  of(firstSequence: number, lastSequence: number): (Buffer | undefined)[] {
    const found: (Buffer | undefined)[] = Array.from({ length: lastSequence - firstSequence + 1 });
    const take = (): void => {
      for (const [sequence, digest] of this.#known) {
        if (sequence >= firstSequence && sequence <= lastSequence) found[sequence - firstSequence] = digest;
      }
    };
    take();
    for (const span of this.#spans) {
      const first = Math.max(span.firstSequence, firstSequence);
      const last = Math.min(span.lastSequence, lastSequence);
      if (first > last) continue;
      // Who asks in the order of the log has each of its frames read once.
      const goesOn = this.#read?.number === span.number && this.#read.first <= first;
      let from = goesOn ? this.#read?.to : undefined;
      while ((from?.sequence ?? 0) <= last) {
        from = this.#next(span, from);
        if (from === undefined) break;
        take();
      }
    }
    return found;
  }

  /** Read on in a segment. Returns where to go on; undefined where nothing that verifies continues it. */
  #next({ number, lastSequence }: SegmentSpan, from: FramePosition | undefined): FramePosition | undefined {
    this.#read = undefined;
    try {
      const { memory, starts, frames, to } = framesFrom(
        this.#storage,
        this.#hasher,
        { ...this.#work, number },
        { from, lastSequence },
      );
      const [frame] = frames;
      if (frame === undefined) return undefined;
      const there = starts.filter((at) => !isRemoved(memory.view, at));
      const digests = digestsOf({ memory, starts });
      this.#known = new Map(
        there.map((at, i) => [recordSequence(memory.view, at), digests.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES)]),
      );
      this.#read = { number, first: frame.firstSequence, to };
      return to;
    } catch (error) {
      if (isKeeperError(error, 'ERR_CORRUPT')) return undefined;
      throw error;
    }
  }
}
