/**
 * Accepting: from a user's call to its place in the ring, and from the writer's watermarks to its result. Everything here
 * happens on the caller's thread and, except for waiting, at once.
 */

import { invalidEvent } from '../../shared/names.js';
import type { Settings } from '../../shared/options.js';
import { aborted, type ErrorCode, KeeperError } from '../../shared/portable/errors.js';
import type { Appended } from '../../shared/portable/log.js';
import { type SharedState, WORD } from '../../shared/ring/layout.js';
import type { RingPlace, RingProducer } from '../../shared/ring/producer.js';
import { AppendEncoder } from './append-encoder.js';
import { Call, type CallFlags, notAppended, type Part } from './call.js';
import type { Heads } from './heads.js';
import type { Pending } from './pending.js';
import { copyIntoRing, type Sequencer } from './sequencer.js';
import { durablePosition, type WriterLink, writtenPosition } from './writer-link.js';

/** So much is published at once, rather than at the end of the microtask: the writer writes while more is accepted. */
const PUBLISH_BYTES = 128 * 1024;

/** When to try again after ring and waiting room were full. Unit: milliseconds. */
const RETRY_AFTER_MS = 50;

/** What becomes of a waiter alone, when there is room for it or before. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set(['ERR_ABORTED', 'ERR_CONFLICT', 'ERR_IDEMPOTENCY_REUSED']);

const NONE: readonly never[] = [];

/** Who takes over what is durable before its room in the ring is used again. */
export interface Tail {
  /** The records up to a position, with the given sequences. */
  take(ring: SharedState, position: number, firstSequence: number, lastSequence: number): void;
  /** The ring goes on at another place. */
  skipTo(place: RingPlace): void;
}

export interface AppenderParts {
  readonly settings: Settings;
  readonly nodeId: string;
  readonly ring: RingProducer;
  readonly heads: Heads;
  readonly sequencer: Sequencer;
  readonly pending: Pending;
  readonly tail: Tail;
  readonly link: WriterLink;
}

export class Appender {
  readonly #parts: AppenderParts;
  readonly #encoder: AppendEncoder;
  readonly #counts = { appends: 0, events: 0, commits: 0, committed: 0, largest: 0 };
  #gate: (() => KeeperError) | undefined;
  #waiting: Call[] = [];
  #waitingBytes = 0;
  /** While a user's events are read, which can run a user's code. */
  #encoding = false;
  #publishing = false;
  readonly #publishSoon = (): void => this.#publish();
  #wantWritten = 0;
  #unpublished = 0;
  #lastGroup = 0;
  #durable: number;
  #durablePosition = 0;
  #onIdle: (() => void)[] = [];
  /** Called after the durable watermark has moved. */
  onDurable: () => void = () => {};
  /** Called where a blocked thread finds that the writer has died; is to fail everything. */
  onDead: (why: string) => void = () => {};

  constructor(parts: AppenderParts, lastSequence: number) {
    this.#parts = parts;
    this.#encoder = new AppendEncoder(parts.settings, parts.ring);
    this.#durable = lastSequence;
  }

  /** The last durable sequence. */
  get durable(): number {
    return this.#durable;
  }

