/** What an embedded store has beyond the portable log. */
import type { BackupOptions, BackupReport } from '../shared/backup-report.js';
import type { RetentionOptions } from '../shared/options.js';
import type { AnyEvents, NewEvent } from '../shared/portable/events.js';
import type { Appended, AppendOptions, CallOptions, EventLog, SequenceRange } from '../shared/portable/log.js';
import type { Checkpoint } from '../shared/portable/proof/checkpoint.js';
import type { ConsistencyProof } from '../shared/portable/proof/proof.js';
import type { Problem } from '../shared/problem.js';
import type { RecoveryReport } from '../shared/recovery-report.js';
import type { CompactOptions, CompactReport } from './compact-types.js';
import type { PruneOptions, PruneReport } from './prune-types.js';
import type { RepairOptions, RepairReport } from './repair-types.js';
import type { SealOptions, SealReport } from './seal/seal-types.js';

/** Events that are accepted but not awaited. */
export interface Enqueued {
  /** The id of each event. Provisional until `durable` resolves. */
  readonly ids: readonly string[];
  /**
   * Resolves when the events are synced, and is rejected as {@link EventLog.append} is. May be left alone: a failure does
   * not become an unhandled rejection, and its cause reaches the logger.
   */
  readonly durable: Promise<Appended>;
}

/** How far a verification is. */
export interface VerifyProgress {
  /** Segments begun. */
  readonly segments: number;
  /** Events that verified. */
  readonly events: number;
  /** Bytes of the log looked at, as it was written: of sealed and compacted segments those of the raw ones. */
  readonly bytes: number;
  /** Bytes of all segment files, the zeros behind the log's end included: `bytes` may end below it. */
  readonly totalBytes: number;
}

/** How to verify, and who is told. */
export interface VerifyOptions {
  /**
   * Also decode every payload, check that revisions have no gap, and that the audit tree leads from the records, and from what was removed,
   * to the root that was signed. Takes some 50 bytes of memory a stream. Default false.
   */
  readonly deep?: boolean;
  /** Ends the verification with ERR_ABORTED. */
  readonly signal?: AbortSignal;
  /** Called about once a MiB, on the caller's thread. */
  readonly onProgress?: (progress: VerifyProgress) => void;
}

/** What a verification found. */
export interface VerifyReport {
  /** Whether there is no problem. */
  readonly ok: boolean;
  /** Segments looked at. */
  readonly segments: number;
  /** Events that verified. */
  readonly events: number;
  /** Bytes of the log looked at, as it was written: of sealed and compacted segments those of the raw ones. */
  readonly bytes: number;
  /** What a repair has given up, and so is no problem any more. */
  readonly holes: readonly SequenceRange[];
  /** What does not verify, in the order of the log, then beside it. Behind a place where no frame goes on, the segment is not looked at. */
  readonly problems: readonly Problem[];
}

/** What the store is doing and what it holds. Sequences are watermarks; memory is in bytes beside its budget. */
export interface StoreStats {
  /** The directory as it was given; of `':memory:'` the temporary one. */
  readonly dir: string;
  /** 32 hex digits, made once. */
  readonly storeId: string;
  /** Third part of every id. */
  readonly nodeId: string;
  /** Whether it was opened with `readOnly`: what is about appends is zero then. */
  readonly readOnly: boolean;
  /** `'open'`, `'suspended'` (no space on the disk), `'failed'` (until it is opened again), `'closing'`, `'closed'`. */
  readonly mode: string;
  /** The last sequence that was given out. */
  readonly accepted: number;
  /** The last sequence that is synced, and so the last that is read. */
  readonly durable: number;
  /** Segment files in use. */
  readonly segments: number;
  /** The lowest sequence there is: 1, or what retention has left. */
  readonly floor: number;
  /** Ranges of the log that a repair has given up. */
  readonly holes: readonly SequenceRange[];
  /** Bytes of the log: older segments whole, the newest up to its last durable frame. */
  readonly bytes: number;
  /** Appends that are accepted and not yet durable. */
  readonly pending: number;
  /** Appends that wait for ring space, or for their condition to be checked. */
  readonly waiting: number;
  /** Appends accepted since opening. */
  readonly appends: number;
  /** Events accepted since opening. */
  readonly events: number;
  /** How events became durable since opening: times that this thread saw it, events in all, and the most at once. */
  readonly groupCommits: {
    /** Of two syncs that were seen together, one is counted. */
    readonly count: number;
    /** Events that became durable. */
    readonly events: number;
    /** The most that did so at once. */
    readonly largest: number;
  };
  /**
   * `ring` between caller and writer; `waiting` appends; `cache` of recent records; `index` sections; `heads` of streams;
   * idempotency `keys`; `tombstones` of deleted streams.
   */
  readonly memory: Readonly<
    Record<'ring' | 'waiting' | 'cache' | 'index' | 'heads' | 'keys' | 'tombstones', MemoryUse>
  >;
  /** What recovery found when this store was opened. */
  readonly recovery: RecoveryReport;
}

