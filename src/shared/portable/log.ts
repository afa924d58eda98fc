/** The portable interface: what an embedded store and a remote one share. Every member is asynchronous. */
import type { AnyEvents, NewEvent, RecordedEvent, TypeOf } from './events.js';
import type { Checkpoint } from './proof/checkpoint.js';
import type { InclusionProof } from './proof/proof.js';
import type { Aggregates, CelOptions, FieldPath, Query, QueryOptions, QueryRow, QueryRows } from './query/query.js';
import type { Direction, Rows } from './rows.js';
import type { SelectedTypes, Selectors } from './selector.js';

export type { Direction, Rows, SequenceRange } from './rows.js';

/**
 * When an append resolves: `'synced'` after fdatasync, `'written'` after write(2), `'accepted'` once it has its place in the
 * order. Whatever is waited for, the writer syncs all the same, and only durable events are read. What was not synced may
 * be lost in a crash; `'written'` survives that of the process, not that of the machine.
 */
export type Durability = 'synced' | 'written' | 'accepted';

/** What a stream must look like: its last revision, `'none'` (no events), `'exists'` (at least one), or `'any'`. */
export type Expect = number | 'any' | 'none' | 'exists';

/** Options of one call. */
export interface CallOptions {
  /** When this call resolves. Default: the store's. */
  readonly durability?: Durability;
  /** Before acceptance an abort appends nothing; after it, only the waiting ends. */
  readonly signal?: AbortSignal;
}

/**
 * Events that must not be there: an append with it fails if there is one behind `after` that matches. What a decision was
 * based on is read with a selector; the same selector, and the `position` of those rows, are its condition
 * (https://dcb.events). Sees what is accepted; events that a repair gave up do not count.
 */
export interface AppendCondition {
  /** Which events; `{}` is every event. */
  readonly match: Selectors;
  /** Only those with a higher sequence: the `position` of the rows that were read. Default 0. */
  readonly after?: number;
}

/** Options of an append to several streams. */
export interface AppendManyOptions extends CallOptions {
  /**
   * Fails with ERR_CONDITION_FAILED where it does not hold. Such an append takes its place in the order once it is checked, which
   * may be after that of appends that were called later.
   */
  readonly condition?: AppendCondition;
}

/** Options of an append to one stream. */
export interface AppendOptions extends AppendManyOptions {
  /** Fails with ERR_CONFLICT where it does not hold. Sees what is accepted. Default `'any'`. */
  readonly expect?: Expect;
}

/** Options of the deletion of a stream. */
export interface DeleteOptions extends CallOptions {
  /** Fails with ERR_CONFLICT where it does not hold. Sees what is accepted. Default `'exists'`. */
  readonly expect?: Expect;
}

/** Where appended events came to stand. Provisional until they are synced, if less was waited for. */
export interface Appended {
  /** The id of each event, in the order of the call. */
  readonly ids: readonly string[];
  /** The sequence of the first event; those of a call follow each other without a gap. */
  readonly firstSequence: number;
  /** The sequence of the last event. */
  readonly lastSequence: number;
  /** The revision of the last event in its stream. */
  readonly revision: number;
  /** How durable the events are known to be: what was waited for; `'synced'` for a duplicate. */
  readonly durability: Durability;
  /** Whether an earlier call with the same idempotency keys had appended these events. */
  readonly duplicate: boolean;
}

/** The result of an append to several streams. */
export interface AppendedMany extends Appended {
  /** The revision of the last event of each stream, by its name. An object without a prototype. */
  readonly revisions: Readonly<Record<string, number>>;
}

/** The part of an appendMany that goes to one stream. */
export interface StreamAppend<M extends object = AnyEvents> {
  /** 1 to 512 bytes of UTF-8, without `*`, control characters and a leading `$`. A call names a stream once. */
  readonly stream: string;
  /** One event or several, at least one. */
  readonly events: NewEvent<M> | readonly NewEvent<M>[];
  /** Fails the whole call with ERR_CONFLICT where it does not hold. Default `'any'`. */
  readonly expect?: Expect;
}

/**
 * A place in the log: a sequence, the id of a durable event, a moment, `'start'` (the lowest sequence there is) or `'end'`
 * (the last durable event).
 */
export type Bound = number | string | Date;

/** Which part of the log, and which way. Of `from` and `after` only one may be given. */
export interface ReadOptions {
  /**
   * Inclusive. A Date: the first event at or after it; backwards the last one of its millisecond. Default `'start'`, backwards
   * `'end'`.
   */
  readonly from?: Bound;
  /** Inclusive. A Date: its whole millisecond; backwards the first event at or after it. Default `'end'`, backwards `'start'`. */
  readonly to?: Bound;
  /** Where to begin, exclusive: what `rows.position` was, to go on behind it. A Date: behind its whole millisecond. */
  readonly after?: Bound;
  /** Default `'forwards'`. Backwards begins at `from` (default the end) and goes down to `to`. */
  readonly direction?: Direction;
  /** At most so many events. Zero is none. Default: all. */
  readonly limit?: number;
  /** Ends the reading with ERR_ABORTED at the next batch. */
  readonly signal?: AbortSignal;
}

