/** A file that is looked at piece by piece, from front to back or here and there. */
import type { FileHandle, ReadStorage } from '../../shared/storage.js';

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Some bytes of a file. */
export interface Piece {
  readonly bytes: Buffer;
  readonly view: DataView;
  /** Where in the bytes that which was asked for begins. */
  readonly at: number;
}

export class FileWindow {
  readonly fileBytes: number;
  readonly #storage: ReadStorage;
  readonly #handle: FileHandle;
  #buffer = Buffer.alloc(0);
  #view = new DataView(new ArrayBuffer(0));
  #start = 0;

  private constructor(storage: ReadStorage, handle: FileHandle) {
    this.#storage = storage;
    this.#handle = handle;
    this.fileBytes = storage.size(handle);
  }

  /** Look at a file, and close it afterwards. */
  static async over<T>(storage: ReadStorage, file: string, use: (window: FileWindow) => Promise<T>): Promise<T> {
    const handle = storage.openRead(file);
    try {
      return await use(new FileWindow(storage, handle));
    } finally {
      storage.close(handle);
    }
  }

  /**
   * Bytes of the file, until the next call; undefined where it ends before.
   * @throws ERR_STORAGE
   */
  async piece(offset: number, length: number): Promise<Piece | undefined> {
    if (offset + length > this.fileBytes) return undefined;
    if (offset < this.#start || offset + length > this.#start + this.#buffer.length) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(Math.max(length, WINDOW_BYTES), this.fileBytes - offset));
      const read = await this.#storage.readAsync(this.#handle, bytes, offset);
      this.#buffer = bytes.subarray(0, read);
      this.#view = new DataView(bytes.buffer, bytes.byteOffset, read);
      this.#start = offset;
      if (read < length) return undefined;
    }
    return { bytes: this.#buffer, view: this.#view, at: offset - this.#start };
  }

  /** The first multiple of 8 from an offset on where these 4 bytes stand; undefined where there is none. */
  async find(magic: Buffer, from: number): Promise<number | undefined> {
    for (let offset = align8(from); offset + magic.length <= this.fileBytes; ) {
      const length = Math.min(WINDOW_BYTES, this.fileBytes - offset);
      const piece = await this.piece(offset, length);
      if (piece === undefined) return undefined;
      const part = piece.bytes.subarray(piece.at, piece.at + length);
      for (let found = part.indexOf(magic); found !== -1; found = part.indexOf(magic, found + 1)) {
        if ((offset + found) % 8 === 0) return offset + found;
      }
      // The end is looked at again with what comes behind it.
      offset += Math.max(8, (length - 8) & ~7);
    }
    return undefined;
  }

  /** Whether there is anything but zeros from an offset on. */
  async isWritten(from: number): Promise<boolean> {
    for (let offset = from; offset < this.fileBytes; ) {
      const length = Math.min(WINDOW_BYTES, this.fileBytes - offset);
      const piece = await this.piece(offset, length);
      if (piece === undefined) return false;
      for (let at = piece.at; at < piece.at + length; at++) if (piece.bytes[at] !== 0) return true;
      offset += length;
    }
    return false;
  }
}

function align8(offset: number): number {
  return Math.ceil(offset / 8) * 8;
}
