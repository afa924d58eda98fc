/**
 * Appending: a user's call is admitted to the ring, and gets its result by the writer's watermarks. Everything here happens on
 * the caller's thread and, except for waiting, at once.
 */
import { FLAG } from '../../shared/format/record.js';
import type { Settings } from '../../shared/options.js';
import { aborted, type ErrorCode, type KeeperError } from '../../shared/portable/errors.js';
import type { Appended } from '../../shared/portable/log.js';
import { type SharedState, WORD } from '../../shared/ring/layout.js';
import type { RingPlace, RingProducer } from '../../shared/ring/producer.js';
import { commitChannel } from '../telemetry/channels.js';
import { Admission } from './admission.js';
import type { Call, CallFlags, Part } from './call.js';
import type { Condition } from './condition.js';
import type { Heads } from './heads.js';
import type { Pending } from './pending.js';
import { Publisher } from './publisher.js';
import { Results } from './results.js';
import type { Sequencer } from './sequencer.js';
import { Waiters } from './waiters.js';
import { Work } from './work.js';
import { durablePosition, type WriterLink, writtenPosition } from './writer-link.js';

/** What becomes of a waiter alone, when there is room for it or before. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'ERR_ABORTED',
  'ERR_CONFLICT',
  'ERR_CONDITION_FAILED',
  'ERR_IDEMPOTENCY_REUSED',
]);

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
  readonly #admission: Admission;
  readonly #waiters: Waiters;
  readonly #publisher: Publisher;
  readonly #results: Results;
  readonly #work: Work;
  readonly #commits = { commits: 0, committed: 0, largest: 0 };
  #durable: number;
  #durablePosition = 0;
  /** Called after the durable watermark has moved. */
  onDurable: () => void = () => {};
  /** Called when a tombstone is durable, before whoever appended it is told. */
  onTombstone: (stream: string, sequence: number) => void = () => {};
  /** Called where a blocked thread finds that the writer has died; is to fail everything. */
  onDead: (why: string) => void = () => {};

  constructor(parts: AppenderParts, lastSequence: number) {
    this.#parts = parts;
    this.#waiters = new Waiters(parts.settings.maxPendingBytes);
    this.#publisher = new Publisher(parts.ring);
    this.#results = new Results(parts.nodeId, parts.pending, parts.link);
    this.#work = new Work(parts.pending, this.#waiters, parts.link);
    const { settings, ring, heads, sequencer, pending } = parts;
    const own = { waiters: this.#waiters, publisher: this.#publisher, results: this.#results, work: this.#work };
    this.#admission = new Admission({ settings, ring, heads, sequencer, pending, ...own });
    this.#durable = lastSequence;
  }

  /** The last durable sequence. */
  get durable(): number {
    return this.#durable;
  }

  /** The last sequence that is known to be written. */
  get written(): number {
    const { pending, link } = this.#parts;
    return pending.lastBefore(writtenPosition(link.state)) ?? this.#durable;
  }

  /** Appends that wait: for room in the ring, or for their condition to be checked. */
  get waiting(): { readonly calls: number; readonly bytes: number } {
    return { calls: this.#waiters.count, bytes: this.#waiters.bytes };
  }

  get counts(): Readonly<{ appends: number; events: number; commits: number; committed: number; largest: number }> {
    const { appends, events } = this.#admission;
    return { appends, events, ...this.#commits };
  }

  /** Refuse everything, with an error made for each call; or accept again. */
  setGate(gate: (() => KeeperError) | undefined): void {
    this.#admission.setGate(gate);
  }

  /** Accept, or have the call wait for room. Throws where it is refused; the promise tells what becomes of it. */
  append(
    parts: readonly Part[],
    flags: CallFlags,
    signal: AbortSignal | undefined,
    condition?: Condition,
  ): Promise<Appended> {
    if (signal?.aborted === true) throw aborted(signal, 'the append', 'not-appended');
    const isChecked = condition === undefined || condition.isNear;
    const call = this.#admission.accept(parts, flags, isChecked ? 'for room' : 'for its condition', condition);
    const result = call.promise();
    if (signal !== undefined) {
      call.abortWith(signal, () => {
        this.#waiters.remove(call);
        this.#work.rest();
      });
    }
    if (!isChecked) void this.#admission.check(call, condition, signal);
    this.#results.follow(call);
    return result;
  }

  /** Accept now or not at all. */
  enqueue(parts: readonly Part[], flags: CallFlags): { ids: readonly string[]; durable: Promise<Appended> } {
    const call = this.#admission.accept(parts, flags, 'never');
    const durable = call.promise();
    durable.catch(() => {}); // may be left alone; the failure also reaches the logger
    const ids = this.#results.idsOf(call);
    this.#results.follow(call);
    return { ids, durable };
  }

  /** As {@link append}; what is returned blocks the thread until the call is as durable as was asked, or throws. */
  appendSync(parts: readonly Part[], flags: CallFlags, condition?: Condition): () => Appended {
    const outcome: { result?: Appended; error?: KeeperError } = {};
    const call = this.#admission.accept(parts, flags, 'for room', condition);
    call.listen(
      (result) => Object.assign(outcome, { result }),
      (error) => Object.assign(outcome, { error }),
    );
    const { link } = this.#parts;
    this.#results.follow(call);
    return () => {
      for (;;) {
        this.#publisher.publish();
        const settled = Atomics.load(link.state.words, WORD.settled);
        link.drain();
        this.settle();
        if (outcome.error !== undefined) throw outcome.error;
        if (outcome.result !== undefined) return outcome.result;
        const dead = link.block(settled);
        if (dead !== undefined) this.onDead(dead);
      }
    };
  }

  /** Resolves when everything that was accepted before, or waits, is durable. */
  async flush(): Promise<void> {
    // They get their places only then.
    await Promise.all(
      Array.from(this.#waiters.checking, (call) => new Promise<void>((done) => call.whenDone(() => done()))),
    );
    const last = this.#waiters.newest ?? this.#parts.pending.newest;
    if (last === undefined) return;
    await new Promise<void>((resolve, reject) => {
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
    return this.#work.whenDone();
  }

  /** See how far the writer has come: give results, take back room, let waiters in. */
  settle(): void {
    const { pending, ring, tail, link } = this.#parts;
    const durable = durablePosition(link.state);
    this.#results.settleWritten();
    if (durable <= this.#durablePosition) return;
    this.#durablePosition = durable;
    const before = this.#durable;
    for (let call = pending.takeDurable(durable); call !== undefined; call = pending.takeDurable(durable)) {
      for (const { head, flags } of call.parts) {
        head.pending--;
        if (flags === FLAG.tombstone) this.onTombstone(head.stream, call.lastSequence);
      }
      this.#durable = call.lastSequence;
      this.#results.finish(call, undefined);
    }
    tail.take(ring.state, durable, before + 1, this.#durable);
    ring.reclaim(durable);
    if (durable === ring.head.position) tail.skipTo(ring.head);
    const events = this.#durable - before;
    this.#publisher.settled(events);
    this.#commits.commits++;
    this.#commits.committed += events;
    this.#commits.largest = Math.max(this.#commits.largest, events);
    if (commitChannel.hasSubscribers) {
      commitChannel.publish({ dir: this.#parts.settings.dir, durable: this.#durable, events });
    }
    this.#admission.admitWaiting();
    this.onDurable();
    this.#work.rest();
  }

  /**
   * Give up everything that is not durable, and all who wait. The ring is empty then. Returns how many calls that were.
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
    for (const call of given.reverse()) this.#results.finish(call, why('not-appended'));
    const waiting = this.#waiters.failAll(() => why('not-appended'));
    this.#work.rest();
    return given.length + waiting;
  }

  /** Nothing will be written any more: fail everything that is pending or waiting. Returns how many calls that were. */
  failAll(why: (outcome: 'unknown' | 'not-appended') => KeeperError): number {
    this.settle();
    const { pending } = this.#parts;
    const failed: Call[] = [];
    for (let call = pending.takeNewest(); call !== undefined; call = pending.takeNewest()) failed.push(call);
    for (const call of failed.reverse()) this.#results.finish(call, why('unknown'));
    const waiting = this.#waiters.failAll(() => why('not-appended'));
    this.#work.rest();
    return failed.length + waiting;
  }
}
