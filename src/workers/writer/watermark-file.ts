/** The watermark file in the writer's hands: a slot after each group commit, synced only when there is time. */
import path from 'node:path';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { WATERMARK_FILE } from '../../shared/format/file-names.js';
import {
  encodeWatermark,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_BYTES,
  type Watermark,
  watermarkOffset,
} from '../../shared/format/watermark.js';
import { type FileHandle, replaceFile, type Storage, writeFully } from '../../shared/storage.js';

export class WatermarkFile {
  readonly #storage: Storage;
  readonly #hasher: PlaceHasher;
  readonly #handle: FileHandle;
  readonly #slot = Buffer.alloc(WATERMARK_SLOT_BYTES);
  readonly #view = new DataView(this.#slot.buffer, this.#slot.byteOffset, WATERMARK_SLOT_BYTES);
  #turn: number;
  #synced = true;

  private constructor(storage: Storage, hasher: PlaceHasher, handle: FileHandle, turn: number) {
    this.#storage = storage;
    this.#hasher = hasher;
    this.#handle = handle;
    this.#turn = turn;
  }

  /** Open the file of a store, made if absent. `turn` is that of its newest slot. */
  static open(storage: Storage, dir: string, hasher: PlaceHasher, turn: number): WatermarkFile {
    const file = path.join(dir, WATERMARK_FILE);
    if (!storage.exists(file)) replaceFile(storage, dir, WATERMARK_FILE, [Buffer.alloc(WATERMARK_FILE_BYTES)]);
    return new WatermarkFile(storage, hasher, storage.openWrite(file, 'existing'), turn);
  }

  /** Whether everything written here is durable. */
  get synced(): boolean {
    return this.#synced;
  }

  write(watermark: Omit<Watermark, 'turn'>): void {
    const turn = this.#turn + 1;
    encodeWatermark(this.#slot, this.#view, { ...watermark, turn }, this.#hasher);
    this.#synced = false;
    writeFully(this.#storage, this.#handle, [this.#slot], watermarkOffset(turn));
    this.#turn = turn;
  }

  sync(): void {
    this.#storage.sync(this.#handle);
    this.#synced = true;
  }

  close(): void {
    this.#storage.close(this.#handle);
  }
}