/** Which part of a stream, by revision, and which way. */
export interface ReadStreamOptions {
  /** Inclusive. Default 0; backwards: the last. */
  readonly fromRevision?: number;
  /** Inclusive. Default the last; backwards: 0. */
  readonly toRevision?: number;
  /** Default `'forwards'`. Backwards begins at `fromRevision` and goes down to `toRevision`. */
  readonly direction?: Direction;
  /** At most so many events. Zero is none. Default: all. */
  readonly limit?: number;
  /** Ends the reading with ERR_ABORTED at the next batch. */
  readonly signal?: AbortSignal;
}

/** A stream's or the log's last durable event. */
export interface Head {
  /** Place of the event in the store. */
  readonly sequence: number;
  /** The event's revision; absent for the log's own head. */
  readonly revision?: number;
  /** The event's id. */
  readonly id: string;
}

/** How far each step of an event's way has come: a sequence each, up to which it is done. Zero: not for any event. */
export interface Watermarks {
  /** Given a place in the order. */
  readonly accepted: number;
  /** Written to the file, so that it survives the end of the process. */
  readonly written: number;
  /** Synced, so that it survives the end of the machine, and is read. */
  readonly durable: number;
  /** In segments that are sealed, from the first one on. */
  readonly sealed: number;
  /** Covered by the newest signed checkpoint. */
  readonly audited: number;
}

/** A stream in a listing. */
export interface StreamInfo {
  /** Its name. */
  readonly stream: string;
  /** Of its last durable event; one less than the number of its events, deleted ones included. */
  readonly revision: number;
  /** Place in the store of its first event that was not deleted. */
  readonly firstSequence: number;
  /** Place of its last durable event in the store. */
  readonly lastSequence: number;
}