/** Bytes in use, about, beside what is meant to be the most. */
export interface MemoryUse {
  /** In use now. */
  readonly bytes: number;
  /**
   * A limit for `ring`, `waiting` and `cache`. `index` goes back to it after each segment that is indexed; `heads`, `keys` and
   * `tombstones` are what a million streams, keys or deleted streams take, and follow the number of streams that change between
   * two checkpoints, `idempotency.maxKeys`, and the number of deleted streams.
   */
  readonly budget: number;
}

/** A store that is embedded in this process. */
export interface Store<M extends object = AnyEvents> extends EventLog<M>, AsyncDisposable {
  /**
   * Accept events now and let them become durable meanwhile.
   * @throws at once what {@link EventLog.append} is rejected with; ERR_BACKPRESSURE where they would have to wait for room
   */
  enqueue(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: EnqueueOptions): Enqueued;
  /**
   * Append and block this thread until the events are as durable as asked. What waits for room goes first.
   * @throws what {@link EventLog.append} is rejected with
   */
  appendSync(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: AppendSyncOptions): Appended;
  /**
   * Wait until everything accepted before, or waiting, is durable: read-your-writes for the weaker durabilities.
   * @throws ERR_DEGRADED or ERR_STORAGE where it will not be, ERR_CLOSED
   */
  flush(): Promise<void>;
  /**
   * Read the whole log back and check it: headers, the chain of segments and frames, checksums of frames and records, that
   * sequences are gapless and timestamps increase. Reports what is wrong, does not throw for it.
   * @throws ERR_ABORTED, ERR_CLOSED
   */
  verify(options?: VerifyOptions): Promise<VerifyReport>;
  /**
   * Repair the log, as {@link repairStore} does, of a store that is open with `readOnly`: what is read afterwards is the
   * repaired log.
   * @throws what that throws; ERR_INVALID_OPTIONS of a store that is open for writing; ERR_CLOSED
   */
  repair(options?: RepairOptions): Promise<RepairReport>;
  /**
   * The SHA-256 of a durable event's record, in hexadecimal: what the audit tree has of it, and `verifyProof` takes.
   * @throws ERR_NOT_FOUND where there is no such event, and what {@link EventLog.get} throws
   */
  digest(id: string | number): Promise<string>;
  /**
   * A proof that the newest checkpoint continues an older one, of `size` events: that nothing in between was changed.
   * @throws ERR_INVALID_QUERY, ERR_NOT_FOUND where no checkpoint is so large, and what {@link EventLog.checkpoint} throws
   */
  proveConsistency(size: number): Promise<ConsistencyProof>;
  /** Make a new key. The checkpoint that is returned is signed by the old one and by it, later ones by it alone. */
  rotateKey(): Promise<Checkpoint>;
  /**
   * Seal every full segment now: its records are digested (SHA-256), and its log is compressed into a file that is read back before
   * it takes the raw one's place; then its index file is made. The newest segment, which is being written, is left. Appends and reads go
   * on meanwhile. Segments that were sealed without an index get theirs.
   * @throws ERR_CORRUPT where a segment does not verify: it stays as it is; ERR_STORAGE; ERR_ABORTED; ERR_INVALID_OPTIONS of a
   *   store that is read only; ERR_CLOSED
   */
  seal(options?: SealOptions): Promise<SealReport>;
  /**
   * Free the space of deleted events: where the newest segment has any, the log goes on in another one; every full segment is sealed, and
   * those that hold any are written anew without them, read back and compared, and put in the old ones' place. Sequences, digests, and proofs of all other events hold; those of what is gone stay in
   * the audit tree, which has all of it before. Appends and reads go on meanwhile.
   *
   * What stays for a later compaction is in the report: events of calls whose idempotency keys are still known, and those in the newest
   * segment where there is no space for another. Where there is nothing to remove, no file is changed.
   * @throws ERR_CORRUPT where a segment does not verify, or the audit tree does not and cannot be made anew of the records: it stays as it
   *   is, with all its events; ERR_STORAGE; ERR_ABORTED; ERR_INVALID_OPTIONS of a store that is read only; ERR_CLOSED
   */
  compact(options?: CompactOptions): Promise<CompactReport>;
  /**
   * Remove the oldest events once, for good, as the option `retention` does by itself: every full segment is sealed, then whole sealed
   * segments go, the oldest first, as long as the log is larger, or their newest event older, than the limits allow. Streams go on with their
   * revisions, live idempotency keys stay known, and proofs hold. What is being read in this process stays. Appends and reads go on
   * meanwhile. Where nothing is to go, nothing is removed.
   * @param retention at least one limit, within the bounds of the option
   * @throws ERR_CORRUPT where a segment, the base or the audit tree does not verify: what does not verify stays; ERR_STORAGE; ERR_ABORTED;
   *   ERR_INVALID_OPTIONS, also of a store that is read only; ERR_CLOSED
   */
  prune(retention: RetentionOptions, options?: PruneOptions): Promise<PruneReport>;
  /**
   * Copy the store into a directory, while it is written or not: every event that was durable when this was called, perhaps some more,
   * the audit tree with the newest checkpoint among them, and the checkpoint of heads. Not the key that signs. Appends, reads, rotation
   * and sealing go on meanwhile; the copying is done by a thread of its own. {@link restoreStore} makes a store of it again.
   *
   * The directory is made, or is empty, or has a backup of this store: then what has changed is copied, the rest is kept. What is
   * copied is verified, frame by frame, and read back before it counts. Whatever happens, the last backup that has come to its end is
   * whole, and takes up its space until the next one is. A directory is for one history of a store: where a repair has given up events
   * that the backup has, or a copy of the store has grown apart from it, it is refused.
   * @param dir of the backup
   * @throws ERR_INVALID_OPTIONS where the directory holds something else, a backup of another store or of another history, or is the
   *   store's own or lies in it; ERR_CORRUPT where the log or the audit tree does not verify; ERR_LOCKED where another backup writes
   *   there; ERR_STORAGE with the errno of what failed, there or here: the store is not touched by it; ERR_UNSUPPORTED_FORMAT;
   *   ERR_ABORTED; ERR_CLOSED, also where the store is closed meanwhile
   */
  backup(dir: string, options?: BackupOptions): Promise<BackupReport>;
  /** Figures as of now. Looks up the sizes of the segment files, and so may throw ERR_STORAGE. */
  stats(): StoreStats;
}

/** Options of an enqueued append. It resolves when it is synced, whatever the store's durability; it cannot be aborted. */
export type EnqueueOptions = Pick<AppendOptions, 'expect'>;
/** Options of a blocking append, which cannot be aborted. */
export type AppendSyncOptions = Pick<AppendOptions, 'expect' | 'condition' | 'durability'>;
export type { AppendOptions, CallOptions, RecoveryReport };
