/**
 * Letting calls in: from a user's events to a place in the ring; at once, or once there is room, or once a condition was
 * checked.
 */
import { invalidEvent } from '../../shared/names.js';
import type { Settings } from '../../shared/options.js';
import type { KeeperError } from '../../shared/portable/errors.js';
import type { RingProducer } from '../../shared/ring/producer.js';
import { appendChannel, tellRefusal } from '../telemetry/channels.js';
import { AppendEncoder } from './append-encoder.js';
import { Call, type CallFlags, notAppended, type Part } from './call.js';
import type { Condition } from './condition.js';
import type { Heads } from './heads.js';
import type { Pending } from './pending.js';
import type { Publisher } from './publisher.js';
import type { Results } from './results.js';
import { copyIntoRing, type Sequencer } from './sequencer.js';
import { backpressure, type Waiters } from './waiters.js';
import type { Work } from './work.js';

export interface AdmissionParts {
  readonly settings: Settings;
  readonly ring: RingProducer;
  readonly heads: Heads;
  readonly sequencer: Sequencer;
  readonly pending: Pending;
  readonly waiters: Waiters;
  readonly publisher: Publisher;
  readonly results: Results;
  readonly work: Work;
}

/** What a call may wait for. */
export type Wait = 'never' | 'for room' | 'for its condition';

export class Admission {
  readonly #parts: AdmissionParts;
  readonly #encoder: AppendEncoder;
  #gate: (() => KeeperError) | undefined;
  /** While a user's events are read, which can run a user's code. */
  #encoding = false;
  appends = 0;
  events = 0;

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    this.#encoder = new AppendEncoder(parts.settings, parts.ring);
  }

  /** Refuse everything, with an error made for each call; or accept again. */
  setGate(gate: (() => KeeperError) | undefined): void {
    this.#gate = gate;
  }

  /**
   * Accept a call, or have it wait if it may.
   * @param condition what must hold besides `expect`: checked now or when there is room, unless the call is held for {@link check}
   * @throws where it is refused, with the outcome `'not-appended'`
   */
  accept(parts: readonly Part[], flags: CallFlags, wait: Wait, condition?: Condition): Call {
    // Heads are held as long as the call has them and they are not told of it.
    let held = 0;
    try {
      if (this.#gate !== undefined) throw this.#gate();
      if (this.#encoding) throw invalidEvent('data', 'has a getter that appends to the store it is appended to');
      for (const part of parts) {
        part.head = this.#parts.heads.get(part.stream, flags.system);
        part.head.pending++;
        held++;
      }
      const call = new Call(parts, this.#encoder.countOf(parts), flags, condition);
      this.#acceptCall(call, wait);
      if (call.encoded !== undefined) held = 0; // until it has waited
      return call;
    } catch (error) {
      throw notAppended(error);
    } finally {
      for (let i = 0; i < held; i++) parts[i]!.head.pending--;
    }
  }

  /** Check the condition of a call that is held; then it takes its place, or waits for room. */
  async check(call: Call, condition: Condition, signal: AbortSignal | undefined): Promise<void> {
    const { waiters, work } = this.#parts;
    let failure: unknown;
    try {
      await condition.look(signal);
    } catch (error) {
      failure = error;
    }
    // Meanwhile it may have been aborted, or given up with all others.
    if (!waiters.checked(call)) return;
    if (failure === undefined) this.admitWaiting();
    else {
      waiters.remove(call);
      this.#refuse(call, failure);
    }
    work.rest();
  }

  /** Let those in who wait for room, as far as there is some. */
  admitWaiting(): void {
    const { waiters, ring, results } = this.#parts;
    for (let call = waiters.oldest; call !== undefined; call = waiters.oldest) {
      const starts = copyIntoRing(ring, call);
      if (starts === undefined) return;
      waiters.remove(call);
      try {
        this.#admit(call, starts);
        results.follow(call);
        if (!call.accepted) call.end(undefined);
      } catch (error) {
        this.#refuse(call, error);
      }
    }
  }

  #acceptCall(call: Call, wait: Wait): void {
    const { waiters, work } = this.#parts;
    const { parts, count } = call;
    const { system } = call.flags;
    const isNext = wait !== 'for its condition' && (waiters.oldest === undefined || system);
    let starts: readonly number[] | undefined;
    this.#encoding = true;
    try {
      starts = isNext ? this.#encoder.intoRing(parts, count, system) : undefined;
      if (starts === undefined) call.encoded = this.#encoder.intoHeap(parts, count);
    } finally {
      this.#encoding = false;
    }
    call.keys = this.#encoder.keys;
    for (const part of parts) part.events = undefined;
    if (starts !== undefined) {
      this.#admit(call, starts);
      return;
    }
    if (wait === 'never') throw backpressure();
    if (wait === 'for room') waiters.push(call);
    else waiters.hold(call);
    work.begin();
  }

  #admit(call: Call, starts: readonly number[]): void {
    const { sequencer, ring, pending, work, publisher, settings } = this.#parts;
    try {
      call.admitted = sequencer.admit(call, starts);
    } catch (error) {
      ring.discard();
      throw error;
    }
    if (call.admitted.kind !== 'accepted') return;
    pending.push(call);
    this.appends++;
    this.events += call.count;
    work.begin();
    publisher.added(call.count);
    if (appendChannel.hasSubscribers) appendChannel.publish(call.message(settings.dir));
  }

  /** A call that has waited is not let in. */
  #refuse(call: Call, error: unknown): void {
    const refusal = notAppended(error) as KeeperError;
    call.reject(refusal);
    call.end(refusal);
    tellRefusal(this.#parts.settings.dir, refusal);
  }
}
