/**
 * The segments of the log as readers see them: which there are, which one holds a sequence, and how they are read.
 */
import path from 'node:path';
import { corrupt, lostSegment } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile, segmentNumber } from '../../shared/format/file-names.js';
import type { Manifest } from '../../shared/format/manifest.js';
import type { SegmentHeader } from '../../shared/format/segment.js';
import { Holes } from '../../shared/holes.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import type { FileHandle, ReadStorage } from '../../shared/storage.js';
import { fileOfSegment, type LogStorage, unsealing } from '../../shared/unsealing.js';
import { type ChainedSegment, IndexFiles, type IndexStorage } from './index-files.js';
import { IndexMemory } from './index-memory.js';
import { LogStart } from './log-start.js';
import { PageCache } from './page-cache.js';
import type { Run } from './run.js';
import type { OnRead, Segment } from './segment.js';
import { SegmentBlocks, type Steps } from './segment-blocks.js';
import { SegmentFiles } from './segment-files.js';
import { lastFrom } from './segment-lookup.js';
import { Tombstones } from './tombstones.js';
import { Turns } from './turns.js';

export type { OnRead, Segment } from './segment.js';

export class Catalog {
  readonly #storage: ReadStorage;
  /** The same, with sealed segments as raw ones. */
  readonly #log: LogStorage;
  readonly #dir: string;
  readonly #storeId: Uint8Array;
  readonly #hasher: PlaceHasher;
  #segments: Segment[] = [];
  readonly #files: SegmentFiles;
  readonly start: LogStart;
  readonly holes: Holes;
  readonly tombstones = new Tombstones();
  readonly turns = new Turns();
  readonly indexFiles: IndexFiles;
  #lostFirst: string | undefined;

  /** @param readManifest of a store that another process may be writing */
  constructor(
    storage: IndexStorage,
    dir: string,
    storeId: Uint8Array,
    hasher: PlaceHasher,
    manifest: Manifest,
    indexBytes: number,
    readManifest?: () => Manifest | undefined,
  ) {
    this.start = new LogStart(manifest, readManifest);
    this.holes = new Holes(manifest.holes);
    this.#storage = storage;
    const pageCache = new PageCache();
    this.#log = unsealing(pageCache.watching(storage), storeId, hasher);
    this.#files = new SegmentFiles(this.#log, pageCache, (segment) => this.#open(segment));
    this.#dir = dir;
    this.#storeId = storeId;
    this.#hasher = hasher;
    const memory = new IndexMemory(indexBytes);
    this.indexFiles = new IndexFiles({ storage, dir, storeId, nodeId: manifest.nodeId, hasher, memory });
  }

  /** Without those that are about to go: nobody begins to read them. */
  get segments(): readonly Segment[] {
    const { firstSegment } = this.start;
    const [first] = this.#segments;
    const isGoing = first !== undefined && first.number < firstSegment;
    return isGoing ? this.#segments.filter(({ number }) => number >= firstSegment) : this.#segments;
  }