  /** Appends that wait for room in the ring. */
  get waiting(): { readonly calls: number; readonly bytes: number } {
    return { calls: this.#waiting.length, bytes: this.#waitingBytes };
  }

  get counts(): Readonly<{ appends: number; events: number; commits: number; committed: number; largest: number }> {
    return this.#counts;
  }

  /** Refuse everything, with an error made for each call; or accept again. */
  setGate(gate: (() => KeeperError) | undefined): void {
    this.#gate = gate;
  }

  append(parts: readonly Part[], flags: CallFlags, signal: AbortSignal | undefined): Promise<Appended> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) throw aborted(signal, 'the append', 'not-appended');
      const call = this.#accept(parts, flags, true);
      call.listen(resolve, reject);
      if (signal !== undefined) call.abortWith(signal, () => this.#removeWaiting(call));
      this.#follow(call);
    });
  }

  /** Accept now or not at all. */
  enqueue(parts: readonly Part[], flags: CallFlags): { ids: readonly string[]; durable: Promise<Appended> } {
    const call = this.#accept(parts, flags, false);
    const durable = new Promise<Appended>((resolve, reject) => call.listen(resolve, reject));
    durable.catch(() => {}); // may be left alone; the failure also reaches the logger
    const { admitted } = call;
    const first = admitted?.kind === 'repeats' ? admitted.pending : call;
    const { ids } = admitted?.kind === 'repeated' ? admitted.result : first.result(this.#parts.nodeId, 'accepted');
    this.#follow(call);
    return { ids, durable };
  }

  /** Block the thread until the call is as durable as was asked. Whoever waits for room comes first. */
  appendSync(parts: readonly Part[], flags: CallFlags): Appended {
    const outcome: { result?: Appended; error?: KeeperError } = {};
    const call = this.#accept(parts, flags, true);
    call.listen(
      (result) => {
        outcome.result = result;
      },
      (error) => {
        outcome.error = error;
      },
    );
    this.#follow(call);
    const { link } = this.#parts;
    for (;;) {
      this.#publish();
      const settled = Atomics.load(link.state.words, WORD.settled);
      link.drain();
      this.settle();
      if (outcome.error !== undefined) throw outcome.error;
      if (outcome.result !== undefined) return outcome.result;
      const dead = link.block(settled);
      if (dead !== undefined) this.onDead(dead);
    }
  }

  /** Resolves when everything that was accepted before, or waits, is durable. */
  flush(): Promise<void> {
    const last = this.#waiting.at(-1) ?? this.#parts.pending.newest;
    if (last === undefined) return Promise.resolve();
    return new Promise((resolve, reject) => {
      last.whenDone((error) => {
        // A waiter that was refused says nothing about those before it.
        if (!last.accepted && (error === undefined || REFUSALS.has(error.code))) this.flush().then(resolve, reject);
        else if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** Resolves when nothing is pending or waiting any more. */
  whenIdle(): Promise<void> {
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** See how far the writer has come: give results, take back room, let waiters in. */
  settle(): void {
    const { pending, ring, tail, link } = this.#parts;
    const durable = durablePosition(link.state);
    if (this.#wantWritten > 0) this.#settleWritten();
    if (durable <= this.#durablePosition) return;
    this.#durablePosition = durable;
    const before = this.#durable;
    for (let call = pending.takeDurable(durable); call !== undefined; call = pending.takeDurable(durable)) {
      for (const { head } of call.parts) head.pending--;
      this.#durable = call.lastSequence;
      this.#finish(call, undefined);
    }
    tail.take(ring.state, durable, before + 1, this.#durable);
    ring.reclaim(durable);
    if (durable === ring.head.position) tail.skipTo(ring.head);
    this.#counts.commits++;
    this.#lastGroup = this.#durable - before;
    this.#counts.committed += this.#durable - before;
    this.#counts.largest = Math.max(this.#counts.largest, this.#durable - before);
    this.#admitWaiting();
    this.onDurable();
    this.#rest();
  }

  /**
   * Give up everything that is not durable, and all who wait. The ring is empty then.
   * @param why makes the error of each call
   */
  rollBack(why: (outcome: 'not-appended') => KeeperError): number {
    const { pending, ring, sequencer } = this.#parts;
    this.settle();
    const given: Call[] = [];
    for (let call = pending.takeNewest(); call !== undefined; call = pending.takeNewest()) {
      sequencer.takeBack(call);
      given.push(call);
    }
    this.#durablePosition = ring.head.position;
    ring.reclaim(ring.head.position);
    this.#parts.tail.skipTo(ring.head);
    for (const call of given.reverse()) this.#finish(call, why('not-appended'));
    this.#failWaiting(() => why('not-appended'));
    this.#rest();
    return given.length;
  }

  /** Nothing will be written any more: fail everything that is pending or waiting. */
  failAll(why: (outcome: 'unknown' | 'not-appended') => KeeperError): void {
    this.settle();
    const { pending } = this.#parts;
    const failed: Call[] = [];
    for (let call = pending.takeNewest(); call !== undefined; call = pending.takeNewest()) failed.push(call);
    for (const call of failed.reverse()) this.#finish(call, why('unknown'));
    this.#failWaiting(() => why('not-appended'));
    this.#rest();
  }

  get #isIdle(): boolean {
    return this.#parts.pending.count === 0 && this.#waiting.length === 0;
  }

  #accept(parts: readonly Part[], flags: CallFlags, mayWait: boolean): Call {
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
      const call = this.#acceptCall(parts, flags, mayWait);
      if (call.encoded !== undefined) held = 0; // until it has waited
      return call;
    } catch (error) {
      throw notAppended(error);
    } finally {
      for (let i = 0; i < held; i++) parts[i]!.head.pending--;
    }
  }

  #acceptCall(parts: readonly Part[], flags: CallFlags, mayWait: boolean): Call {
    const { settings } = this.#parts;
    const { system } = flags;
    let count = 0;
    for (const part of parts) count += part.count;
    checkCount(count, settings.maxBatchEvents);
    const call = new Call(parts, count, flags);
    const first = this.#waiting.length === 0 || system;
    let starts: readonly number[] | undefined;
    this.#encoding = true;
    try {
      starts = first ? this.#encoder.intoRing(parts, count, system) : undefined;
      if (starts === undefined) call.encoded = this.#encoder.intoHeap(parts, count);
    } finally {
      this.#encoding = false;
    }
    call.keys = this.#encoder.keys;
    for (const part of parts) part.events = NONE;
    if (starts !== undefined) {
      call.encoded = undefined;
      this.#admit(call, starts);
      return call;
    }
    const { bytes } = call.encoded!;
    if (!mayWait || this.#waitingBytes + bytes > settings.maxPendingBytes) throw backpressure();
    this.#waiting.push(call);
    this.#waitingBytes += bytes;
    this.#parts.link.hold(true);
    return call;
  }

  #admit(call: Call, starts: readonly number[]): void {
    const { sequencer, ring, pending, link } = this.#parts;
    try {
      call.admitted = sequencer.admit(call, starts);
    } catch (error) {
      ring.discard();
      throw error;
    }
    if (call.admitted.kind !== 'accepted') return;
    pending.push(call);
    this.#counts.appends++;
    this.#counts.events += call.count;
    link.hold(true);
    this.#unpublished += call.count;
    if (ring.unpublishedBytes >= PUBLISH_BYTES || this.#unpublished * 2 >= this.#lastGroup) {
      this.#unpublished = 0;
      ring.publish();
    }
    if (this.#publishing) return;
    this.#publishing = true;
    queueMicrotask(this.#publishSoon);
  }

  /** Give the call what it can have already. */
  #follow(call: Call): void {
    const { nodeId } = this.#parts;
    const { admitted } = call;
    switch (admitted?.kind) {
      case undefined:
        return;
      case 'accepted':
        if (call.flags.durability === 'accepted') call.resolve(call.result(nodeId, 'accepted'));
        else if (call.flags.durability === 'written') this.#countWritten(1);
        return;
      case 'repeats':
        admitted.pending.whenDone((error) => {
          if (error !== undefined) call.reject(error);
          else call.resolve(admitted.pending.result(nodeId, 'synced', call));
        });
        return;
      case 'repeated':
        call.resolve(admitted.result);
    }
  }

  #publish(): void {
    if (!this.#publishing) return;
    this.#publishing = false;
    this.#unpublished = 0;
    if (this.#parts.ring.unpublishedBytes > 0) this.#parts.ring.publish();
  }

  #settleWritten(): void {
    const { pending, link, nodeId } = this.#parts;
    pending.forEachWritten(writtenPosition(link.state), (call) => {
      if (call.flags.durability !== 'written') return;
      call.writtenSeen = true;
      this.#countWritten(-1);
      call.resolve(call.result(nodeId, 'written'));
    });
  }

  #countWritten(change: 1 | -1): void {
    this.#wantWritten += change;
    Atomics.store(this.#parts.link.state.words, WORD.wantWritten, this.#wantWritten > 0 ? 1 : 0);
  }

  /** The call is durable, or has failed for good. */
  #finish(call: Call, error: KeeperError | undefined): void {
    if (call.flags.durability === 'written' && !call.writtenSeen) this.#countWritten(-1);
    if (error === undefined) call.resolve(call.result(this.#parts.nodeId, 'synced'));
    else call.reject(error);
    call.end(error);
  }

  #admitWaiting(): void {
    while (this.#waiting.length > 0) {
      const call = this.#waiting[0]!;
      const starts = copyIntoRing(this.#parts.ring, call);
      if (starts === undefined) return;
      this.#removeWaiting(call);
      try {
        this.#admit(call, starts);
        this.#follow(call);
        if (!call.accepted) call.end(undefined);
      } catch (error) {
        const refusal = notAppended(error) as KeeperError;
        call.reject(refusal);
        call.end(refusal);
      }
    }
  }

  #removeWaiting(call: Call): void {
    const place = this.#waiting.indexOf(call);
    if (place === -1) return;
    this.#waiting.splice(place, 1);
    this.#waitingBytes -= call.encoded!.bytes;
    call.encoded = undefined;
    for (const { head } of call.parts) head.pending--;
  }

  #failWaiting(why: () => KeeperError): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const call of waiting) {
      for (const { head } of call.parts) head.pending--;
      const error = why();
      call.reject(error);
      call.end(error);
    }
  }

  /** With nothing left to do, let Node end, and tell who waits for that. */
  #rest(): void {
    if (!this.#isIdle) return;
    this.#parts.link.hold(false);
    const listeners = this.#onIdle;
    this.#onIdle = [];
    for (const listener of listeners) listener();
  }
}

function checkCount(count: number, limit: number): void {
  if (count === 0) throw invalidEvent('events', 'is empty: an append has one event at least');
  if (count <= limit) return;
  throw new KeeperError('ERR_BATCH_TOO_LARGE', `the call has ${count} events; a call may have ${limit}`, {
    bytes: 0,
    events: count,
    limit,
    hint: 'Append in several calls, or raise maxBatchEvents.',
  });
}

function backpressure(): KeeperError {
  return new KeeperError('ERR_BACKPRESSURE', 'too much is waiting to be written', {
    retryAfterMs: RETRY_AFTER_MS,
    mode: 'open',
    outcome: 'not-appended',
    hint: 'Await what was appended before appending more, or raise ringBytes or maxPendingBytes.',
  });
}
