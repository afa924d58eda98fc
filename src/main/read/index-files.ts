/**
 * The index files of the segments: opened when one is wanted, read section by section. One that is missing, stale or damaged is done
 * without, and whoever can make another is told.
 */
import path from 'node:path';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { indexFile } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { decodeIndexHeader, INDEX_HEADER_BYTES } from '../../shared/format/index-file.js';
import { MalformedBytes } from '../../shared/format/varint.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { FileHandle, ReadStorage, Storage } from '../../shared/storage.js';
import { FileIndex } from './file-index.js';
import { type IndexMemory, rawIndexName } from './index-memory.js';
import { IndexDamage, IndexReader } from './index-reader.js';
import { type OpenFile, OpenFiles } from './open-files.js';
import { PageCache } from './page-cache.js';
import type { RecordAt, Steps, Wanted } from './segment-blocks.js';

/** What the header of an index costs in memory, about. */
const HEADER_MEMORY_BYTES = 2048;
/** What is looked at in passing, and is no longer than this, is read into the same memory each time. */
const PASSING_BYTES = 8 * 1024;

/** A segment as the log itself has it. */
export interface ChainedSegment {
  readonly number: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Its end, as the header of the segment behind it has it. */
  readonly rawBytes: number;
  readonly lastFrame: Uint8Array;
  readonly lastTimestampNs: bigint;
}

/** Told of the bytes that a read took from a file. */
type OnRead = (bytes: number) => void;

/** It tells files of one name from each other. */
export type IndexStorage = ReadStorage & Pick<Storage, 'identity'>;

export interface IndexFilesParts {
  readonly storage: IndexStorage;
  readonly dir: string;
  readonly storeId: Uint8Array;
  readonly nodeId: string;
  readonly hasher: PlaceHasher;
  readonly memory: IndexMemory;
}

export class IndexFiles {
  readonly memory: IndexMemory;
  readonly #parts: IndexFilesParts;
  readonly #files: OpenFiles;
  readonly #pageCache = new PageCache();
  readonly #passing = Buffer.allocUnsafeSlow(PASSING_BYTES);
  /**
   * Segments whose index is not to be read again, as it does not verify, or is of something else; each with which file it was, if that
   * is known. Who only reads is not told where another process makes a new one.
   */
  readonly #damaged = new Map<number, string | undefined>();
  /** Told where a sealed segment has no index file that can be used. */
  onWanted: ((number: number) => void) | undefined;

  constructor(parts: IndexFilesParts) {
    this.#parts = parts;
    this.memory = parts.memory;
    this.#files = new OpenFiles((handle) => parts.storage.close(handle));
  }

