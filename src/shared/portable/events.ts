/**
 * The contract's events, as types: what a user appends and what a user reads.
 *
 * A store is generic over an event map `M`: a key is an event type, its value the type of that event's data. Without
 * one, types are any string and data is `any`.
 */

/** The event map of a store that was opened without one. */
export type AnyEvents = Record<string, any>;

/** The event types of a map. */
export type TypeOf<M extends object> = keyof M & string;

/** What an event says about where it comes from. Four names have a meaning; all others are kept as they are. */
export interface EventMetadata {
  /** Who caused it. 1 to 256 bytes of UTF-8. */
  agent?: string;
  /** What it belongs to across streams. 1 to 256 bytes of UTF-8. */
  correlationId?: string;
  /** The session it happened in. 1 to 256 bytes of UTF-8. */
  session?: string;
  /** W3C trace context. */
  traceparent?: string;
  [key: string]: unknown;
}

/** Data may be left out where `null` (or anything) is a value of its type: absent data is `null`. */
type DataOf<D> = null extends D ? { data?: D } : undefined extends D ? { data?: D } : { data: D };

interface NewEventFields {
  metadata?: EventMetadata;
  /** For queries and append conditions: `task:42`, `file:src/a.ts`. At most 32, of 1 to 256 bytes. */
  tags?: readonly string[];
  /** Ids of the direct causal parents; a number is an earlier event of the same call, zero-based. At most 32. */
  causes?: readonly (string | number)[];
  /** Positive integer below 2^32. Default 1. */
  schemaVersion?: number;
  /** 1 to 256 bytes. A repeated call with the same key and body gets the first result. */
  idempotencyKey?: string;
}

/** An event to append: a union over the map, so `type` and `data` belong together. */
export type NewEvent<M extends object = AnyEvents, T extends TypeOf<M> = TypeOf<M>> = {
  [K in T]: { type: K } & DataOf<M[K]> & NewEventFields;
}[T];

interface RecordedFields {
  /** `${timestampNs}_${sequence}_${nodeId}`. Ids of one store compare as strings in append order. */
  readonly id: string;
  /** Place in the store, from 1. */
  readonly sequence: number;
  readonly stream: string;
  /** Place in its stream, gapless, from 0. */
  readonly revision: number;
  /** Nanoseconds since 1970, strictly increasing in a store. */
  readonly timestampNs: bigint;
  /** The same moment, to the millisecond. */
  readonly time: Date;
  readonly metadata: Readonly<EventMetadata>;
  readonly tags: readonly string[];
  /** Ids of the direct causal parents. */
  readonly causes: readonly string[];
  readonly schemaVersion: number;
  readonly idempotencyKey: string | undefined;
}

/** A recorded event as plain data: what JSON.stringify makes of it. `data` is as it was recorded. */
export interface EventObject {
  id: string;
  sequence: number;
  stream: string;
  revision: number;
  /** Decimal digits: a JSON number could not hold it. */
  timestampNs: string;
  /** ISO 8601. */
  time: string;
  type: string;
  data: unknown;
  metadata: EventMetadata;
  tags: string[];
  causes: string[];
  schemaVersion: number;
  idempotencyKey?: string;
}

/** An event as it is read: a union over the map, narrowed by `type`. It owns its bytes. */
export type RecordedEvent<M extends object = AnyEvents, T extends TypeOf<M> = TypeOf<M>> = {
  [K in T]: RecordedFields & {
    readonly type: K;
    readonly data: M[K];
    /** The event as plain data, fit for JSON.stringify. */
    toJSON(): EventObject;
    /** The same as {@link toJSON}. */
    toObject(): EventObject;
  };
}[T];
