/** A store that is open for writing: the parts wired together, its modes, and its end. */
import { PlaceHasher, recordSeed } from '../shared/format/checksum.js';
import { NameHasher } from '../shared/format/name-hash.js';
import { align, RECORD_HEADER_BYTES } from '../shared/format/record.js';
import { readManifest } from '../shared/inspect.js';
import type { FromBackground, FromWriter, Opened } from '../shared/messages.js';
import { type Logger, type Settings, SYSTEM_RESERVE_BYTES } from '../shared/options.js';
import { aborted, fromWire, KeeperError, type Outcome } from '../shared/portable/errors.js';
import { allocateShared, type SharedState, WORD } from '../shared/ring/layout.js';
import { RingProducer } from '../shared/ring/producer.js';
import { Appender } from './append/appender.js';
import type { CallFlags } from './append/call.js';
import { Clock, systemClock } from './append/clock.js';
import { Duplicates } from './append/duplicates.js';
import { Heads } from './append/heads.js';
import { HeadsFile } from './append/heads-file.js';
import { Keys } from './append/keys.js';
import { Pending } from './append/pending.js';
import { Sequencer } from './append/sequencer.js';
import { appendInput } from './append-inputs.js';
import { Checkpoints } from './checkpoints.js';
import { Catalog } from './read/catalog.js';
import { Records } from './read/records.js';
import { TailCache } from './read/tail-cache.js';
import { loadCheckpoint, replay } from './replay.js';
import type { Engine, Runtime } from './runtime.js';

/** The clock begins so far after the last event. Unit: nanoseconds. */
const CLOCK_MARGIN_NS = 10_000_000n;
/** When to try again while the disk is full. Unit: milliseconds. */
const SUSPENDED_RETRY_MS = 1000;
/** The stream of what Keeperlog has to say about a store. */
const STORE_STREAM = '$store';

const SYSTEM: CallFlags = { durability: 'synced', system: true, many: false };

export type StoreMode = 'open' | 'suspended' | 'failed' | 'closing' | 'closed';

/** What a store is, beside its parts. */
export interface StoreIdentity {
  readonly storeId: string;
  readonly nodeId: string;
}

/** Opens a store for writing. The directory is locked by the caller. */
export async function openWritingStore(
  settings: Settings,
  logger: Logger,
  runtime: Runtime,
  signal: AbortSignal | undefined,
): Promise<WritingStore> {
  const opening = new Opening(settings, runtime);
  try {
    const opened = await opening.opened;
    if (signal?.aborted === true) throw aborted(signal, 'opening the store');
    return await WritingStore.create(settings, logger, runtime, opening, opened, signal);
  } catch (error) {
    await opening.engine.release();
    throw error;
  }
}

/** The engine's parts while the writer recovers the directory. Hands its events on to the store, once there is one. */
class Opening {
  readonly engine: Engine;
  readonly ring: RingProducer;
  readonly opened: Promise<Opened>;
  #store: WritingStore | undefined;
  /** What happened before there was a store. */
  readonly #missed: ((store: WritingStore) => void)[] = [];

  constructor(settings: Settings, runtime: Runtime) {
    // Room beyond the limit for the padding before a record that wraps.
    const slack = align(settings.maxEventBytes) + RECORD_HEADER_BYTES;
    const shared = allocateShared(align(settings.ringBytes) + slack);
    const { promise, resolve, reject } = withResolvers<Opened>();
    this.opened = promise;
    this.engine = runtime.start(settings, shared, {
      onWriter: (message) => {
        if (message.kind === 'opened') resolve(message);
        else if (message.kind === 'refused') reject(fromWire(message.error));
        else this.#tell((store) => store.onWriter(message));
      },
      onBackground: (message) => this.#tell((store) => store.onBackground(message)),
      onExit: (part, error) => {
        reject(writerDied(error?.message ?? 'the writer thread has ended', error));
        this.#tell((store) => store.onExit(part, error));
      },
    });
    this.ring = new RingProducer(this.engine.link.state, settings.ringBytes, SYSTEM_RESERVE_BYTES);
  }