  /**
   * The index of a segment, whose reads throw {@link IndexDamage}; undefined where there is none.
   * @param onRead told of the bytes of each read
   */
  async open(segment: ChainedSegment, onRead: OnRead | undefined): Promise<FileIndex | undefined> {
    try {
      const reader = await this.run(segment.number, this.#reader(segment), onRead);
      return reader && new FileIndex(reader, (steps) => this.run(segment.number, steps, onRead));
    } catch (error) {
      return this.#without(error, segment.number);
    }
  }

  /** The same files, for whoever is to keep out of the memory and the judgement of others. */
  apart(memory: IndexMemory): IndexFiles {
    return new IndexFiles({ ...this.#parts, memory });
  }

  /** What reads the index of a segment; undefined where there is none. @throws IndexDamage */
  reader(segment: ChainedSegment): Promise<IndexReader | undefined> {
    return this.run(segment.number, this.#reader(segment));
  }

  /** Where the record of a sequence is in its segment; undefined where no index tells. */
  async recordAt(segment: ChainedSegment, sequence: number): Promise<RecordAt | undefined> {
    try {
      return await this.run(segment.number, this.#recordAt(segment, sequence));
    } catch (error) {
      return this.#without(error, segment.number);
    }
  }

  /** The same, blocking the thread. */
  recordAtSync(segment: ChainedSegment, sequence: number): RecordAt | undefined {
    try {
      return this.#runSync(segment.number, this.#recordAt(segment, sequence));
    } catch (error) {
      return this.#without(error, segment.number);
    }
  }

  *#recordAt(segment: ChainedSegment, sequence: number): Steps<RecordAt | undefined> {
    const reader = yield* this.#reader(segment);
    return reader && (yield* reader.recordAt(sequence - segment.firstSequence));
  }

  #without(error: unknown, number: number): undefined {
    if (!(error instanceof IndexDamage)) throw error;
    this.damaged(number, error);
  }

  /** An index turned out not to verify. One that cannot be read for the moment is asked again the next time. */
  damaged(number: number, why: IndexDamage): void {
    if (why.isPassing) return;
    const handle = this.#files.handleOf(number);
    this.#damaged.set(number, handle === undefined ? undefined : this.#parts.storage.identity(handle));
    this.#forget(number);
    this.onWanted?.(number);
  }

  /** There is another index file, or none any more: what was built instead of it is of no use any more. */
  renewed(number: number): void {
    this.#damaged.delete(number);
    this.memory.delete(rawIndexName(number));
    this.#forget(number);
  }

  /**
   * Do the steps without blocking, but for what is likely to be there at once. The file is opened where a step reads of it.
   * @throws IndexDamage also where the system cannot read it
   */
  async run<T>(number: number, steps: Steps<T>, onRead?: OnRead): Promise<T> {
    let file: OpenFile | undefined;
    try {
      for (let step = next(steps); ; ) {
        if (step.done === true) return step.value;
        file ??= this.#lease(number);
        const { offset } = step.value;
        const { handle } = file;
        const atOnce = this.#pageCache.isLikely(step.value.length);
        const bytes = atOnce ? this.#memoryFor(step.value) : Buffer.allocUnsafeSlow(step.value.length);
        const length = atOnce
          ? this.#pageCache.watch(() => this.#parts.storage.read(handle, bytes, offset))
          : await this.#parts.storage.readAsync(handle, bytes, offset);
        onRead?.(length);
        step = next(steps, bytes.subarray(0, length));
      }
    } catch (error) {
      throw asDamage(error);
    } finally {
      if (file !== undefined) this.#files.release(number, file);
    }
  }

  /** The same, blocking the thread. */
  #runSync<T>(number: number, steps: Steps<T>): T {
    let file: OpenFile | undefined;
    try {
      for (let step = next(steps); ; ) {
        if (step.done === true) return step.value;
        file ??= this.#lease(number);
        const bytes = this.#memoryFor(step.value);
        const length = this.#parts.storage.read(file.handle, bytes, step.value.offset);
        step = next(steps, bytes.subarray(0, length));
      }
    } catch (error) {
      throw asDamage(error);
    } finally {
      if (file !== undefined) this.#files.release(number, file);
    }
  }

  /** For a read that blocks: nothing else is read until what is looked at in passing was looked at. */
  #memoryFor({ length, passing }: Wanted): Buffer {
    const isShared = passing === true && length <= PASSING_BYTES;
    return isShared ? this.#passing.subarray(0, length) : Buffer.allocUnsafeSlow(length);
  }

  close(): void {
    this.#files.close();
  }

  /** The index of a segment by its header, if that is the segment's. */
  *#reader(segment: ChainedSegment): Steps<IndexReader | undefined> {
    const { number } = segment;
    if (this.#isDamaged(number)) return undefined;
    const name = this.#nameOf(number);
    const held = this.memory.get(name);
    if (held !== undefined) return held as IndexReader;
    const { storeId, nodeId, hasher } = this.#parts;
    if (!this.#isOpen(number)) {
      this.onWanted?.(number);
      return undefined;
    }
    const bytes = yield { offset: 0, length: INDEX_HEADER_BYTES };
    const header = decodeIndexHeader(bytes, number, storeId, hasher);
    const isOwn =
      header?.nodeId === nodeId &&
      header.segment.firstSequence === segment.firstSequence &&
      header.places === segment.lastSequence - segment.firstSequence + 1 &&
      header.segment.rawBytes === segment.rawBytes &&
      header.lastTimestampNs === segment.lastTimestampNs &&
      sameChecksum(header.segment.lastFrame, segment.lastFrame);
    if (!isOwn) throw new IndexDamage('its header does not verify, or is of another segment');
    const reader = new IndexReader(header, this.memory, hasher, `${name} `);
    this.memory.put(name, reader, HEADER_MEMORY_BYTES);
    return reader;
  }

  /** Whether the index that is there now is the one that does not verify. */
  #isDamaged(number: number): boolean {
    if (!this.#damaged.has(number)) return false;
    const known = this.#damaged.get(number);
    if (known !== undefined && this.#identityOf(number) === known) return true;
    this.#damaged.delete(number);
    return false;
  }

  /** Which file the index of a segment is; undefined where there is none. */
  #identityOf(number: number): string | undefined {
    if (!this.#isOpen(number)) return undefined;
    const identity = this.#parts.storage.identity(this.#files.handleOf(number)!);
    this.#files.forget(number); // opened by its name the next time, too
    return identity;
  }

  #nameOf(number: number): string {
    return `file ${number}`;
  }

  #forget(number: number): void {
    this.#files.forget(number);
    this.memory.delete(this.#nameOf(number));
    this.memory.deleteAll(`${this.#nameOf(number)} `);
  }

  /** Have the file open; false where there is none. */
  #isOpen(number: number): boolean {
    try {
      this.#files.release(number, this.#lease(number));
      return true;
    } catch (error) {
      if (isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT') return false;
      throw error;
    }
  }

  #lease(number: number): OpenFile {
    const { storage, dir } = this.#parts;
    return this.#files.lease(number, (): FileHandle => storage.openRead(path.join(dir, indexFile(number))));
  }
}

type Step<T> = ReturnType<Steps<T>['next']>;

function next<T>(steps: Steps<T>, bytes?: Buffer): Step<T> {
  return bytes === undefined ? (steps.next as () => Step<T>).call(steps) : steps.next(bytes);
}

/** What cannot be read, or decoded, is as good as not there. */
function asDamage(error: unknown): unknown {
  if (!(error instanceof MalformedBytes) && !isKeeperError(error, 'ERR_STORAGE')) return error;
  return new IndexDamage((error as Error).message, { cause: error });
}
