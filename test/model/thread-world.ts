/** The engine as it is used: on threads, over files. Its process dies by the end of its threads, wherever they are. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store, type StoreOptions } from '../../dist/main/index.js';
import { type Engine, type Runtime, threadRuntime } from '../../dist/main/runtime.js';
import { openStoreOn } from '../../dist/main/store.js';
import { nodeStorage } from '../../dist/shared/storage.js';
import type { Crash, Fullness, World } from './worlds.js';

export class ThreadWorld implements World {
  readonly canCut = false;
  readonly canFill: boolean;
  readonly prompt = false;
  /** The test itself ends when it has waited for too long. */
  readonly patience = Number.POSITIVE_INFINITY;
  readonly #ballast: string;
  readonly dir: string;
  readonly storage = nodeStorage;
  #engine: Engine | undefined;
  #store: Store | undefined;

  /**
   * @param disk where the store's directory is made
   * @param isSmall whether the disk is one that can be filled
   */
  constructor(disk: string, isSmall: boolean) {
    this.#ballast = path.join(disk, 'ballast');
    this.dir = fs.mkdtempSync(path.join(disk, 'model-'));
    this.canFill = isSmall;
  }

  async open(options: Partial<StoreOptions>): Promise<Store> {
    const runtime: Runtime = {
      ...threadRuntime,
      start: (...args) => {
        this.#engine = threadRuntime.start(...args);
        return this.#engine;
      },
    };
    this.#store = await openStoreOn({ dir: this.dir, nodeId: 'node', ...options, sealing: 'background' }, runtime);
    return this.#store;
  }

  follow(): Promise<Store> {
    return openStore({ dir: this.dir, readOnly: true });
  }

  async armDeath(): Promise<void> {}

  async crash(crash: Crash): Promise<void> {
    if (crash.kind === 'power') throw new Error('the power cannot be cut here');
    await this.#engine?.release();
    // What it had open is released; without its threads it writes nothing.
    await this.#store?.close();
  }

  fill(fullness: Fullness): void {
    // The store may take space at the same time.
    const ballast = fs.openSync(this.#ballast, 'a');
    try {
      for (;;) fs.writeSync(ballast, Buffer.alloc(32 * 1024));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
    if (fullness === 'no-growth') fs.ftruncateSync(ballast, fs.fstatSync(ballast).size - 32 * 1024);
    fs.closeSync(ballast);
  }

  free(): void {
    fs.rmSync(this.#ballast, { force: true });
  }

  /** The writer tries by itself, and tells followers by itself. */
  idle(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, 2));
  }

  remove(): void {
    this.free();
    fs.rmSync(this.dir, { recursive: true });
  }
}
