/**
 * Has the next segment's file ready, and fills it with zeros in small chunks while the log fills the one before it: an
 * fdatasync over blocks that exist takes half the time. Never touches the segment in use, whose syncs would have to wait
 * for the file system's journal then. Only comfort: without space the log goes on over blocks that do not exist yet.
 *
 * The other half of the agreement in workers/writer/fill-guard.ts.
 */
import path from 'node:path';
import { segmentFile } from '../../shared/format/file-names.js';
import { loadPosition, POSITION, type SharedState, unpackPlace, WORD } from '../../shared/ring/layout.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';

const MiB = 1024 * 1024;

/** Zeros are written in chunks of this. Unit: bytes. */
const CHUNK_BYTES = MiB;
/** The first so many bytes of a segment are there before it is used. */
const FIRST_BYTES = 4 * MiB;
/** For each byte that the log takes, so many zeros: the next segment is ready before it is needed. */
const LEAD = 1.25;
/** Chunks for one step of the frontier (1 MiB): never a burst beside the log. */
const CHUNKS_A_TURN = 2;

/** A log that grows faster than this is not filled ahead: its commits are large, and need the disk for themselves. */
const FASTEST_BYTES_A_MS = 48 * 1024;

/** The segment that is being made ready. */
interface Ahead {
  readonly segment: number;
  readonly handle: FileHandle;
  filled: number;
}

export class Filler {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #segmentBytes: number;
  readonly #state: SharedState;
  readonly #zeros: Buffer;
  #ahead: Ahead | undefined;
  /** Where the frontier was at the last turn, and when. */
  #last = { segment: 0, offset: 0, ms: 0 };

  constructor(storage: Storage, dir: string, segmentBytes: number, state: SharedState) {
    this.#storage = storage;
    this.#dir = dir;
    this.#segmentBytes = segmentBytes;
    this.#state = state;
    this.#zeros = Buffer.alloc(Math.min(CHUNK_BYTES, segmentBytes));
  }

  /**
   * The frontier has moved: have the next segment ready, and fill it a little.
   * @throws ERR_STORAGE; the log does not need what is missing then
   */
  turn(): void {
    const { segment, offset } = this.#frontier();
    // Never two segments without a header: the one in use has none before its first frame is durable.
    if (offset === 0) return;
    if (this.#ahead === undefined || this.#ahead.segment <= segment) this.#begin(segment + 1);
    const ahead = this.#ahead;
    const lead = this.#isFast(segment, offset) ? 0 : LEAD;
    const wanted = Math.min(this.#segmentBytes, Math.max(FIRST_BYTES, offset * lead));
    const chunks = Atomics.load(this.#state.words, WORD.prepared) <= segment ? Infinity : CHUNKS_A_TURN;
    for (let i = 0; i < chunks && ahead !== undefined && ahead.filled < wanted; i++) {
      if (!this.#unlessTaken(ahead.segment, () => this.#writeChunk(ahead))) return;
      this.#storage.sync(ahead.handle);
    }
    if (ahead !== undefined) this.#unlessTaken(ahead.segment, () => this.#setPrepared(ahead.segment));
  }

  close(): void {
    if (this.#ahead !== undefined) this.#storage.close(this.#ahead.handle);
    this.#ahead = undefined;
  }

  #isFast(segment: number, offset: number): boolean {
    const last = this.#last;
    this.#last = { segment, offset, ms: performance.now() };
    return last.segment === segment && (offset - last.offset) / (this.#last.ms - last.ms) > FASTEST_BYTES_A_MS;
  }

  /** Make a segment's file, empty, its name durable. */
  #begin(segment: number): void {
    this.close();
    this.#unlessTaken(segment, () => {
      const handle = this.#storage.openWrite(path.join(this.#dir, segmentFile(segment)), 'create');
      this.#ahead = { segment, handle, filled: 0 };
      this.#storage.syncDir(this.#dir);
    });
  }

  #writeChunk(ahead: Ahead): void {
    const chunk = this.#zeros.subarray(0, Math.min(CHUNK_BYTES, this.#segmentBytes - ahead.filled));
    writeFully(this.#storage, ahead.handle, [chunk], ahead.filled);
    ahead.filled += chunk.length;
  }

  #setPrepared(segment: number): void {
    if (Atomics.load(this.#state.words, WORD.prepared) < segment) {
      Atomics.store(this.#state.words, WORD.prepared, segment);
    }
  }

  /** Touch a segment's file, unless the writer has taken it. Returns whether that was done. */
  #unlessTaken(segment: number, work: () => void): boolean {
    Atomics.store(this.#state.words, WORD.filling, segment);
    try {
      if (this.#frontier().segment >= segment) return false;
      work();
      return true;
    } finally {
      Atomics.store(this.#state.words, WORD.filling, 0);
      Atomics.notify(this.#state.words, WORD.filling);
    }
  }

  #frontier(): { segment: number; offset: number } {
    return unpackPlace(loadPosition(this.#state, POSITION.frontier));
  }
}
