/** Opening a store for writing: the threads are started, the writer recovers, and the parts are made of what it left. */
import { PlaceHasher, recordSeed } from '../shared/format/checksum.js';
import { HEADS_FILE } from '../shared/format/file-names.js';
import type { NamedBase } from '../shared/format/manifest.js';
import { NameHasher } from '../shared/format/name-hash.js';
import { align, RECORD_HEADER_BYTES } from '../shared/format/record.js';
import { BLOCK_CODEC } from '../shared/format/sealed.js';
import { readManifest } from '../shared/inspect.js';
import type { Opened } from '../shared/messages.js';
import { type Settings, SYSTEM_RESERVE_BYTES } from '../shared/options.js';
import { aborted, fromWire } from '../shared/portable/errors.js';
import { allocateShared, loadPosition, POSITION, WORD } from '../shared/ring/layout.js';
import { RingProducer } from '../shared/ring/producer.js';
import type { Storage } from '../shared/storage.js';
import { segmentFileBytes } from '../shared/unsealing.js';
import { CurrentBase } from './append/base-file.js';
import { Clock, systemClock } from './append/clock.js';
import { Heads } from './append/heads.js';
import { HeadsFile } from './append/heads-file.js';
import { Keys } from './append/keys.js';
import { Compaction } from './compact.js';
import { Deletions } from './deletions.js';
import { originals } from './originals.js';
import { Pruning } from './prune.js';
import { Catalog } from './read/catalog.js';
import { Records } from './read/records.js';
import { TailCache } from './read/tail-cache.js';
import { loadTables, openTables, replay, type Tables } from './replay.js';
import { Retention } from './retention.js';
import { Rotating } from './rotating.js';
import type { Engine, Runtime } from './runtime.js';
import { Auditor } from './seal/auditor.js';
import { Indexer } from './seal/indexer.js';
import { Pace } from './seal/pace.js';
import { type Pool, workOf } from './seal/pool.js';
import { Sealer } from './seal/sealer.js';
import { writerDied } from './store-errors.js';
import { takeTombstones } from './take-tombstones.js';
import { clockChannel, pruneChannel } from './telemetry/channels.js';
import type { OperatorLog } from './telemetry/operator-log.js';
import { withResolvers } from './with-resolvers.js';
import { WritingStore } from './writing-store.js';

/** The clock begins so far after the last event. Unit: nanoseconds. */
const CLOCK_MARGIN_NS = 10_000_000n;

