/**
 * Files of segments that are held open while they are copied: what is sealed, compacted or removed meanwhile is read as it was. What
 * was compacted before is in the audit tree, which is opened behind them.
 */
import path from 'node:path';
import { sealedFile, sealedNumber, segmentFile, segmentNumber } from '../../shared/format/file-names.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { FileHandle, Storage } from '../../shared/storage.js';

/** So many files are held at most, unless it is said otherwise. */
const MOST_HELD = 256;
/** Without which a backup goes on: the file has gone, or the process may open no more. */
const DONE_WITHOUT: ReadonlySet<string> = new Set(['ENOENT', 'EMFILE', 'ENFILE']);

export class Pins {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #most: number;
  readonly #files = new Map<string, FileHandle>();
  readonly #numbers = new Set<number>();

  constructor(storage: Storage, dir: string, most = MOST_HELD) {
    this.#storage = storage;
    this.#dir = dir;
    this.#most = most;
  }

  /** Hold what there is of the newest segments, from a number on, but for some. */
  hold(from: number, others: { has(number: number): boolean }): void {
    const names = this.#storage.list(this.#dir);
    const numbers = new Set(names.map((name) => segmentNumber(name) ?? sealedNumber(name) ?? 0));
    const wanted = [...numbers].filter((number) => number > 0 && number >= from && !others.has(number));
    for (const number of wanted.sort((a, b) => b - a).slice(0, this.#most)) this.#hold(number);
  }

  holds(number: number): boolean {
    return this.#numbers.has(number);
  }

  release(): void {
    for (const handle of this.#files.values()) this.#storage.close(handle);
    this.#files.clear();
    this.#numbers.clear();
  }

  /** The storage with what is held in its place. */
  view(): Storage {
    const [storage, files] = [this.#storage, this.#files];
    const held = new Set(files.values());
    return {
      list: storage.list.bind(storage),
      exists: (file) => files.has(file) || storage.exists(file),
      openRead: (file) => files.get(file) ?? storage.openRead(file),
      close: (handle) => {
        if (!held.has(handle)) storage.close(handle);
      },
      size: storage.size.bind(storage),
      read: storage.read.bind(storage),
      readAsync: storage.readAsync.bind(storage),
      makeDir: storage.makeDir.bind(storage),
      freeBytes: storage.freeBytes.bind(storage),
      openWrite: storage.openWrite.bind(storage),
      write: storage.write.bind(storage),
      truncate: storage.truncate.bind(storage),
      sync: storage.sync.bind(storage),
      syncDir: storage.syncDir.bind(storage),
      rename: storage.rename.bind(storage),
      remove: storage.remove.bind(storage),
      removeDir: storage.removeDir.bind(storage),
      realPath: storage.realPath.bind(storage),
      permissions: storage.permissions.bind(storage),
      identity: storage.identity.bind(storage),
    };
  }

  /** The raw file, or, where that has gone by then, the sealed one. */
  #hold(number: number): void {
    for (const file of [segmentFile(number), sealedFile(number)].map((name) => path.join(this.#dir, name))) {
      const handle = this.#open(file);
      if (handle === undefined) continue;
      this.#files.set(file, handle);
      this.#numbers.add(number);
      return;
    }
  }

  /** Undefined also of a file that was never used, in whose place there may be another one later. */
  #open(file: string): FileHandle | undefined {
    try {
      const handle = this.#storage.openRead(file);
      const first = new Uint8Array(1);
      this.#storage.read(handle, first, 0);
      if (first[0] !== 0) return handle;
      this.#storage.close(handle);
      return undefined;
    } catch (error) {
      if (isKeeperError(error, 'ERR_STORAGE') && DONE_WITHOUT.has(error.errno)) return undefined;
      throw error;
    }
  }
}
