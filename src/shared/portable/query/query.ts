/** A query as it is written, and what it returns: the contract's types. */
import type { RecordedEvent } from '../events.js';
import type { Direction, Rows } from '../rows.js';
import type { FieldName } from './fields.js';

/** What a member of an event, or what a path leads to, can be compared with. */
export type QueryValue = null | boolean | number | bigint | string | Date;

/**
 * What has to hold of one field; all of it where there are several operators. A path that is missing never matches, whatever
 * operator but `exists` stands there, also under `not`.
 *
 * Numbers and bigints compare by value, strings by code point, Dates by millisecond; what is of another kind equals nothing
 * and has no order. On a list, `eq`, `in` and `prefix` ask whether it has such an element, `ne` whether it has none.
 */
export interface Conditions<V = QueryValue> {
  /** Is the same. */
  readonly eq?: V;
  /** Is there, and not the same. */
  readonly ne?: V;
  /** Is one of these: 1 to 1,000. */
  readonly in?: readonly V[];
  /** Is greater, or later. */
  readonly gt?: V;
  /** Is not less, nor earlier. */
  readonly gte?: V;
  /** Is less, or earlier. */
  readonly lt?: V;
  /** Is not greater, nor later. */
  readonly lte?: V;
  /** Begins with it. */
  readonly prefix?: string;
  /** Whether there is anything. Tags, causes and metadata are there if there is something in them; data is always, if only null. */
  readonly exists?: boolean;
}

/**
 * Which events: all members have to hold. `{}` is every event, the system's too. Paths into `data` and `metadata` lead through
 * objects by their own keys, and through lists by place: `data.lines.0.sku`. A dot in a key is written `\.`, a backslash `\\`.
 */
export interface Where {
  /** All of them hold. */
  readonly and?: readonly Where[];
  /** Any of them holds. */
  readonly or?: readonly Where[];
  /** It does not hold, and there was something to compare. */
  readonly not?: Where;
  /** The event's id. */
  readonly id?: Conditions<string>;
  /** Place in the store. */
  readonly sequence?: Conditions<number | bigint>;
  /** Nanoseconds since 1970. */
  readonly timestampNs?: Conditions<number | bigint>;
  /** The time, to the millisecond: a Date, or a text like `2026-01-31T12:00:00.000Z`. */
  readonly time?: Conditions<Date | string>;
  /** The stream. */
  readonly stream?: Conditions<string>;
  /** Place in its stream. */
  readonly revision?: Conditions<number | bigint>;
  /** The event's type. */
  readonly type?: Conditions<string>;
  /** The tags: a list. */
  readonly tags?: Conditions<string>;
  /** Ids of the direct causal parents: a list. */
  readonly causes?: Conditions<string>;
  /** `metadata.agent`. */
  readonly agent?: Conditions<string>;
  /** `metadata.session`. */
  readonly session?: Conditions<string>;
  /** `metadata.correlationId`. */
  readonly correlationId?: Conditions<string>;
  /** The schema version. */
  readonly schemaVersion?: Conditions<number | bigint>;
  /** The idempotency key. */
  readonly idempotencyKey?: Conditions<string>;
  /** The data itself, where that is no object. */
  readonly data?: Conditions;
  /** The metadata as a whole: `exists` is whether there is any, be it an agent, a session or a correlation id alone. */
  readonly metadata?: Conditions;
  /** A path into data or metadata. */
  readonly [path: `data.${string}` | `metadata.${string}`]: Conditions;
}

/** A member of an event or a path into its data or metadata. */
export type FieldPath = FieldName | `data.${string}` | `metadata.${string}`;

/** What groups and extremes are made of, instead of events. */
export interface Aggregates {
  /** How many events. */
  readonly count?: boolean;
  /** The least value of each of these fields: of numbers, else of times, else of strings. */
  readonly min?: FieldPath | readonly FieldPath[];
  /** The greatest value of each of these fields: of strings, else of times, else of numbers. */
  readonly max?: FieldPath | readonly FieldPath[];
}

