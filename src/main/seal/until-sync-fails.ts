import type { KeeperError } from '../../shared/portable/errors.js';
import { isFailedSync } from '../../shared/storage.js';

/** Work that ends with the first sync that fails, until the store is opened again: what that was about is not known, and is not asked again. */
export class UntilSyncFails {
  #failure: KeeperError | undefined;

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** @throws what the work throws; where a sync has failed before, that it has */
  async attempt<T>(work: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return await work();
    } catch (error) {
      if (isFailedSync(error)) this.#failure = error;
      throw error;
    }
  }
}
