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
  /** W3C trace context (https://www.w3.org/TR/trace-context/). 1 to 256 bytes of UTF-8; its form is not checked. */
  traceparent?: string;
  [key: string]: unknown;
}

/** The member `data`: may be left out where `null` (or anything) is a value of its type. Absent data is `null`. */
export type DataOf<D> = null extends D ? { data?: D } : undefined extends D ? { data?: D } : { data: D };

/** The members of an event to append that do not depend on its type. */
export interface NewEventFields {
  /** Where it comes from. Not a part of the body that an idempotency key stands for. */
  metadata?: EventMetadata;
  /** For queries: `task:42`, `file:src/a.ts`. At most 32, of 1 to 256 bytes. */
  tags?: readonly string[];
  /**
   * Ids of the direct causal parents; a number is an earlier event of the same call, zero-based. At most 32, of 1 to 256
   * bytes. Whether they exist is not checked: they may be of another store.
   */
  causes?: readonly (string | number)[];
  /** Positive integer below 2^32. Default 1. */
  schemaVersion?: number;
  /**
   * 1 to 256 bytes, unique in the store. A call repeated whole, with the same keys and bodies (stream, type, data, tags,
   * causes, schemaVersion), gets the first result.
   */
  idempotencyKey?: string;
}

/**
 * An event to append: a union over the map, so `type` and `data` belong together.
 *
 * `data` and `metadata` hold null, booleans, numbers (NaN and infinities too), strings, bigints in int64 or uint64 range,
 * `Uint8Array`, `Date`, arrays and plain objects, nested up to 64 deep; `undefined` members are dropped, negative zero
 * becomes zero. Anything else (a function, a symbol, a class instance, a cycle, a lone surrogate, a key `__proto__`) is
 * ERR_INVALID_EVENT, with the path of it. The object is read before the call returns, and not changed.
 */
export type NewEvent<M extends object = AnyEvents, T extends TypeOf<M> = TypeOf<M>> = {
  [K in T]: {
    /** 1 to 256 bytes of UTF-8, without `*` and control characters. */
    type: K;
  } & DataOf<M[K]> &
    NewEventFields;
}[T];

/** The members of a recorded event that do not depend on its type. */
export interface RecordedFields {
  /** `${timestampNs}_${sequence}_${nodeId}`. Ids of one store compare as strings in append order. */
  readonly id: string;
  /** Place in the store, from 1. */
  readonly sequence: number;
  /** The stream that it was appended to. A leading `$` is the system's. */
  readonly stream: string;
  /** Place in its stream, gapless, from 0. */
  readonly revision: number;
  /** Nanoseconds since 1970, strictly increasing in a store. */
  readonly timestampNs: bigint;
  /** The same moment, to the millisecond. */
  readonly time: Date;
  /** As appended; empty where there was none. */
  readonly metadata: Readonly<EventMetadata>;
  /** As appended; empty where there were none. */
  readonly tags: readonly string[];
  /** Ids of the direct causal parents; what was appended as a number has become an id. */
  readonly causes: readonly string[];
  /** 1 unless it was appended with another. */
  readonly schemaVersion: number;
  /** Undefined where there was none. */
  readonly idempotencyKey: string | undefined;
}

/**
 * A recorded event as plain data: what JSON.stringify makes of it. `data` is as it was recorded, so a bigint or a
 * Uint8Array in it is one still.
 */
export interface EventObject {
  /** As {@link RecordedFields.id}. */
  id: string;
  /** Place in the store, from 1. */
  sequence: number;
  /** The stream that it was appended to. */
  stream: string;
  /** Place in its stream, from 0. */
  revision: number;
  /** Decimal digits: a JSON number could not hold it. */
  timestampNs: string;
  /** ISO 8601, to the millisecond. */
  time: string;
  /** As appended. */
  type: string;
  /** As appended; null where there was none. */
  data: unknown;
  /** As appended; empty where there was none. */
  metadata: EventMetadata;
  /** As appended; empty where there were none. */
  tags: string[];
  /** Ids of the direct causal parents. */
  causes: string[];
  /** 1 unless it was appended with another. */
  schemaVersion: number;
  /** Absent where there was none. */
  idempotencyKey?: string;
}

/**
 * An event as it is read: a union over the map, narrowed by `type`. Its members are decoded on first use and cannot be
 * spread; {@link EventObject} is for that. It owns its bytes: keeping one keeps nothing else alive.
 */
export type RecordedEvent<M extends object = AnyEvents, T extends TypeOf<M> = TypeOf<M>> = {
  [K in T]: RecordedFields & {
    /** As appended. */
    readonly type: K;
    /** As appended, null where there was none; decoded anew for each event, never shared. */
    readonly data: M[K];
    /** The event as plain data, fit for JSON.stringify if its data and metadata are (a bigint is not). */
    toJSON(): EventObject;
    /** The same as {@link toJSON}. */
    toObject(): EventObject;
  };
}[T];
