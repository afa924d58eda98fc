/**
 * Writes the file of the tombstones in force: it is durable when this is done. A checkpoint of heads comes into force behind it alone,
 * so that whoever goes on from that misses none.
 */
import { TOMBSTONES_FILE } from '../../shared/format/file-names.js';
import { encodePacked } from '../../shared/format/tombstones.js';
import type { TombstonesSnapshot } from '../../shared/messages.js';
import { isFailedSync, replaceFile, type Storage } from '../../shared/storage.js';
import type { Workspace } from './workspace.js';

export class TombstoneWriter {
  readonly #storage: Storage;
  readonly #dir: string;
  /** A failed sync, after which nothing is known of what a later one says. */
  #failure: Error | undefined;

  constructor(storage: Storage, dir: string) {
    this.#storage = storage;
    this.#dir = dir;
  }

  /** @throws ERR_STORAGE; after a failed sync that one, each time */
  write({ hasher }: Workspace, { storeId, sequence, tombstones }: TombstonesSnapshot): void {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      replaceFile(this.#storage, this.#dir, TOMBSTONES_FILE, encodePacked(sequence, tombstones, storeId, hasher));
    } catch (error) {
      if (isFailedSync(error)) this.#failure = error;
      throw error;
    }
  }
}
