/**
 * Writes zeros ahead of the log, in small chunks, and has the next segment's file ready: an fdatasync over blocks that
 * exist takes half the time. Only comfort: without space the log goes on over blocks that do not exist yet.
 *
 * The other half of the agreement in workers/writer/fill-guard.ts.
 */
import path from 'node:path';
import { segmentFile } from '../../shared/format/file-names.js';
import {
  loadPosition,
  packPlace,
  POSITION,
  type SharedState,
  storePosition,
  unpackPlace,
  WORD,
} from '../../shared/ring/layout.js';
import { type FileHandle, type Storage, writeFully } from '../../shared/storage.js';

const MiB = 1024 * 1024;

/** Zeros are written in chunks of this. Unit: bytes. */
const CHUNK_BYTES = MiB;
/** The first so many bytes of a segment are there before it is used. */
const FIRST_BYTES = 4 * MiB;
/** How far the zeros run ahead of the log. */
const AHEAD_BYTES = 32 * MiB;
/** Chunks for each step of the frontier (1 MiB): faster than the log, and never in one burst beside it. */
const CHUNKS_A_TURN = 2;

export class Filler {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #segmentBytes: number;
  readonly #state: SharedState;
  readonly #zeros: Buffer;
  #open: { segment: number; handle: FileHandle; filled: number } | undefined;

  constructor(storage: Storage, dir: string, segmentBytes: number, state: SharedState) {
    this.#storage = storage;
    this.#dir = dir;
    this.#segmentBytes = segmentBytes;
    this.#state = state;
    this.#zeros = Buffer.alloc(Math.min(CHUNK_BYTES, segmentBytes));
  }

  /**
   * The frontier has moved: have the next segment ready, and fill a little ahead.
   * @throws ERR_STORAGE; the log does not need what is missing then
   */
  turn(): void {
    const { segment, offset } = this.#frontier();
    if (Atomics.load(this.#state.words, WORD.prepared) <= segment) this.#prepare(segment + 1);
    const file = this.#fileOf(segment);
    for (let i = 0; i < CHUNKS_A_TURN; i++) {
      if (file.filled < offset) file.filled = Math.ceil(offset / CHUNK_BYTES + 1) * CHUNK_BYTES;
      if (file.filled >= Math.min(this.#segmentBytes, offset + AHEAD_BYTES)) return;
      const chunk = this.#zeros.subarray(0, Math.min(CHUNK_BYTES, this.#segmentBytes - file.filled));
      const done = this.#announce(segment, file.filled, () => {
        writeFully(this.#storage, file.handle, [chunk], file.filled);
      });
      if (!done) return;
      file.filled += chunk.length;
      this.#storage.sync(file.handle);
    }
  }

  close(): void {
    if (this.#open !== undefined) this.#storage.close(this.#open.handle);
    this.#open = undefined;
  }

  /** Make a segment's file with its first zeros, its name and content durable. */
  #prepare(segment: number): void {
    this.#announce(segment, 0, () => {
      const handle = this.#storage.openWrite(path.join(this.#dir, segmentFile(segment)), 'create');
      try {
        const first = Math.min(FIRST_BYTES, this.#segmentBytes);
        for (let at = 0; at < first; at += this.#zeros.length) {
          writeFully(this.#storage, handle, [this.#zeros.subarray(0, Math.min(this.#zeros.length, first - at))], at);
        }
        this.#storage.sync(handle);
      } finally {
        this.#storage.close(handle);
      }
      this.#storage.syncDir(this.#dir);
      Atomics.store(this.#state.words, WORD.prepared, segment);
    });
  }

  /** Write zeros from a place on, unless the writer is there already. Returns whether they were written. */
  #announce(segment: number, offset: number, write: () => void): boolean {
    storePosition(this.#state, POSITION.fillPlace, packPlace(segment, offset));
    Atomics.store(this.#state.words, WORD.filling, 1);
    try {
      const frontier = this.#frontier();
      const behind = frontier.segment > segment || (frontier.segment === segment && frontier.offset > offset);
      if (behind || (frontier.segment === segment && offset === 0)) return false;
      write();
      return true;
    } finally {
      Atomics.store(this.#state.words, WORD.filling, 0);
      Atomics.notify(this.#state.words, WORD.filling);
    }
  }

  #frontier(): { segment: number; offset: number } {
    return unpackPlace(loadPosition(this.#state, POSITION.frontier));
  }

  #fileOf(segment: number): { handle: FileHandle; filled: number } {
    if (this.#open?.segment === segment) return this.#open;
    this.close();
    const handle = this.#storage.openWrite(path.join(this.#dir, segmentFile(segment)), 'existing');
    this.#open = { segment, handle, filled: this.#storage.size(handle) };
    return this.#open;
  }
}
