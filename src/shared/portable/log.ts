/** The portable interface: what an embedded store and a remote one share. Every member is asynchronous. */
import type { AnyEvents, NewEvent, RecordedEvent, TypeOf } from './events.js';
import type { SelectedTypes, Selectors } from './selector.js';

/** When an append resolves: after fdatasync, after write(2), or once it has its place in the order. */
export type Durability = 'synced' | 'written' | 'accepted';

/** What a stream must look like: its last revision, or whether it has events. */
export type Expect = number | 'any' | 'none' | 'exists';

/** Options of one call. */
export interface CallOptions {
  /** When this call resolves. Default: the store's. */
  readonly durability?: Durability;
  /** Before acceptance an abort appends nothing; after it, only the waiting ends. */
  readonly signal?: AbortSignal;
}

/** Options of an append to one stream. */
export interface AppendOptions extends CallOptions {
  /** Fails with ERR_CONFLICT where it does not hold. Sees what is accepted. Default `'any'`. */
  readonly expect?: Expect;
}

/** Where appended events came to stand. */
export interface Appended {
  readonly ids: readonly string[];
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** The revision of the last event. */
  readonly revision: number;
  /** What was waited for. */
  readonly durability: Durability;
  /** Whether an earlier call with the same idempotency keys had appended these events. */
  readonly duplicate: boolean;
}

/** The result of an append to several streams. */
export interface AppendedMany extends Appended {
  /** The revision of the last event of each stream. */
  readonly revisions: Readonly<Record<string, number>>;
}

/** The part of an appendMany that goes to one stream. */
export interface StreamAppend<M extends object = AnyEvents> {
  readonly stream: string;
  readonly events: NewEvent<M> | readonly NewEvent<M>[];
  readonly expect?: Expect;
}

/** A place in the log: a sequence, an id, a moment, its start or its end. */
export type Bound = number | string | Date;

export type Direction = 'forwards' | 'backwards';

/** Which part of the log, and which way. */
export interface ReadOptions {
  /** Inclusive. A Date: the first event at or after it. `'start'`, `'end'`, a sequence or an id. */
  readonly from?: Bound;
  /** Inclusive. A Date: its whole millisecond. */
  readonly to?: Bound;
  /** Exclusive. */
  readonly after?: Bound;
  /** Default `'forwards'`. Backwards begins at `from` (default the end) and goes down to `to`. */
  readonly direction?: Direction;
  /** At most so many events. Zero is none. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/** Which part of a stream, by revision, and which way. */
export interface ReadStreamOptions {
  /** Inclusive. Default 0; backwards: the last. */
  readonly fromRevision?: number;
  /** Inclusive. Default the last; backwards: 0. */
  readonly toRevision?: number;
  readonly direction?: Direction;
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/**
 * What a read returns. Single use: iterate it, or take one of its collectors. It ends at what was durable at the first
 * pull, and reads only as far ahead as one batch.
 */
export interface Rows<T> extends AsyncIterable<T> {
  /** All of them, in memory. */
  toArray(): Promise<T[]>;
  /** The first one; the rest is not read. */
  first(): Promise<T | undefined>;
  /** In arrays of whatever is at hand. */
  batches(): AsyncIterable<T[]>;
  /**
   * The sequence up to which the log has been looked at: 0 before the first pull, that of the event last handed out,
   * and at the end that of the last durable event, matching or not. Backwards, it is where the reading began.
   */
  readonly position: number;
}

/** A stream's or the log's last durable event. */
export interface Head {
  readonly sequence: number;
  /** The event's revision; absent for the log's own head. */
  readonly revision?: number;
  readonly id: string;
}

/** A stream in a listing. */
export interface StreamInfo {
  readonly stream: string;
  /** Of its last event. */
  readonly revision: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export interface StreamsOptions {
  readonly prefix?: string;
  readonly limit?: number;
  /** Only streams whose name sorts after it. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/** The log that embedded and remote stores have in common. */
export interface EventLog<M extends object = AnyEvents> {
  /**
   * Append events to a stream, all or none.
   * @throws ERR_INVALID_EVENT, ERR_INVALID_OPTIONS, ERR_EVENT_TOO_LARGE, ERR_BATCH_TOO_LARGE, ERR_CONFLICT,
   *   ERR_IDEMPOTENCY_REUSED, ERR_BACKPRESSURE, ERR_DEGRADED, ERR_STORAGE, ERR_CLOSED, ERR_ABORTED
   */
  append(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: AppendOptions): Promise<Appended>;
  /** Append to several streams, all or none, each stream once. Fails as {@link append} does. */
  appendMany(appends: readonly StreamAppend<M>[], options?: CallOptions): Promise<AppendedMany>;
  /** The event with this id (which matches whole) or sequence, or undefined. */
  get(idOrSequence: string | number): Promise<RecordedEvent<M> | undefined>;
  /** Events of the whole log in append order. */
  read<const S extends Selectors<M> = object>(
    selector?: S,
    options?: ReadOptions,
  ): Rows<RecordedEvent<M, SelectedTypes<M, S> & TypeOf<M>>>;
  /** Events of one stream in the order of their revisions. */
  readStream(stream: string, options?: ReadStreamOptions): Rows<RecordedEvent<M>>;
  /** The last durable event of the log or of one stream; undefined where there is none. */
  head(stream?: string): Promise<Head | undefined>;
  /** The streams, sorted by name (as JavaScript compares strings). */
  streams(options?: StreamsOptions): Rows<StreamInfo>;
  /** Wait for what is pending, sync, release everything. May be called again. */
  close(): Promise<void>;
}