/** Which streams. */
export interface StreamsOptions {
  /** Only streams whose name begins with it. Default: all, the system's too. */
  readonly prefix?: string;
  /** At most so many streams. Zero is none. Default: all. */
  readonly limit?: number;
  /** Only streams whose name sorts after it. */
  readonly after?: string;
  /** Ends the listing with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/**
 * The log that embedded and remote stores have in common. What a promise is rejected with, or a call throws, is a
 * KeeperError.
 */
export interface EventLog<M extends object = AnyEvents> {
  /**
   * Append events to a stream, all or none, also across a crash. Appends that are called one after the other are in that
   * order in the log, whatever is awaited, but for those with a condition. The events are encoded before the call returns.
   * @param stream 1 to 512 bytes of UTF-8, without `*`, control characters and a leading `$`
   * @param events one or several, 1,000 at most unless the store's options say otherwise
   * @returns resolves when the events are as durable as was asked: synced unless the store's options or the call's say
   *   otherwise
   * @throws ERR_INVALID_EVENT, ERR_INVALID_OPTIONS, ERR_EVENT_TOO_LARGE, ERR_BATCH_TOO_LARGE, ERR_CONFLICT,
   *   ERR_CONDITION_FAILED, ERR_IDEMPOTENCY_REUSED, ERR_BACKPRESSURE, ERR_DEGRADED, ERR_CORRUPT (a damaged checkpoint or record that had to be
   *   looked at), ERR_STORAGE, ERR_CLOSED, ERR_ABORTED; each with its `outcome`
   */
  append(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: AppendOptions): Promise<Appended>;
  /**
   * Append to several streams, all or none, in the order of the list.
   * @param appends each stream once
   * @throws what {@link append} is rejected with
   */
  appendMany(appends: readonly StreamAppend<M>[], options?: AppendManyOptions): Promise<AppendedMany>;
  /**
   * Delete a stream: what it has so far is not read any more, by anybody, once this resolves; it stays in the log until compaction or
   * retention removes it. A read that was begun before ends early, or passes it over, but for the rows that it has at hand: 256 events at
   * most. What is appended is an event of type `$tombstone` without data, at the stream's next revision, which is read: so
   * followers learn of it. Sequences and revisions go on, and later events of the stream are read as any other.
   *
   * What was deleted does not fail conditions, and neither does the tombstone; it still counts for `expect`, and a call that is
   * repeated with its idempotency key returns its first result.
   * @param stream as for {@link append}
   * @returns where the tombstone stands; resolves when it is as durable as was asked, and, synced, also known to whoever opens the
   *   store later. With a weaker durability the events are there until it is durable
   * @throws what {@link append} is rejected with; ERR_CONFLICT also where there is no such stream, unless `expect` says otherwise
   */
  deleteStream(stream: string, options?: DeleteOptions): Promise<Appended>;
  /**
   * The durable event with this id (which matches whole) or sequence, or undefined.
   * @throws ERR_INVALID_QUERY for what is neither, ERR_CORRUPT, ERR_STORAGE, ERR_CLOSED
   */
  get(idOrSequence: string | number): Promise<RecordedEvent<M> | undefined>;
  /**
   * Events of the whole log in append order.
   * @param selector which ones; absent or `{}`: every event, the system's too
   * @throws at once ERR_INVALID_QUERY, ERR_CLOSED; later what {@link Rows} fail with
   */
  read<const S extends Selectors<M> = object>(
    selector?: S,
    options?: ReadOptions,
  ): Rows<RecordedEvent<M, SelectedTypes<M, S> & TypeOf<M>>>;
  /**
   * Events of one stream in the order of their revisions; none where there is no such stream.
   * @throws at once ERR_INVALID_QUERY, ERR_CLOSED; later what {@link Rows} fail with
   */
  readStream(stream: string, options?: ReadStreamOptions): Rows<RecordedEvent<M>>;
  /**
   * Events that a predicate matches, in the order of the log; or rows made of them.
   * @param query in its structured form
   * @throws at once ERR_INVALID_QUERY, ERR_CLOSED; later what {@link Rows} fail with, ERR_INVALID_QUERY for a cursor of another
   *   query and for too many groups
   */
  query<S extends readonly FieldPath[] | undefined = undefined, A extends Aggregates | undefined = undefined>(
    query: Query & { readonly select?: S; readonly aggregate?: A },
    options?: QueryOptions,
  ): QueryRows<QueryRow<M, S, A>>;
  /**
   * The same with the predicate as CEL text (https://cel.dev): `type in ["A", "B"] && data.n > 5 && "x" in tags`.
   * @throws as above; what is wrong with the text comes later, at the first pull, with the place as the path: `query[17]`
   */
  query<S extends readonly FieldPath[] | undefined = undefined, A extends Aggregates | undefined = undefined>(
    text: string,
    options?: CelOptions & { readonly select?: S; readonly aggregate?: A },
  ): QueryRows<QueryRow<M, S, A>>;
  /**
   * The last durable event of the log or of one stream; undefined where there is none.
   * @throws ERR_CORRUPT, ERR_STORAGE, ERR_CLOSED
   */
  head(stream?: string): Promise<Head | undefined>;
  /**
   * The streams but for deleted ones, sorted by name (as JavaScript compares strings, by UTF-16 code units). Each 10,000 of them cost a pass over
   * the log or its index.
   * @throws at once ERR_INVALID_QUERY, ERR_CLOSED; later what {@link Rows} fail with
   */
  streams(options?: StreamsOptions): Rows<StreamInfo>;
  /**
   * Sign everything that is durable now: the digests of the events (SHA-256 of their records) are the leaves of one Merkle tree over the
   * store, whose root is signed with the store's key (Ed25519), which is made at first use. Once it was signed, an event cannot be
   * changed, removed or put elsewhere without {@link prove} or the next checkpoint showing it. The first one reads the whole log.
   * @throws ERR_CORRUPT where log or tree do not verify, or the tree is lost that had the digests of removed events, whose key does not sign
   *   another one: the hint names the ways out; ERR_STORAGE, for good where it was a sync; ERR_INVALID_OPTIONS of a store that is read only;
   *   ERR_CLOSED
   */
  checkpoint(): Promise<Checkpoint>;
  /**
   * A proof that an event is in the newest checkpoint, which `verifyProof` of `keeperlog/proof` checks without the store. Signs a new
   * checkpoint where the newest one does not cover the event yet. Of a deleted event there is none any more: what was proven before holds.
   * @throws ERR_NOT_FOUND where there is no such event, or it was deleted, or, of a store that is read only, no checkpoint that covers it; what
   *   {@link checkpoint} and {@link get} throw
   */
  prove(id: string | number): Promise<InclusionProof>;
  /**
   * How far acceptance, writing, syncing, sealing and auditing have come. Of a store that is read only, what is accepted and
   * written is known once it is durable.
   * @throws ERR_CORRUPT where the newest checkpoint does not verify, ERR_STORAGE, ERR_CLOSED
   */
  watermarks(): Promise<Watermarks>;
  /**
   * Accept nothing more, wait for what is pending, sync, mark the end as clean, release everything. May be called again, and
   * then resolves with the first.
   */
  close(): Promise<void>;
}
