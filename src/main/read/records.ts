/** Where readers get records from: the tail cache, or the segments. Knows how far the log is durable. */
import { givenUp } from '../../shared/damage.js';
import type { Manifest } from '../../shared/format/manifest.js';
import { type Memory, memoryOf, recordLength } from '../../shared/format/record.js';
import type { Holes } from '../../shared/holes.js';
import type { Catalog, OnRead, Segment } from './catalog.js';
import type { Lease } from './leases.js';
import type { Run } from './run.js';
import type { Steps } from './segment-blocks.js';
import { loadRecord, loadRecordSync } from './single-record.js';
import type { TailCache } from './tail-cache.js';
import type { TombstonesInForce } from './tombstones.js';

/** How far the log may be read. */
export interface Horizon {
  /** The last durable sequence. A read-only store looks it up; a writing one knows it. */
  refresh(): number;
  /** The number of the newest segment that has durable records. */
  newestSegment(): number;
}

export class Records {
  readonly catalog: Catalog;
  readonly seed: number;
  readonly nodeId: string;
  readonly holes: Holes;
  readonly tombstones: TombstonesInForce;
  readonly #tail: TailCache;
  readonly #horizon: Horizon;
  /** Told of the bytes that are read from files. */
  readonly onRead: OnRead | undefined;

  /**
   * @param seed of the store's record checksums
   * @param manifest has the third part of the store's ids
   */
  constructor(
    catalog: Catalog,
    tail: TailCache,
    horizon: Horizon,
    seed: number,
    { nodeId }: Pick<Manifest, 'nodeId'>,
    onRead?: OnRead,
  ) {
    this.catalog = catalog;
    this.#tail = tail;
    this.#horizon = horizon;
    this.seed = seed;
    this.nodeId = nodeId;
    this.holes = catalog.holes;
    this.tombstones = catalog.tombstones;
    this.onRead = onRead;
  }

  /** The same records, for a read that wants to know how many bytes it takes from files. */
  metered(onRead: OnRead): Records {
    return new Records(this.catalog, this.#tail, this.#horizon, this.seed, this, onRead);
  }

  /** The last durable sequence, every segment up to it being in the catalog. */
  durable(): number {
    const durable = this.#horizon.refresh();
    this.catalog.follow();
    if (durable > 0) this.#discover(this.#horizon.newestSegment());
    return durable;
  }

  #discover(newest: number): void {
    try {
      this.catalog.discover(newest);
    } catch (error) {
      // What is to be found may have been removed before it was.
      if (!this.catalog.follow()) throw error;
      this.#discover(newest);
    }
  }

  /** Holds what there is from a sequence on, by default everything. */
  lease(sequence = this.floor): Lease {
    return this.catalog.start.leases.take(sequence);
  }

  /** Holds a segment and what follows it; undefined where it has gone, or is going. */
  leaseOf(segment: Segment): Lease | undefined {
    return this.catalog.start.isBehind(segment) ? undefined : this.lease(segment.firstSequence);
  }

  /** The lowest sequence there is. */
  get floor(): number {
    return this.catalog.start.floor;
  }

  /**
   * Verified records around a durable sequence: at once from the cache, and then to be used before anything is awaited
   * (so do not await what is no promise), or from the disk.
   * @throws ERR_CORRUPT, ERR_STORAGE
   */
  load(sequence: number, durable: number): Run | Promise<Run> {
    return this.#tail.load(sequence) ?? this.loadFromFile(sequence, durable);
  }

  /** The same, whatever the cache has: a run that knows where it stands in its file. */
  loadFromFile(sequence: number, durable: number): Promise<Run> {
    return this.catalog.load(sequence, durable, this.onRead);
  }

  /** Whether a durable sequence, and all that follow, are in the cache. */
  isCached(sequence: number): boolean {
    return this.#tail.holdsFrom(sequence);
  }

  loadSync(sequence: number, durable: number): Run {
    return this.#tail.load(sequence) ?? this.catalog.loadSync(sequence, durable);
  }

  /**
   * A durable record, or that which stands for it, blocking the thread, in memory to be used at once; undefined where there is none.
   * @throws ERR_CORRUPT, ERR_STORAGE
   */
  recordSync(sequence: number): { readonly memory: Memory; readonly at: number } | undefined {
    const durable = this.durable();
    if (sequence < this.floor || sequence > durable) return undefined;
    const run = this.#tail.load(sequence);
    if (run !== undefined) return { memory: run.memory, at: run.at(sequence) };
    return { memory: loadRecordSync(this.catalog, sequence, durable, this.seed), at: 0 };
  }

  /** Records from the cache, to be used at once; undefined where a sequence is not there. */
  loadCached(sequence: number): Run | undefined {
    return this.#tail.load(sequence);
  }

  /** One record from the cache, in memory that nobody else changes. */
  copyCached(sequence: number): Memory | undefined {
    const run = this.#tail.load(sequence);
    if (run === undefined) return undefined;
    const at = run.at(sequence);
    return memoryOf(Buffer.from(run.memory.bytes.subarray(at, at + recordLength(run.memory.view, at))));
  }

  /** Called with the last durable sequence when there are more, in a store that is open for writing. */
  set onDurable(listener: ((durable: number) => void) | undefined) {
    this.#tail.onTaken = listener;
  }

  /**
   * One record, or that which stands for it, in memory that nobody else changes.
   * @throws ERR_CORRUPT, also for a sequence that a repair gave up; ERR_STORAGE
   */
  async loadOne(sequence: number, durable: number): Promise<Memory> {
    const hole = this.holes.at(sequence);
    if (hole !== undefined) throw givenUp(this.catalog.fileOf(sequence), hole);
    return this.copyCached(sequence) ?? loadRecord(this.catalog, sequence, durable, this.seed);
  }

  /** Some of a segment's file, none of it verified. */
  loadBytes(segment: Segment, steps: Steps<Memory>): Promise<Memory> {
    return this.catalog.run(segment, steps, this.onRead);
  }
}
