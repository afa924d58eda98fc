/** What an embedded store has beyond the portable log. */
import type { AnyEvents, NewEvent } from '../shared/portable/events.js';
import type { Appended, AppendOptions, CallOptions, EventLog } from '../shared/portable/log.js';
import type { RecoveryReport } from '../shared/recovery-report.js';

/** Events that are accepted but not awaited. */
export interface Enqueued {
  /** Provisional until `durable` resolves. */
  readonly ids: readonly string[];
  /** May be left alone: a failure does not become an unhandled rejection, and reaches the logger. */
  readonly durable: Promise<Appended>;
}

/** Something that does not verify. */
export interface Problem {
  readonly code: 'ERR_CORRUPT' | 'ERR_STORAGE' | 'ERR_UNSUPPORTED_FORMAT';
  readonly message: string;
  readonly file: string;
  /** Bytes from the file's start. */
  readonly offset?: number;
  readonly firstSequence?: number;
  readonly lastSequence?: number;
}

/** How far a verification is. */
export interface VerifyProgress {
  readonly segments: number;
  readonly events: number;
  /** Bytes verified. */
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface VerifyOptions {
  /** Also decode every payload and check that revisions have no gap. */
  readonly deep?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: VerifyProgress) => void;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly segments: number;
  readonly events: number;
  readonly bytes: number;
  readonly problems: readonly Problem[];
}

/** What the store is doing and what it holds. Sequences are watermarks; memory is in bytes beside its budget. */
export interface StoreStats {
  readonly dir: string;
  readonly storeId: string;
  readonly nodeId: string;
  readonly readOnly: boolean;
  /** `'open'`, `'suspended'` (no space on the disk), `'failed'`, `'closed'`. */
  readonly mode: string;
  readonly accepted: number;
  readonly durable: number;
  /** Segment files, and the bytes of the log in them. */
  readonly segments: number;
  readonly bytes: number;
  /** Appends that are accepted and not yet durable, and appends that wait for ring space. */
  readonly pending: number;
  readonly waiting: number;
  /** Since opening. */
  readonly appends: number;
  readonly events: number;
  readonly groupCommits: { readonly count: number; readonly events: number; readonly largest: number };
  readonly memory: Readonly<Record<'ring' | 'waiting' | 'cache' | 'index' | 'heads' | 'keys', MemoryUse>>;
  /** What recovery found when this store was opened. */
  readonly recovery: RecoveryReport;
}

/** Bytes in use and the most there may be. */
export interface MemoryUse {
  readonly bytes: number;
  readonly budget: number;
}

/** A store that is embedded in this process. */
export interface Store<M extends object = AnyEvents> extends EventLog<M>, AsyncDisposable {
  /**
   * Accept events now and let them become durable meanwhile.
   * @throws what {@link EventLog.append} rejects with, at once; ERR_BACKPRESSURE where they would have to wait
   */
  enqueue(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: EnqueueOptions): Enqueued;
  /** Append and block this thread until the events are as durable as asked. Throws what {@link EventLog.append} rejects with. */
  appendSync(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: AppendSyncOptions): Appended;
  /** Wait until everything accepted before is durable. */
  flush(): Promise<void>;
  /** Read the whole log back and check it. Reports what is wrong, does not throw. */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  stats(): StoreStats;
}

/** What is enqueued resolves when it is synced, whatever the store's durability. */
export type EnqueueOptions = Pick<AppendOptions, 'expect'>;
export type AppendSyncOptions = Pick<AppendOptions, 'expect' | 'durability'>;
export type { AppendOptions, CallOptions, RecoveryReport };
