/** The files of the segments, raw or sealed, and how they are read: open as long as they are in use, and a while longer. */
import { isKeeperError } from '../../shared/portable/errors.js';
import type { FileHandle } from '../../shared/storage.js';
import type { LogStorage } from '../../shared/unsealing.js';
import { type OpenFile, OpenFiles } from './open-files.js';
import type { PageCache } from './page-cache.js';
import type { OnRead, Segment } from './segment.js';
import type { Steps } from './segment-blocks.js';
import { memoryFor } from './segment-lookup.js';

/** Bytes of the files of segments, by their numbers. */
type Sizes = Map<number, { readonly file: string; readonly bytes: number }>;

export class SegmentFiles {
  readonly #log: LogStorage;
  readonly #open: (segment: Segment) => FileHandle;
  readonly #files: OpenFiles;
  readonly #pageCache: PageCache;
  /** Of those that grow no more: to open hundreds of files for a sum takes long. */
  readonly #sizes: Sizes = new Map();

  /**
   * @param pageCache watches the storage of the log
   * @param open the file of a segment
   */
  constructor(log: LogStorage, pageCache: PageCache, open: (segment: Segment) => FileHandle) {
    this.#log = log;
    this.#pageCache = pageCache;
    this.#open = open;
    this.#files = new OpenFiles((handle) => log.close(handle));
  }

  /** Bytes of segments, those of sealed ones as they were, preallocation included. */
  rawBytes(segments: readonly Segment[]): number {
    return this.#sum(segments, ({ handle }) => this.#log.size(handle));
  }

  /**
   * Bytes of their files.
   * @param segments that are not written any more. One that another process seals counts as it was until it is read
   */
  fileBytes(segments: readonly Segment[]): number {
    return this.#sum(segments, ({ handle }) => this.#log.fileBytes(handle), this.#sizes);
  }

  /** A segment whose file cannot be opened counts for nothing: whoever reads it is told why. */
  #sum(segments: readonly Segment[], bytesOf: (file: OpenFile) => number, known?: Sizes): number {
    let sum = 0;
    for (const segment of segments) {
      const size = known?.get(segment.number);
      if (size !== undefined && size.file === segment.file) {
        sum += size.bytes;
        continue;
      }
      let file: OpenFile;
      try {
        file = this.#lease(segment);
      } catch (error) {
        if (isKeeperError(error)) continue;
        throw error;
      }
      try {
        const bytes = bytesOf(file);
        known?.set(segment.number, { file: segment.file, bytes });
        sum += bytes;
      } finally {
        this.#release(segment, file);
      }
    }
    return sum;
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
        const before = this.#log.fileBytesRead(file.handle);
        const reading = atOnce
          ? this.#log.read(file.handle, bytes, offset)
          : this.#log.readAsync(file.handle, bytes, offset);
        // Begun by now: of a sealed segment what is read of its file counts, not what comes of it.
        const read = before === undefined ? undefined : this.#log.fileBytesRead(file.handle)! - before;
        const length = typeof reading === 'number' ? reading : await reading;
        onRead?.(read ?? length);
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

  /** A segment is in another file, or gone. */
  forget(number: number): void {
    this.#files.forget(number);
    this.#sizes.delete(number);
  }

  close(): void {
    this.#files.close();
  }

  #lease(segment: Segment): OpenFile {
    return this.#files.lease(segment.number, () => this.#open(segment));
  }

  #release(segment: Segment, file: OpenFile): void {
    this.#files.release(segment.number, file);
  }
}
