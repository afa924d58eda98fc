/**
 * The sequencer: gives appends their place in the order. Checks see everything that is accepted, durable or not, so that
 * of two racing appends only one can win. What was accepted last can be taken back.
 */
import { type Memory, recordLength, stampRecord } from '../../shared/format/record.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { RingProducer } from '../../shared/ring/producer.js';
import type { Admitted, Call, Part } from './call.js';
import { type Clock, toHalves } from './clock.js';
import type { Conditions } from './conditions.js';
import type { Duplicates } from './duplicates.js';
import type { Keys } from './keys.js';

const TWO_32 = 2 ** 32;

const ACCEPTED: Admitted = { kind: 'accepted' };

export class Sequencer {
  readonly #ring: RingProducer;
  readonly #memory: Memory;
  readonly #clock: Clock;
  readonly #keys: Keys;
  readonly #duplicates: Duplicates;
  readonly #conditions: Conditions;
  #sequence: number;

  constructor(
    ring: RingProducer,
    clock: Clock,
    keys: Keys,
    checks: { readonly duplicates: Duplicates; readonly conditions: Conditions },
    lastSequence: number,
  ) {
    this.#ring = ring;
    this.#memory = { bytes: ring.state.ring, view: ring.state.view };
    this.#clock = clock;
    this.#keys = keys;
    this.#duplicates = checks.duplicates;
    this.#conditions = checks.conditions;
    this.#sequence = lastSequence;
  }

  /** The last sequence that was given out. */
  get lastSequence(): number {
    return this.#sequence;
  }

  /**
   * Check a call whose records are the ring's draft, and give it its place: the draft becomes part of the ring.
   * @param starts the offset of each record
   * @throws ERR_CONFLICT, ERR_CONDITION_FAILED, ERR_IDEMPOTENCY_REUSED; nothing has changed then but the draft, which is to be discarded
   */
  admit(call: Call, starts: readonly number[]): Admitted {
    if (call.keys !== undefined) {
      const repeated = this.#duplicates.check(call, this.#memory, starts);
      if (repeated !== undefined) {
        this.#ring.discard();
        return repeated;
      }
    }
    for (const part of call.parts) checkExpect(part);
    if (call.condition !== undefined) this.#conditions.check(call.condition);
    this.#stamp(call, starts);
    this.#ring.commit();
    call.ringOffset = starts[0]!;
    call.endPosition = this.#ring.head.position;
    if (call.keys !== undefined) {
      const timeMs = call.seconds * 1000 + Math.floor(call.nanos / 1_000_000);
      for (let i = 0; i < call.keys.length; i++) {
        if (call.keys[i] !== '') this.#keys.add(call.keys[i]!, call.firstSequence + i, timeMs);
      }
    }
    return ACCEPTED;
  }

  /** Give up the newest call: heads, keys and the sequence go back, the clock does not. */
  takeBack(call: Call): void {
    // The last part first: a stream that comes more than once goes back to what it was before the first.
    for (const { head, previousRevision, previousSequence } of call.parts.toReversed()) {
      head.revision = previousRevision;
      head.lastSequence = previousSequence;
      head.pending--;
      head.dirty = true; // a checkpoint under way may have taken what is given up
    }
    for (let i = call.count - 1; call.keys !== undefined && i >= 0; i--) {
      if (call.keys[i] !== '') this.#keys.takeBack(call.keys[i]!, call.firstSequence + i);
    }
    this.#sequence = call.firstSequence - 1;
  }

  #stamp(call: Call, starts: readonly number[]): void {
    this.#clock.take(call.count);
    call.seconds = this.#clock.seconds;
    call.nanos = this.#clock.nanos;
    call.firstSequence = this.#sequence + 1;
    const last = toHalves(call.seconds, call.nanos);
    let high = last.high;
    let low = last.low - (call.count - 1);
    if (low < 0) {
      low += TWO_32;
      high -= 1;
    }
    let record = 0;
    for (const part of call.parts) {
      const { head } = part;
      part.previousRevision = head.revision;
      part.previousSequence = head.lastSequence;
      for (let i = 0; i < part.count; i++) {
        stampRecord(this.#memory.view, starts[record++]!, ++this.#sequence, ++head.revision, high, low);
        if (++low === TWO_32) {
          low = 0;
          high += 1;
        }
      }
      head.lastSequence = this.#sequence;
      head.pending++;
      head.dirty = true;
    }
  }
}

function checkExpect({ head, expect }: Part): void {
  const { revision } = head;
  if (expect === 'any' || expect === revision) return;
  if (expect === 'none' && revision === -1) return;
  if (expect === 'exists' && revision !== -1) return;
  const actual = revision === -1 ? 'none' : revision;
  throw new KeeperError('ERR_CONFLICT', `stream ${head.stream} is expected to be at ${expect}, and is at ${actual}`, {
    stream: head.stream,
    expected: expect,
    actual,
    hint: 'Read the stream again (after flush(): reads show what is durable), decide again, and append with its revision.',
  });
}

/** Copy records that waited in the heap into the ring's draft. Returns where each begins, or undefined without room. */
export function copyIntoRing(ring: RingProducer, call: Call): number[] | undefined {
  const { memory, starts } = call.encoded!;
  const places: number[] = [];
  for (const start of starts) {
    const at = ring.addCopy(memory.bytes, start, start + recordLength(memory.view, start), call.flags.system);
    if (at === -1) {
      ring.discard();
      return undefined;
    }
    places.push(at);
  }
  return places;
}
