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
import { isKeeperError } from '../../shared/portable/errors.js';
import type { ReadStorage } from '../../shared/storage.js';
import { fileOfSegment, type LogStorage, unsealing } from '../../shared/unsealing.js';
import { type ChainedSegment, IndexFiles } from './index-files.js';
import { IndexMemory } from './index-memory.js';
import { type OpenFile, OpenFiles } from './open-files.js';
import { PageCache } from './page-cache.js';
import type { Run } from './run.js';
import { SegmentBlocks, type Steps } from './segment-blocks.js';
import { lastFrom, memoryFor } from './segment-lookup.js';

/** A segment in the catalog. */
export interface Segment {
  readonly number: number;
  readonly firstSequence: number;
  /** The raw file, or the sealed one: that which was opened last. */
  file: string;
  readonly blocks: SegmentBlocks;
}

/** Told of the bytes that a read took from a file. */
export type OnRead = (bytes: number) => void;

export class Catalog {
  readonly #storage: ReadStorage;
  /** The same, with sealed segments as raw ones. */
  readonly #log: LogStorage;
  readonly #dir: string;
  readonly #storeId: Uint8Array;
  readonly #hasher: PlaceHasher;
  readonly #segments: Segment[] = [];
  readonly #files: OpenFiles;
  readonly #pageCache = new PageCache();
  readonly #firstSegment: number;
  readonly holes: Holes;
  readonly indexFiles: IndexFiles;
  #lostFirst: string | undefined;
  #waits = 0;

  constructor(
    storage: ReadStorage,
    dir: string,
    storeId: Uint8Array,
    hasher: PlaceHasher,
    manifest: Manifest,
    indexBytes: number,
  ) {
    this.#firstSegment = manifest.firstSegment;
    this.holes = new Holes(manifest.holes);
    this.#storage = storage;
    this.#log = unsealing(storage, storeId, hasher);
    this.#files = new OpenFiles((handle) => this.#log.close(handle));
    this.#dir = dir;
    this.#storeId = storeId;
    this.#hasher = hasher;
    const memory = new IndexMemory(indexBytes);
    this.indexFiles = new IndexFiles({ storage, dir, storeId, nodeId: manifest.nodeId, hasher, memory });
  }

  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Memory in use, about. */
  get bytes(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.blocks.bytes, 0);
  }

  add(header: SegmentHeader): void {
    const { number, firstSequence } = header;
    this.#segments.at(-1)?.blocks.endsBefore(header);
    const blocks = new SegmentBlocks(header, () => segment.file, this.#hasher, this.holes);
    const segment: Segment = { number, firstSequence, file: this.#fileOf(number), blocks };
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
    const next = (this.#segments.at(-1)?.number ?? this.#firstSegment - 1) + 1;
    for (let number = next; number <= upTo; number++) {
      const place = { storage: this.#log, dir: this.#dir, storeId: this.#storeId, hasher: this.#hasher };
      const header = readSegmentHeader(place, number);
      if (header === undefined) {
        throw corrupt(this.#fileOf(number), 0, 'a segment that is in use has no valid header');
      }
      this.add(header);
    }
  }

  /** The segment that holds a sequence: the last one that begins at or before it. */
  find(sequence: number): Segment | undefined {
    return lastFrom(this.#segments, sequence);
  }

  /**
   * The same.
   * @throws ERR_CORRUPT where it is lost with the first segment
   */
  holding(sequence: number): Segment {
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
    return this.#sum(this.#segments, ({ handle }) => this.#log.size(handle));
  }

  /** Bytes on the disk of all but the newest. */
  closedBytes(): number {
    return this.#sum(this.#segments.slice(0, -1), ({ handle }) => this.#log.fileBytes(handle));
  }

  #sum(segments: readonly Segment[], bytesOf: (file: OpenFile) => number): number {
    return segments.reduce((sum, segment) => sum + this.#measure(segment, bytesOf), 0);
  }

  /** A segment whose file cannot be opened counts for nothing: whoever reads it is told why. */
  #measure(segment: Segment, bytesOf: (file: OpenFile) => number): number {
    let file: OpenFile;
    try {
      file = this.#lease(segment);
    } catch (error) {
      if (isKeeperError(error)) return 0;
      throw error;
    }
    try {
      return bytesOf(file);
    } finally {
      this.#release(segment, file);
    }
  }

  /**
   * Do the steps on a segment's file without blocking, but for what is likely to be there at once.
   * @param onRead told of the bytes of each read
   */
  async run<T>(segment: Segment, steps: Steps<T>, onRead?: OnRead): Promise<T> {
    const file = this.#lease(segment);
    try {
      let step = steps.next();
      while (step.done !== true) {
        const { offset } = step.value;
        const bytes = memoryFor(step.value, () => this.#log.size(file.handle));
        const atOnce = this.#pageCache.isLikely(bytes.length);
        const length = atOnce
          ? this.#pageCache.watch(() => this.#log.read(file.handle, bytes, offset))
          : await this.#log.readAsync(file.handle, bytes, offset);
        if (!atOnce) this.#waits++;
        onRead?.(length);
        step = steps.next(bytes.subarray(0, length));
      }
      return step.value;
    } finally {
      this.#release(segment, file);
    }
  }

  /** The same, blocking the thread. */
  runSync<T>(segment: Segment, steps: Steps<T>): T {
    const file = this.#lease(segment);
    try {
      let step = steps.next();
      while (step.done !== true) {
        const bytes = memoryFor(step.value, () => this.#log.size(file.handle));
        const length = this.#log.read(file.handle, bytes, step.value.offset);
        step = steps.next(bytes.subarray(0, length));
      }
      return step.value;
    } finally {
      this.#release(segment, file);
    }
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
    const { previousBytes: rawBytes, previous: lastFrame } = next;
    return { number, firstSequence, lastSequence: next.firstSequence - 1, rawBytes, lastFrame };
  }

  loadSync(sequence: number, durable: number): Run {
    const segment = this.holding(sequence);
    return this.runSync(segment, segment.blocks.load(sequence, this.lastSequenceOf(segment, durable)));
  }

  /** How many reads have waited, for which the thread did other things. */
  get waits(): number {
    return this.#waits + this.indexFiles.waits;
  }

  /** The numbers of the segments behind which there is another, and whose raw file is there, oldest first. */
  full(): number[] {
    return this.#segments
      .slice(0, -1)
      .filter((segment) => this.#isRaw(segment))
      .map(({ number }) => number);
  }

  /** The last sequence of those in segments that are sealed, from the first one on. */
  sealedUpTo(): number {
    const [first] = this.#segments;
    if (first === undefined) return 0;
    const open = this.#segments.findIndex((segment, i) => i === this.#segments.length - 1 || this.#isRaw(segment));
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
  #isRaw({ number, file }: Segment): boolean {
    return segmentNumber(path.basename(file)) !== undefined && this.#storage.exists(this.#rawFile(number));
  }

  #rawFile(number: number): string {
    return path.join(this.#dir, segmentFile(number));
  }

  #fileOf(number: number): string {
    return fileOfSegment(this.#storage, this.#dir, number);
  }

  #lease(segment: Segment): OpenFile {
    return this.#files.lease(segment.number, () => {
      const handle = this.#log.openRead(this.#rawFile(segment.number));
      // Sealed meanwhile, perhaps by another process.
      segment.file = this.#fileOf(segment.number);
      return handle;
    });
  }

  #release(segment: Segment, file: OpenFile): void {
    this.#files.release(segment.number, file);
  }
}
