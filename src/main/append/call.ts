/** One append on its way: from its acceptance until it is as durable as was asked. */
import type { Memory } from '../../shared/format/record.js';
import { aborted, isKeeperError, type KeeperError } from '../../shared/portable/errors.js';
import type { Appended, AppendedMany, Durability, Expect } from '../../shared/portable/log.js';
import type { AppendMessage } from '../telemetry/channels.js';
import type { Condition } from './condition.js';
import type { EventIds } from './event-ids.js';
import type { Head } from './heads.js';

/** What goes to one stream. */
export interface Part {
  readonly stream: string;
  readonly count: number;
  readonly expect: Expect;
  /** The event, or the list of them, as it was given; let go once it is encoded. */
  events: unknown;
  /** Whether it is one event, rather than a list; where it stands in the call, for errors. */
  readonly single: boolean;
  readonly path: string;
  /** Flags of its records beside those of their places: FLAG.tombstone, or none. */
  readonly flags: number;
  /** The stream's head, once the part is accepted; the previous values bring it back if the append is given up. */
  head: Head;
  previousRevision: number;
  previousSequence: number;
}

/** The error of a call that was refused, saying so. */
export function notAppended(error: unknown): unknown {
  if (isKeeperError(error) && error.outcome === undefined) Reflect.set(error, 'outcome', 'not-appended');
  return error;
}

/** Of the whole call. */
export interface CallFlags {
  readonly durability: Durability;
  /** Whether it comes from Keeperlog itself: may use `$` streams and the reserve, overtakes waiters. */
  readonly system: boolean;
  /** Whether its result tells the revision of each stream. */
  readonly many: boolean;
}

/** What became of a call: it has a place now, or it repeats an earlier one. */
export type Admitted =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'repeats'; readonly pending: Call }
  | { readonly kind: 'repeated'; readonly result: Appended };

/** Records that wait in the heap for room in the ring. */
export interface Encoded {
  readonly memory: Memory;
  /** Where each record begins. */
  readonly starts: readonly number[];
  readonly bytes: number;
}

/** What settles the promise that was made last: one function for all promises, rather than one for each append. */
const captured: { resolve: (result: Appended) => void; reject: (error: KeeperError) => void } = {
  resolve() {},
  reject() {},
};
const capture = (resolve: (result: Appended) => void, reject: (error: KeeperError) => void): void => {
  captured.resolve = resolve;
  captured.reject = reject;
};

/** One of the events of a part. */
export function eventOf(part: Part, place: number): unknown {
  return part.single ? part.events : (part.events as readonly unknown[])[place];
}

export class Call {
  readonly parts: readonly Part[];
  readonly count: number;
  readonly flags: CallFlags;
  /** The idempotency key of each event, empty where it has none; undefined if none has one. */
  keys: readonly string[] | undefined;
  /** What must hold besides `expect`. */
  readonly condition: Condition | undefined;
  /** Set while it waits for its condition to be checked, or for room in the ring. */
  encoded: Encoded | undefined;

  /** What became of it, once it has been let into the ring. */
  admitted: Admitted | undefined;

  // Set when it is accepted.
  firstSequence = 0;
  /** Time of the last event; each one before it is a nanosecond earlier. */
  seconds = 0;
  nanos = 0;
  /** Where its first record stands in the ring, and where the ring goes on after the last. */
  ringOffset = 0;
  endPosition = 0;
  /** Whether it was found to be written. */
  writtenSeen = false;

  #resolve: ((result: Appended) => void) | undefined;
  #reject: ((error: KeeperError) => void) | undefined;
  #done: ((error: KeeperError | undefined) => void)[] | undefined;
  #signal: AbortSignal | undefined;
  #onAbort: (() => void) | undefined;

  constructor(parts: readonly Part[], count: number, flags: CallFlags, condition?: Condition) {
    this.parts = parts;
    this.count = count;
    this.flags = flags;
    this.condition = condition;
  }

  get lastSequence(): number {
    return this.firstSequence + this.count - 1;
  }

  get accepted(): boolean {
    return this.firstSequence !== 0;
  }

  /** What those are told who watch appends, once it is accepted. */
  message(dir: string): AppendMessage {
    const { parts, count: events, firstSequence, lastSequence } = this;
    return { dir, streams: parts.map(({ stream }) => stream), events, firstSequence, lastSequence };
  }

  /** The result, or why there is none. */
  promise(): Promise<Appended> {
    const promise = new Promise<Appended>(capture);
    this.listen(captured.resolve, captured.reject);
    return promise;
  }

  /** Have the result, or why there is none, handed over. */
  listen(resolve: (result: Appended) => void, reject: (error: KeeperError) => void): void {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  /**
   * End the waiting when a signal aborts.
   * @param onAbort called if that happens while the call waits for room
   */
  abortWith(signal: AbortSignal, onAbort: () => void): void {
    this.#signal = signal;
    this.#onAbort = () => {
      const waits = this.admitted === undefined;
      const error = aborted(signal, 'the append', waits ? 'not-appended' : 'unknown');
      if (waits) onAbort();
      this.reject(error);
      if (waits) this.end(error);
    };
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Have something done when the call is durable, or has failed for good. */
  whenDone(done: (error: KeeperError | undefined) => void): void {
    this.#done ??= [];
    this.#done.push(done);
  }

  /** The caller gets its result; later ones are not handed over. */
  resolve(result: Appended): void {
    this.#resolve?.(result);
    this.#forget();
  }

  /** The caller gets an error, if it has got nothing yet. */
  reject(error: KeeperError): void {
    this.#reject?.(error);
    this.#forget();
  }

  /** The call is durable, or has failed for good. */
  end(error: KeeperError | undefined): void {
    for (const done of this.#done ?? []) done(error);
    this.#done = undefined;
  }

  /**
   * What the caller gets, once the call is accepted.
   * @param repeat a later call that repeats this one, if the result is for that
   */
  result(eventIds: EventIds, durability: Durability, repeat?: Call): Appended {
    const last = this.parts[this.parts.length - 1]!;
    const result: Appended = {
      ids: eventIds.consecutive(this.seconds, this.nanos, this.firstSequence, this.count),
      firstSequence: this.firstSequence,
      lastSequence: this.lastSequence,
      revision: last.previousRevision + last.count,
      durability,
      duplicate: repeat !== undefined,
    };
    if (!(repeat ?? this).flags.many) return result;
    const revisions: Record<string, number> = Object.create(null);
    for (const { head, previousRevision, count } of this.parts) revisions[head.stream] = previousRevision + count;
    return { ...result, revisions } as AppendedMany;
  }

  #forget(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#resolve = this.#reject = this.#signal = this.#onAbort = undefined;
  }
}