  /** The first sequence that the log will have, whatever happens: of what is about to go nothing is to be forgotten yet. */
  get keptFrom(): number {
    return Math.min(this.start.floor, this.#segments[0]?.firstSequence ?? this.start.floor);
  }

  /** Memory in use, about. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.blocks.bytes, 0);
  }

  add(header: SegmentHeader): void {
    const { number, firstSequence, previousTimestampNs } = header;
    this.#segments.at(-1)?.blocks.endsBefore(header);
    const blocks = new SegmentBlocks(header, () => segment.file, this.#hasher, this.holes);
    const segment: Segment = { number, firstSequence, previousTimestampNs, file: this.#fileOf(number), blocks };
    this.#segments.push(segment);
  }

  /** A segment that is lost: what it held lies between its neighbours. */
  lack(number: number): void {
    const file = this.#fileOf(number);
    const before = this.#segments.findLast((segment) => segment.number < number);
    if (before === undefined) this.#lostFirst ??= file;
    else before.blocks.lostBehind ??= file;
  }

  /** Add the segments up to a number that came since, by their headers. */
  discover(upTo: number): void {
    const next = (this.#segments.at(-1)?.number ?? this.start.firstSegment - 1) + 1;
    for (let number = next; number <= upTo; number++) {
      const place = { storage: this.#log, dir: this.#dir, storeId: this.#storeId, hasher: this.#hasher };
      const header = readSegmentHeader(place, number);
      if (header === undefined) throw corrupt(this.#fileOf(number), 0, 'a segment that is in use has no valid header');
      this.add(header);
    }
  }

  /** The log begins later from now on. */
  prune(start: Pick<Manifest, 'firstSegment' | 'floor'>): void {
    this.start.moveTo(start);
    for (const { number } of this.#segments) {
      if (number >= start.firstSegment) break;
      this.#files.forget(number);
      this.indexFiles.renewed(number);
    }
    // Whoever goes through the old ones still has them.
    this.#segments = this.#segments.filter(({ number }) => number >= start.firstSegment);
  }

  /** See whether another process has removed segments; returns whether it has. */
  follow(): boolean {
    const [first] = this.#segments;
    const start = this.start.moved(() => first === undefined || !this.#log.exists(this.#rawFile(first.number)));
    if (start !== undefined) this.prune(start);
    return start !== undefined;
  }

  /** The segment that holds a sequence: the last one that begins at or before it. */
  find(sequence: number): Segment | undefined {
    return lastFrom(this.#segments, sequence);
  }

  /**
   * The same.
   * @throws ERR_PRUNED below the floor; ERR_CORRUPT where it is lost with the first segment
   */
  holding(sequence: number): Segment {
    this.start.check(sequence);
    const segment = this.find(sequence);
    if (segment !== undefined) return segment;
    throw lostSegment(this.lostFirst ?? this.#dir, sequence, (this.#segments[0]?.firstSequence ?? sequence + 1) - 1);
  }

  /** The file of the first segment, where that is lost. */
  get lostFirst(): string | undefined {
    return this.#lostFirst;
  }

  /** The file that a sequence is in, or would be. */
  fileOf(sequence: number): string {
    return this.find(sequence)?.file ?? this.#dir;
  }

  /** The last sequence of a segment, if nothing above `durable` is to be read. */
  lastSequenceOf(segment: Segment, durable: number): number {
    const next = this.#segments[this.#segments.indexOf(segment) + 1];
    return next === undefined ? durable : Math.min(durable, next.firstSequence - 1);
  }

  /** Bytes of the log, those of sealed segments as they were, preallocation included. */
  totalBytes(): number {
    return this.#files.rawBytes(this.#segments);
  }

  /** Bytes on the disk of all but the newest, or of some. */
  closedBytes(segments = this.#segments.slice(0, -1)): number {
    return this.#files.fileBytes(segments);
  }

  /**
   * Do the steps on a segment's file without blocking, but for what is likely to be there at once.
   * @param onRead told of the bytes of each read
   * @throws ERR_PRUNED where retention has removed it
   */
  async run<T>(segment: Segment, steps: Steps<T>, onRead?: OnRead): Promise<T> {
    this.start.checkSegment(segment);
    return this.#files.run(segment, steps, onRead);
  }

  /** The same, blocking the thread. */
  runSync<T>(segment: Segment, steps: Steps<T>): T {
    this.start.checkSegment(segment);
    return this.#files.runSync(segment, steps);
  }

  /** The verified records around a sequence that is durable. */
  load(sequence: number, durable: number, onRead?: OnRead): Promise<Run> {
    const segment = this.holding(sequence);
    return this.run(segment, segment.blocks.load(sequence, this.lastSequenceOf(segment, durable)), onRead);
  }

  /** A sealed segment as the header of the one behind it has it; undefined where it is raw, or that does not tell. */
  chained({ number, firstSequence, blocks, file }: Segment): ChainedSegment | undefined {
    if (segmentNumber(path.basename(file)) !== undefined) return undefined;
    const { next } = blocks;
    // What a repair has put together does not go by what the headers say.
    const isTold = next?.number === number + 1 && !this.holes.beginsAnew(this.holes.skip(next.firstSequence));
    if (!isTold) return undefined;
    const { previousBytes: rawBytes, previous: lastFrame, previousTimestampNs: lastTimestampNs } = next;
    return { number, firstSequence, lastSequence: next.firstSequence - 1, rawBytes, lastFrame, lastTimestampNs };
  }

  loadSync(sequence: number, durable: number): Run {
    const segment = this.holding(sequence);
    return this.runSync(segment, segment.blocks.load(sequence, this.lastSequenceOf(segment, durable)));
  }

  /** The numbers of the segments behind which there is another, and whose raw file is there, oldest first. */
  full(): number[] {
    return this.#segments
      .slice(0, -1)
      .filter((segment) => this.isRaw(segment))
      .map(({ number }) => number);
  }

  /** The last sequence of those in segments that are sealed, from the first one on. */
  sealedUpTo(): number {
    const [first] = this.#segments;
    if (first === undefined) return 0;
    const open = this.#segments.findIndex((segment, i) => i === this.#segments.length - 1 || this.isRaw(segment));
    return this.#segments[open]!.firstSequence - 1;
  }

  /** A segment is in another file by now. */
  moved(number: number): void {
    this.#files.forget(number);
    const segment = this.#segments.find((one) => one.number === number);
    if (segment !== undefined) segment.file = this.#fileOf(number);
  }

  close(): void {
    this.indexFiles.close();
    this.#files.close();
  }

  /** Whether it is not sealed yet; once it is, it stays so. */
  isRaw({ number, file }: Segment): boolean {
    return segmentNumber(path.basename(file)) !== undefined && this.#storage.exists(this.#rawFile(number));
  }

  #rawFile(number: number): string {
    return path.join(this.#dir, segmentFile(number));
  }

  #fileOf(number: number): string {
    return fileOfSegment(this.#storage, this.#dir, number);
  }

  #open(segment: Segment): FileHandle {
    const handle = this.#openRead(segment);
    // Sealed meanwhile, perhaps by another process.
    segment.file = this.#fileOf(segment.number);
    return handle;
  }

  #openRead(segment: Segment): FileHandle {
    try {
      return this.#log.openRead(this.#rawFile(segment.number));
    } catch (error) {
      if (this.follow()) this.start.checkSegment(segment);
      throw error;
    }
  }
}