  /** From now on a store takes the events, first those that it has missed. */
  handOver(store: WritingStore): void {
    this.#store = store;
    for (const event of this.#missed.splice(0)) event(store);
  }

  #tell(event: (store: WritingStore) => void): void {
    if (this.#store === undefined) this.#missed.push(event);
    else event(this.#store);
  }
}

export class WritingStore {
  readonly identity: StoreIdentity;
  readonly opened: Opened;
  readonly appender: Appender;
  readonly records: Records;
  readonly heads: Heads;
  readonly keys: Keys;
  readonly pending: Pending;
  readonly tail: TailCache;
  readonly ring: RingProducer;
  readonly sequencer: Sequencer;
  readonly #engine: Engine;
  readonly #logger: Logger;
  readonly #checkpoints: Checkpoints;
  readonly #state: SharedState;
  readonly #closed = withResolvers<void>();
  readonly #backgroundClosed = withResolvers<void>();
  #mode: StoreMode = 'open';
  #failure: KeeperError | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: {
    identity: StoreIdentity;
    opened: Opened;
    settings: Settings;
    logger: Logger;
    runtime: Runtime;
    opening: Opening;
    hasher: PlaceHasher;
    records: Records;
    tail: TailCache;
    heads: Heads;
    keys: Keys;
    clock: Clock;
    checkpointSequence: number;
  }) {
    const { settings, opening, opened, runtime, hasher, heads, keys } = parts;
    const { nodeId, storeId } = parts.identity;
    this.identity = parts.identity;
    this.opened = opened;
    this.ring = opening.ring;
    this.records = parts.records;
    this.tail = parts.tail;
    this.heads = heads;
    this.keys = keys;
    this.pending = new Pending();
    this.#engine = opening.engine;
    this.#logger = parts.logger;
    this.#state = opening.ring.state;
    const ringMemory = { bytes: this.#state.ring, view: this.#state.view };
    const readRecord = (sequence: number) => this.#readRecordSync(sequence);
    const duplicates = new Duplicates(keys, this.pending, ringMemory, readRecord, nodeId);
    this.sequencer = new Sequencer(this.ring, parts.clock, keys, duplicates, opened.lastSequence);
    this.appender = new Appender(
      {
        settings,
        nodeId,
        ring: this.ring,
        heads,
        sequencer: this.sequencer,
        pending: this.pending,
        tail: this.tail,
        link: opening.engine.link,
      },
      opened.lastSequence,
    );
    this.#checkpoints = new Checkpoints(
      {
        storeId: Buffer.from(storeId, 'hex'),
        heads,
        keys,
        accepted: () => this.sequencer.lastSequence,
        durable: () => this.appender.durable,
        segment: () => Atomics.load(this.#state.words, WORD.segment),
        post: (message) => this.#engine.postBackground(message),
        openFile: () => HeadsFile.open(runtime.storage, settings.dir, hasher),
        onFailure: (error) => this.#logger.warn({ error }, 'the checkpoint of stream heads could not be written'),
      },
      parts.checkpointSequence,
    );
    this.appender.onDurable = () => this.#checkpoints.onDurable();
    this.appender.onDead = (why) => this.#fail(writerDied(why));
  }

  static async create(
    settings: Settings,
    logger: Logger,
    runtime: Runtime,
    opening: Opening,
    opened: Opened,
    signal: AbortSignal | undefined,
  ): Promise<WritingStore> {
    const { storage } = runtime;
    const { dir } = settings;
    const manifest = readManifest(storage, dir)!;
    const storeId = Buffer.from(manifest.storeId, 'hex');
    const hasher = await PlaceHasher.create(storeId);
    const nameHasher = await NameHasher.create(Buffer.from(manifest.hashKey, 'hex'));
    const catalog = new Catalog(storage, dir, storeId, hasher, manifest.firstSegment);
    const tail = new TailCache(settings.cacheBytes);
    const state = opening.ring.state;
    let store: WritingStore | undefined;
    const horizon = {
      refresh: () => store?.appender.durable ?? opened.lastSequence,
      newestSegment: () => Atomics.load(state.words, WORD.segment),
    };
    const records = new Records(catalog, tail, horizon, recordSeed(storeId), manifest.nodeId);
    const noKeys = (): Keys => new Keys(nameHasher, settings.maxKeys, settings.maxKeyAgeMs);
    const { file, keys } = loadCheckpoint(storage, dir, hasher, opened.lastSequence, noKeys);
    const heads = new Heads(nameHasher, file);
    try {
      const checkpointSequence = file?.header.sequence ?? 0;
      records.durable();
      await replay(records, heads, keys, checkpointSequence, opened.lastSequence, signal);
      const clock = new Clock(systemClock, (jumpMs) => {
        logger.warn({ jumpMs }, 'the wall clock has jumped; timestamps go on increasing');
      });
      if (opened.lastTimestampNs > 0n) clock.advanceTo(opened.lastTimestampNs + CLOCK_MARGIN_NS);
      const identity = { storeId: manifest.storeId, nodeId: manifest.nodeId };
      store = new WritingStore({
        identity,
        opened,
        settings,
        logger,
        runtime,
        opening,
        hasher,
        records,
        tail,
        heads,
        keys,
        clock,
        checkpointSequence,
      });
    } catch (error) {
      heads.close();
      catalog.close();
      throw error;
    }
    opening.engine.link.hold(false);
    opening.handOver(store);
    store.#reportRecovery();
    return store;
  }

  get mode(): StoreMode {
    return this.#mode;
  }

  /** The last durable sequence of a stream: what is accepted, without what is still pending. */
  lastDurableOf(stream: string, durable: number): number {
    const head = this.heads.peek(stream);
    if (head === undefined || head.lastSequence <= durable) return head?.lastSequence ?? 0;
    let last = head.lastSequence;
    for (const call of this.pending.newestFirst()) {
      if (last <= durable) break;
      const part = call.parts.find(({ head: { stream: name } }) => name === stream);
      if (part !== undefined) last = part.previousSequence;
    }
    return last;
  }

  /** Drain, sync, mark the end, release. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  onWriter(message: FromWriter): void {
    switch (message.kind) {
      case 'progress':
        Atomics.store(this.#state.words, WORD.notified, 0);
        this.appender.settle();
        return;
      case 'suspended':
        this.#suspend(fromWire(message.error));
        return;
      case 'resumed':
        this.#resume();
        return;
      case 'failed':
        this.#fail(fromWire(message.error));
        return;
      case 'closed':
        this.#closed.resolve();
        return;
      case 'log':
        this.#logger[message.level](message.fields, message.message);
        return;
      case 'opened':
      case 'refused':
        throw new Error(`the writer said ${message.kind} again`);
      default:
        throw new Error(`unknown message: ${JSON.stringify(message satisfies never)}`);
    }
  }

  onBackground(message: FromBackground): void {
    if (message.kind === 'log') this.#logger[message.level](message.fields, message.message);
    else if (message.kind === 'closed') this.#backgroundClosed.resolve();
    else this.#checkpoints.onMessage(message);
  }

  onExit(part: 'writer' | 'background', error: Error | undefined): void {
    if (part === 'background') {
      this.#backgroundClosed.resolve();
      this.#checkpoints.end(error ?? new Error('the background thread has ended'));
      if (this.#mode === 'closed' || this.#mode === 'closing') return;
      this.#logger.error({ error }, 'the background thread has ended; the log goes on without it');
      return;
    }
    if (this.#mode !== 'closed') this.#fail(writerDied(error?.message ?? 'the writer thread has ended', error));
    this.#closed.resolve();
  }

  async #close(): Promise<void> {
    if (this.#mode === 'open' || this.#mode === 'suspended') this.#mode = 'closing';
    this.appender.setGate(() => closedError());
    await this.appender.whenIdle();
    if (this.#failure === undefined) await this.#checkpoints.finish();
    this.#engine.link.hold(true);
    this.#engine.link.post({ kind: 'close' });
    this.#engine.postBackground({ kind: 'close' });
    await Promise.all([this.#closed.promise, this.#backgroundClosed.promise]);
    this.#mode = 'closed';
    this.heads.close();
    this.records.catalog.close();
    await this.#engine.release();
  }

  /** The disk is full. What is not durable is given up; reads go on. */
  #suspend(cause: KeeperError): void {
    if (this.#mode === 'open') this.#mode = 'suspended';
    const why = (): KeeperError => suspendedError(cause);
    if (this.#mode === 'suspended') this.appender.setGate(why);
    const given = this.appender.rollBack(why);
    this.#checkpoints.onRollBack();
    this.#logger.error({ error: cause, appends: given }, 'the disk is full: writes are suspended until there is space');
    this.#engine.link.post({ kind: 'rolled-back', place: this.ring.head });
  }

  #resume(): void {
    if (this.#mode !== 'suspended') return;
    this.#mode = 'open';
    this.appender.setGate(undefined);
    this.#logger.info({}, 'there is space again: writes are resumed');
    this.#note('WritesResumed', { durable: this.appender.durable });
  }

  #fail(cause: KeeperError): void {
    if (this.#failure !== undefined) return;
    this.#failure = cause;
    if (this.#mode === 'open' || this.#mode === 'suspended') this.#mode = 'failed';
    const why = (outcome: Outcome): KeeperError => cause.withOutcome(outcome);
    this.appender.setGate(() => why('not-appended'));
    this.appender.failAll(why);
    this.#logger.error({ error: cause }, 'the log cannot be written any more: close the store and open it again');
  }

  #reportRecovery(): void {
    const { recovery } = this.opened;
    if (!recovery.clean) {
      this.#logger.info(recovery, 'the store was not closed by its last writer, and has been recovered');
    }
    if (recovery.tornFile === undefined) return;
    this.#note('TornTailSetAside', { bytes: recovery.tornBytes, file: recovery.tornFile });
  }

  /** Record something about the store in the store. */
  #note(type: string, data: object): void {
    const part = appendInput(STORE_STREAM, { type, data }, undefined);
    this.appender.append([part], SYSTEM, undefined).catch((error) => {
      this.#logger.warn({ error, type }, 'an event about the store could not be recorded');
    });
  }

  #readRecordSync(sequence: number): ReturnType<ConstructorParameters<typeof Duplicates>[3]> {
    const durable = this.records.durable();
    if (sequence < this.records.floor || sequence > durable) return undefined;
    const run = this.records.loadSync(sequence, durable);
    return { memory: run.memory, at: run.at(sequence) };
  }
}

function suspendedError(cause: KeeperError): KeeperError {
  return new KeeperError('ERR_DEGRADED', `writes are suspended: ${cause.message}`, {
    retryAfterMs: SUSPENDED_RETRY_MS,
    mode: 'suspended',
    outcome: 'not-appended',
    cause,
    hint: 'Free space on the disk: writes resume by themselves.',
  });
}

export function closedError(): KeeperError {
  return new KeeperError('ERR_CLOSED', 'the store is closed', { outcome: 'not-appended' });
}

function writerDied(why: string, cause?: Error): KeeperError {
  return new KeeperError('ERR_STORAGE', `the writer has died: ${why}`, {
    errno: 'EPIPE',
    syscall: 'worker',
    cause,
    hint: 'Close the store and open it again: recovery finds everything that was acknowledged.',
  });
}

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: Error) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