/** What a query asks for beside which events. */
export interface QueryShape {
  /** Rows that are plain objects with these members alone, named as they are written here. Default: whole events. */
  readonly select?: readonly FieldPath[];
  /** Default `'forwards'`: by sequence. */
  readonly direction?: Direction;
  /** At most so many rows. Zero is none. Default: all. */
  readonly limit?: number;
  /** Where an earlier {@link QueryRows.page} of the same query, in the same direction, ended. */
  readonly cursor?: string | undefined;
  /** One row for each group in place of events. Cannot go with `select`, `direction`, `limit` and `cursor`. */
  readonly aggregate?: Aggregates;
  /** Members of an event whose values make the groups. Default: one group of all. */
  readonly groupBy?: GroupField | readonly GroupField[];
}

/** A member of an event that can make groups. */
export type GroupField = Exclude<FieldName, 'data' | 'metadata' | 'tags' | 'causes' | 'time'>;

/** A query in its structured form. An unknown member is ERR_INVALID_QUERY. */
export interface Query extends QueryShape {
  /** Which events. Default: every event, the system's too. */
  readonly where?: Where;
}

/** Options of a query in its structured form. */
export interface QueryOptions {
  /** Ends the reading with ERR_ABORTED at the next batch. */
  readonly signal?: AbortSignal;
}

/** Options of a query in CEL: all that the text does not say. */
export interface CelOptions extends QueryShape, QueryOptions {}

/** One group. */
export interface AggregateRow {
  /** The values that make the group, null where an event has none; empty where `groupBy` is absent. */
  readonly group: Readonly<Partial<Record<GroupField, string | number | bigint | null>>>;
  /** Events in it; absent if it was not asked for. */
  readonly count?: number;
  /** The least values by field, null where there is none; absent if they were not asked for. */
  readonly min?: Readonly<Record<string, ExtremeValue>>;
  /** The greatest values by field, null where there is none; absent if they were not asked for. */
  readonly max?: Readonly<Record<string, ExtremeValue>>;
}

/** What has an order; null where there is nothing that has. */
export type ExtremeValue = number | bigint | string | Date | null;

/** A row of a query with `select`: what is missing in an event is absent. */
export type SelectedRow = Record<string, unknown>;

/** The rows of a query: by what it has as `select` and as `aggregate`. */
export type QueryRow<M extends object, S, A> = A extends object
  ? AggregateRow
  : S extends readonly unknown[]
    ? SelectedRow
    : RecordedEvent<M>;

/** Some rows, and where the next ones begin. */
export interface Page<T> {
  /** The rows. */
  readonly items: T[];
  /**
   * To be given as `cursor` for the rows behind these: also later, and after the store was opened again. Undefined at the end
   * of the log as it is now; the last page may be empty. Without a cursor a query begins at the beginning: a loop ends where this is undefined.
   */
  readonly cursor: string | undefined;
}

/** What a query did. */
export interface Explanation {
  /** Which events, as CEL: the same text for the same question. */
  readonly where: string;
  /** Segments there are. */
  readonly segmentsConsidered: number;
  /** Segments that cannot have a match, by their range of sequences or times or by their postings: no record was looked at. */
  readonly segmentsPruned: number;
  /** Entries of postings that were looked at. */
  readonly postingsRead: number;
  /** Records whose header was looked at. */
  readonly recordsExamined: number;
  /** Records of which data or metadata was decoded to decide, to select or to aggregate. */
  readonly recordsDecoded: number;
  /** Records that matched. */
  readonly recordsMatched: number;
  /** Of files as they are on the disk, index files and what postings had to be built from included; what came from memory is not counted. */
  readonly bytesRead: number;
  /** Milliseconds of reading, without what the caller did in between. */
  readonly timeMs: number;
}

/** What a query returns. */
export interface QueryRows<T> extends Rows<T> {
  /** Take the rows, up to `limit`, as a page. */
  page(): Promise<Page<T>>;
  /**
   * What the query did. Of rows that were not begun, it is run apart, to its end, and the rows stay as they are; of others, it
   * is what they took so far.
   */
  explain(): Promise<Explanation>;
}
