/** The members of a store that a user calls. */
import type { BackupOptions, BackupReport } from '../shared/backup-report.js';
import type { RetentionOptions, Settings } from '../shared/options.js';
import { isKeeperError, KeeperError } from '../shared/portable/errors.js';
import type { NewEvent, RecordedEvent } from '../shared/portable/events.js';
import type {
  Appended,
  AppendedMany,
  AppendManyOptions,
  AppendOptions,
  DeleteOptions,
  Head,
  ReadOptions,
  ReadStreamOptions,
  Rows,
  StreamAppend,
  StreamInfo,
  StreamsOptions,
  Watermarks,
} from '../shared/portable/log.js';
import type { Checkpoint } from '../shared/portable/proof/checkpoint.js';
import type { ConsistencyProof, InclusionProof } from '../shared/portable/proof/proof.js';
import type { QueryRows } from '../shared/portable/query/query.js';
import type { SelectedTypes, Selectors } from '../shared/portable/selector.js';
import type { Storage } from '../shared/storage.js';
import type { Appender } from './append/appender.js';
import { Appends } from './appends.js';
import { Audit } from './audit.js';
import { Backups } from './backup.js';
import type { CompactOptions, CompactReport } from './compact-types.js';
import type { PruneOptions, PruneReport } from './prune-types.js';
import { invalidQuery } from './read/bounds.js';
import { Reader } from './read/reader.js';
import type { StreamEnds } from './read/stream-ends.js';
import type { ReadOnlyStore } from './read-only-store.js';
import { removedHead } from './removed.js';
import type { RepairOptions, RepairReport } from './repair-types.js';
import type { Runtime } from './runtime.js';
import { lookingWith, type Pool, workOf } from './seal/pool.js';
import type { SealOptions, SealReport } from './seal/seal-types.js';
import { collectStats } from './stats.js';
import { closedError } from './store-errors.js';
import type {
  AppendSyncOptions,
  Enqueued,
  EnqueueOptions,
  Store,
  StoreStats,
  VerifyOptions,
  VerifyReport,
} from './store-types.js';
import { verifyStore } from './verify-store.js';
import { collectWatermarks } from './watermarks.js';
import type { WritingStore } from './writing-store.js';

/** What a store is open for, and what it then consists of. */
export type Mode =
  | { readonly kind: 'writing'; readonly store: WritingStore }
  | {
      readonly kind: 'read-only';
      readonly store: ReadOnlyStore;
      openAgain(): Promise<ReadOnlyStore>;
      repair(options: RepairOptions): Promise<RepairReport>;
    };

/** Reaches into a store, for Keeperlog's own tools: users who hold the store cannot. */
export let appenderOf: (store: EmbeddedStore<any>) => Appender;

export class EmbeddedStore<M extends object> implements Store<M> {
  static {
    appenderOf = (store) => store.#writing().appender;
  }

  readonly #settings: Settings;
  readonly #storage: Storage;
  #mode: Mode;
  #reader: Reader;
  readonly #appends: Appends<M>;
  readonly #audit: Audit;
  readonly #pool: Pool;
  readonly #backups: Backups;
  /** Gives the directory back. */
  readonly #release: () => Promise<void>;
  /** What the closed store was like; its directory may be gone. */
  #last: StoreStats | undefined;
  #closing: Promise<void> | undefined;

