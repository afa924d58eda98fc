/** Where a log begins, by what its store says: at each moment, and for good. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { expect } from 'vitest';
import type { PruneMessage, Store, StoreOptions } from '../../dist/main/index.js';
import { timeOf, type View } from './expected.js';
import type { Model } from './model.js';

/** What somebody may be shown: how far the log may be durable, and where it may begin. */
export interface Looking {
  /** @returns each view that may have been shown since, the likeliest first */
  views(): View[];
  /** Whether the log has begun to begin later since. */
  hasMoved(): boolean;
}

export class Floors {
  readonly #model: Model;
  readonly #dir: string;
  #retention: StoreOptions['retention'] = {};
  /** Those that the store has told of: they hold for good. */
  #told: number[] = [];
  #problems: unknown[] = [];
  /** How often segments went. */
  prunings = 0;

  constructor(model: Model, dir: string) {
    this.#model = model;
    this.#dir = dir;
    subscribe('keeperlog:prune', this.#hear);
  }

  /** At least this one holds after whatever may happen. */
  get durable(): number {
    return this.#told.at(-1) ?? 1;
  }

  /** A store was opened, whose floor is that of its manifest. */
  opened(floor: number, retention: StoreOptions['retention']): void {
    this.#retention = retention;
    this.#model.mayLose = retention?.maxAgeMs !== undefined || retention?.maxBytes !== undefined;
    this.#model.floor = floor;
    this.#told.push(floor);
  }

  /**
   * Somebody is about to look at the log.
   * @param lengths how far it may be durable
   */
  look(store: Store, lengths: readonly number[]): Looking {
    const { log } = this.#model;
    const first = store.stats().floor;
    const begun = this.#told.length;
    const hasMoved = (): boolean => store.stats().floor !== first;
    return {
      hasMoved,
      views: () => {
        const last = store.stats().floor;
        // A reader may come later to what the writer has told.
        const told = this.#told
          .slice(store.stats().readOnly ? 0 : begun)
          .filter((floor) => floor > first && floor < last);
        return [...new Set([last, first, ...told])].flatMap((floor) =>
          lengths.map((length) => ({ log: log.slice(0, length), floor })),
        );
      },
    };
  }

  throwProblems(): void {
    const [problem] = this.#problems;
    if (problem !== undefined) throw problem;
  }

  close(): void {
    unsubscribe('keeperlog:prune', this.#hear);
  }

  readonly #hear = (message: unknown): void => {
    const { dir, floor } = message as PruneMessage;
    if (dir !== this.#dir) return;
    this.prunings++;
    try {
      this.#check(floor);
    } catch (problem) {
      this.#problems.push(problem);
    }
    this.#told.push(floor);
  };

  #check(floor: number): void {
    const { maxAgeMs, maxBytes } = this.#retention ?? {};
    expect(floor, 'the floor rises').toBeGreaterThan(this.durable);
    expect(this.#model.isWhole(floor - 1), `no call is cut by the floor ${floor}`).toBe(true);
    if (maxBytes !== undefined) return;
    expect(maxAgeMs, 'segments have gone, and nothing says that they have to').toBeDefined();
    const newest = this.#model.log[floor - 2]!;
    // The id of what was deleted may be known to nobody.
    if (newest.id !== undefined)
      expect(Date.now() - timeOf(newest), 'the age of what has gone').toBeGreaterThan(maxAgeMs!);
  }
}