/** Opens a store for writing. The directory is locked by the caller, who also closes the pool. */
export async function openWritingStore(
  settings: Settings,
  log: OperatorLog,
  runtime: Runtime,
  pool: Pool,
  signal: AbortSignal | undefined,
): Promise<WritingStore> {
  // Before the writer begins: what the checkpoint does not cover must verify before anything is changed.
  const tables = await openTables(runtime.storage, settings.dir);
  const opening = new Opening(settings, runtime, tables.sequence);
  try {
    const opened = await opening.opened;
    if (signal?.aborted === true) throw aborted(signal, 'opening the store');
    const store = await makeStore(settings, log, runtime.storage, pool, opening, opened, tables, signal);
    opening.engine.link.hold(false);
    opening.handOver(store);
    store.begin();
    return store;
  } catch (error) {
    await opening.engine.release();
    tables.close();
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

  constructor(settings: Settings, runtime: Runtime, replayFrom: number) {
    // Room beyond the limit for the padding before a record that wraps.
    const slack = align(settings.maxEventBytes) + RECORD_HEADER_BYTES;
    const shared = allocateShared(align(settings.ringBytes) + slack);
    const { promise, resolve, reject } = withResolvers<Opened>();
    this.opened = promise;
    this.engine = runtime.start({ ...settings, replayFrom }, shared, {
      onWriter: (message) => {
        if (message.kind === 'opened') resolve(message);
        else if (message.kind === 'refused') reject(fromWire(message.error));
        else this.#tell((store) => store.onWriter(message));
      },
      onBackground: (message) => this.#tell((store) => store.onBackground(message)),
      onExit: (part, error) => {
        // Without the other one the log goes on.
        if (part === 'writer') reject(writerDied(error?.message ?? 'the writer thread has ended', error));
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

/** The store over a directory that the writer has recovered: its heads and keys as of the last durable event. */
async function makeStore(
  settings: Settings,
  log: OperatorLog,
  storage: Storage,
  pool: Pool,
  { engine, ring }: Opening,
  opened: Opened,
  tables: Tables,
  signal: AbortSignal | undefined,
): Promise<WritingStore> {
  const { dir } = settings;
  const manifest = readManifest(storage, dir)!;
  const { nodeId } = manifest;
  const storeId = Buffer.from(manifest.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  const nameHasher = await NameHasher.create(Buffer.from(manifest.hashKey, 'hex'));
  const catalog = new Catalog(storage, dir, storeId, hasher, manifest, settings.indexBytes);
  const tail = new TailCache(settings.cacheBytes);
  let store: WritingStore | undefined;
  const horizon = {
    refresh: () => store?.appender.durable ?? opened.lastSequence,
    newestSegment: () => Atomics.load(ring.state.words, WORD.segment),
  };
  const records = new Records(catalog, tail, horizon, recordSeed(storeId), manifest);
  const noKeys = (): Keys => new Keys(nameHasher, settings.maxKeys, settings.maxKeyAgeMs);
  const openTable = (base?: NamedBase): HeadsFile | undefined => HeadsFile.open(storage, dir, hasher, base);
  const { file, keys } = loadTables(tables, opened.lastSequence, noKeys, openTable);
  const base = new CurrentBase(tables.base);
  const heads = new Heads(nameHasher, file);
  try {
    const table = { sequence: file?.header.sequence ?? 0, file: file?.name ?? HEADS_FILE };
    records.durable();
    const source = { storage, dir, storeId, hasher, manifest, records };
    const found = await takeTombstones(source, table.sequence, opened.lastSequence, signal);
    if (found.lost !== undefined) log.tombstonesLost(found.lost);
    await replay(records, heads, keys, table.sequence, opened.lastSequence, signal);
    const clock = new Clock(systemClock, (jumpMs) => {
      log.clockJumped(jumpMs);
      if (clockChannel.hasSubscribers) clockChannel.publish({ dir, jumpMs });
      store?.retention.suspendAge();
    });
    if (opened.lastTimestampNs > 0n) clock.advanceTo(opened.lastTimestampNs + CLOCK_MARGIN_NS);
    const identity = { storeId: manifest.storeId, nodeId };
    const parts = { identity, opened, settings, log, engine, ring, records, tail, heads, keys, clock };
    const work = workOf(settings, storeId, records.holes);
    const full = (): number[] => {
      records.durable(); // which brings the catalog up to date
      return catalog.full();
    };
    const load = {
      durable: () => horizon.refresh(),
      durableBytes: () => loadPosition(ring.state, POSITION.durable),
      waitingBytes: () => full().length * settings.segmentBytes,
    };
    const pace = (): Pace => new Pace(load, settings.retention.maxBytes);
    const indexer = new Indexer({
      storage,
      pool,
      work: { dir, storeId, nodeId, holes: manifest.holes },
      pace: pace(),
      lease: (number) => {
        const segment = catalog.segments.find((one) => one.number === number);
        return segment && records.leaseOf(segment);
      },
      onMade: (number) => catalog.indexFiles.renewed(number),
      onFailure: (error) => log.indexingFailed(error),
    });
    catalog.indexFiles.onWanted = (number) => indexer.makeSoon(number);
    const moved = (number: number): void => {
      catalog.moved(number);
      store?.retention.soon();
    };
    const sealed = { full, moved };
    const sealer = new Sealer({ pool, catalog: sealed, work, nodeId, indexer, pace: pace() });
    const auditor = new Auditor({
      ...{ pool, catalog, work, holes: records.holes, durable: () => records.durable() },
      onKeyExposed: () => log.keyExposed(),
    });
    const rotating = new Rotating((message) => engine.link.post(message));
    const compaction = new Compaction({
      ...{ storage, pool, records, sealer, indexer, auditor },
      // What was removed is zeros, which are to take no space, whatever the store says.
      work: { ...work, codec: BLOCK_CODEC.lz4 },
      rotate: (segment) => rotating.behind(segment),
      deleted: () => records.tombstones,
      keysFrom: () => keys.lowestAt(clock.wallMs()),
      onCompacted: (number) => {
        catalog.moved(number);
        store?.retention.resized(number);
        store?.retention.soon();
      },
    });
    const original = originals({ records, base, hasher: nameHasher });
    const pruningParts = { storage, hasher, work, hashKey: manifest.hashKey, catalog, pool, auditor, keys, base };
    const makePruning = (leaveBase: () => Promise<void>): Pruning =>
      new Pruning({
        ...pruningParts,
        leaveBase,
        toBackground: (message) => engine.postBackground(message),
        toWriter: (message) => engine.link.post(message),
      });
    const makeRetention = (pruning: Pruning): Retention =>
      new Retention({
        limits: settings.retention,
        catalog,
        pruning,
        clock,
        seal: (signal) => sealer.seal(signal === undefined ? {} : { signal }),
        bytesOf: ({ number }) => segmentFileBytes(storage, dir, number),
        activeBytes: () => loadPosition(ring.state, POSITION.endOffset),
        durable: () => records.durable(),
        onPruned: (pruned) => {
          log.pruned(pruned);
          if (pruneChannel.hasSubscribers) pruneChannel.publish({ dir, ...pruned });
        },
        onFailure: (error) => log.retentionFailed(error),
        onClockDoubted: (aheadMs) => log.clockDoubted(aheadMs),
      });
    const deletions = new Deletions({
      storeId,
      tombstones: catalog.tombstones,
      found,
      durable: () => horizon.refresh(),
      keptFrom: () => catalog.keptFrom,
      post: (message) => engine.postBackground(message),
      onFailure: (error) => log.tombstonesFailed(error),
    });
    const own = {
      ...parts,
      deletions,
      sealer,
      compaction,
      auditor,
      rotating,
      base,
      original,
      makePruning,
      makeRetention,
    };
    store = new WritingStore({ ...own, openHeadsFile: () => openTable(), table });
    return store;
  } catch (error) {
    heads.close();
    base.close();
    catalog.close();
    throw error;
  }
}