  constructor(settings: Settings, mode: Mode, runtime: Runtime, pool: Pool, release: () => Promise<void>) {
    this.#settings = settings;
    this.#storage = runtime.storage;
    this.#mode = mode;
    this.#pool = pool;
    this.#release = release;
    this.#reader = this.#readerOf(mode);
    const { dir, durability } = settings;
    this.#appends = new Appends({
      dir,
      durability,
      appender: () => this.#writing().appender,
      deletions: () => this.#writing().deletions,
      condition: (selectors, after) => this.#reader.condition(selectors, after),
    });
    const auditor = mode.kind === 'writing' ? mode.store.auditor : undefined;
    this.#audit = new Audit(runtime.storage, settings.dir, this.#storeId, auditor);
    this.#backups = new Backups(runtime, settings.dir, () => this.#mode.store.records.lease());
  }

  #readerOf({ kind, store }: Mode): Reader {
    const ends: StreamEnds = {
      last: (stream, durable) => (kind === 'writing' ? store.lastDurableOf(stream, durable) : undefined),
      removed: (stream) => removedHead(this.#storage, this.#settings.dir, stream),
    };
    const work = workOf(this.#settings, Buffer.from(this.#storeId, 'hex'), store.records.holes);
    const looking = lookingWith(this.#pool, this.#settings.poolThreads, work);
    return new Reader(store.records, ends, this.#storeId, looking, () => this.#checkOpen());
  }

  append(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: AppendOptions): Promise<Appended> {
    return this.#appends.append(stream, events, options);
  }

  appendMany(appends: readonly StreamAppend<M>[], options?: AppendManyOptions): Promise<AppendedMany> {
    return this.#appends.appendMany(appends, options);
  }

  deleteStream(stream: string, options?: DeleteOptions): Promise<Appended> {
    return this.#appends.deleteStream(stream, options);
  }

  enqueue(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: EnqueueOptions): Enqueued {
    return this.#appends.enqueue(stream, events, options);
  }

  appendSync(stream: string, events: NewEvent<M> | readonly NewEvent<M>[], options?: AppendSyncOptions): Appended {
    return this.#appends.appendSync(stream, events, options);
  }

  async flush(): Promise<void> {
    this.#checkOpen();
    if (this.#mode.kind === 'writing') await this.#mode.store.appender.flush();
  }

  get(idOrSequence: string | number): Promise<RecordedEvent<M> | undefined> {
    return this.#reader.get(idOrSequence) as Promise<any>;
  }

  read<const S extends Selectors<M> = object>(
    selector?: S,
    options?: ReadOptions,
  ): Rows<RecordedEvent<M, SelectedTypes<M, S>>> {
    return this.#reader.read(selector, options) as Rows<any>;
  }

  readStream(stream: string, options?: ReadStreamOptions): Rows<RecordedEvent<M>> {
    return this.#reader.readStream(stream, options) as Rows<any>;
  }

  query(query: unknown, options?: unknown): QueryRows<any> {
    return this.#reader.query(query, options);
  }

  head(stream?: string): Promise<Head | undefined> {
    return this.#reader.head(stream);
  }

  streams(options?: StreamsOptions): Rows<StreamInfo> {
    return this.#reader.streams(options);
  }

  async verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    this.#checkOpen();
    const { records } = this.#mode.store;
    const work = workOf(this.#settings, Buffer.from(this.#storeId, 'hex'), records.holes);
    const parts = { records, pool: this.#pool, threads: this.#settings.poolThreads, work };
    return verifyStore(this.#storage, { ...parts, checkOpen: () => this.#checkOpen() }, options);
  }

  async repair(options: RepairOptions = {}): Promise<RepairReport> {
    this.#checkOpen();
    const mode = this.#mode;
    if (mode.kind === 'writing') {
      const what = 'a store that is open for writing is not repaired: close it, and open it with readOnly';
      throw new KeeperError('ERR_INVALID_OPTIONS', what, { path: 'readOnly' });
    }
    const report = await mode.repair(options);
    if (!report.repaired || this.#closing !== undefined) return report;
    const store = await mode.openAgain();
    if (this.#closing !== undefined) {
      store.records.catalog.close();
      return report;
    }
    this.#mode = { ...mode, store };
    mode.store.records.catalog.close();
    this.#reader = this.#readerOf(this.#mode);
    return report;
  }

  digest(id: string | number): Promise<string> {
    return this.#reader.digest(id);
  }

  async watermarks(): Promise<Watermarks> {
    this.#checkOpen();
    return collectWatermarks(this.#mode, this.#audit);
  }

  async checkpoint(): Promise<Checkpoint> {
    this.#checkOpen();
    return this.#audit.checkpoint();
  }

  async prove(id: string | number): Promise<InclusionProof> {
    return this.#audit.prove(await this.#reader.sequenceOf(id));
  }

  async proveConsistency(size: number): Promise<ConsistencyProof> {
    this.#checkOpen();
    if (!Number.isSafeInteger(size) || size < 0)
      throw invalidQuery('size', 'must be that of a checkpoint, zero or more');
    return this.#audit.proveConsistency(size);
  }

  async rotateKey(): Promise<Checkpoint> {
    this.#checkOpen();
    return this.#audit.rotateKey();
  }

  async seal(options: SealOptions = {}): Promise<SealReport> {
    return this.#writing().sealer.seal(options);
  }

  async compact(options: CompactOptions = {}): Promise<CompactReport> {
    return this.#writing().compaction.compact(options);
  }

  async prune(retention: RetentionOptions, options: PruneOptions = {}): Promise<PruneReport> {
    return this.#writing().retention.prune(retention, options);
  }

  async backup(dir: string, options: BackupOptions = {}): Promise<BackupReport> {
    this.#checkOpen();
    return this.#backups.run(dir, options, () => this.#mode.store.records.durable());
  }

  stats(): StoreStats {
    return this.#last ?? this.#collectStats();
  }

  #collectStats(): StoreStats {
    return collectStats(this.#settings, this.#mode, this.#reader, this.#storeId);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await Promise.all([this.#backups.close(), this.#reader.close()]);
      if (this.#mode.kind === 'writing') await this.#mode.store.close();
      else this.#mode.store.records.catalog.close();
      this.#last = this.#statsAtEnd();
    } finally {
      await this.#pool.close();
      await this.#release();
    }
  }

  /** The store is closed, and well: a disk that cannot tell a size any more does not change that. */
  #statsAtEnd(): StoreStats | undefined {
    try {
      return this.#collectStats();
    } catch (error) {
      if (isKeeperError(error, 'ERR_STORAGE')) return undefined;
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #storeId(): string {
    return this.#mode.kind === 'writing' ? this.#mode.store.identity.storeId : this.#mode.store.found.manifest.storeId;
  }

  #writing(): WritingStore {
    this.#checkOpen();
    if (this.#mode.kind === 'writing') return this.#mode.store;
    throw new KeeperError('ERR_INVALID_OPTIONS', 'the store was opened with readOnly, which does not write', {
      path: 'readOnly',
      outcome: 'not-appended',
    });
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closedError();
  }
}
