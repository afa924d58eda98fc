/** Where a store lives: how it is opened, followed and killed there, and how its disk becomes full. */
import type { Store, StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { type ReadStorage, type Storage, storageError } from '../../dist/shared/storage.js';
import { onlyDurable, someState } from '../crash/crash-states.js';
import { type Fault, FaultyStorage } from '../crash/faulty-storage.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { seeded } from '../crash/random.js';
import { DIR } from '../crash/session.js';

/** What ends a process: its death, or a cut of the power, with the least that is durable or with anything that may be left. */
export type Crash =
  | { readonly kind: 'process'; readonly when: 'now' | 'die-in-write' | 'die-before-sync' }
  | { readonly kind: 'power'; readonly left: 'least' | number };

/** What a full disk still takes: nothing for the log, or whatever needs no new space. */
export type Fullness = 'no-log' | 'no-growth';

export interface World {
  readonly dir: string;
  /** What is on its disk. */
  readonly storage: ReadStorage;
  /** Which ways there are to crash here; whether the disk can be made full. */
  readonly canCut: boolean;
  readonly canFill: boolean;
  /** Whether a follower sees at once what the writer knows to be durable. */
  readonly prompt: boolean;
  /** After so many turns of the event loop, what has not come will not come. */
  readonly patience: number;
  open(options: Partial<StoreOptions>): Promise<Store>;
  follow(): Promise<Store>;
  /** Have the writer die over its next group commit. Resolves when it has. */
  armDeath(fault: Fault): Promise<void>;
  /** End the process of the writer; with a power cut, that of all. */
  crash(crash: Crash): Promise<void>;
  fill(fullness: Fullness): void;
  free(): void;
  /** Let time pass for the writer. */
  idle(): Promise<void>;
}

const CHANGES: ReadonlySet<string | symbol> = new Set<keyof Storage>([
  'makeDir',
  'openWrite',
  'write',
  'truncate',
  'sync',
  'syncDir',
  'rename',
  'remove',
]);

/** The engine without threads, on a disk in memory. */
export class MemoryWorld implements World {
  readonly dir = DIR;
  readonly canCut = true;
  readonly canFill = true;
  readonly prompt = true;
  readonly patience = 10_000;
  #disk = new MemoryDisk<never>(EMPTY_DISK);
  readonly #wrap: (disk: MemoryDisk<never>) => MemoryDisk<never>;
  #runtime!: InlineRuntime;
  #process!: FaultyStorage;
  #full: Fullness | undefined;
  #onDeath: () => void = () => {};
  /** Of the process that has the store open. */
  #life = { ended: false };

  /** @param wrap what stands between the store and the disk */
  constructor(wrap = (disk: MemoryDisk<never>): MemoryDisk<never> => disk) {
    this.#wrap = wrap;
  }

  get storage(): ReadStorage {
    return this.#disk;
  }

  open(options: Partial<StoreOptions>): Promise<Store> {
    this.#process = new FaultyStorage(this.#wrap(this.#limited()), () => {
      this.#runtime.kill();
      this.#onDeath();
    });
    this.#runtime = new InlineRuntime(this.#process.storage);
    return openStoreOn({ dir: DIR, nodeId: 'node', ...options }, this.#runtime);
  }

  follow(): Promise<Store> {
    return openStoreOn({ dir: DIR, readOnly: true }, new InlineRuntime(this.#disk));
  }

  armDeath(fault: Fault): Promise<void> {
    this.#process.failNext(fault);
    return new Promise((resolve) => {
      this.#onDeath = resolve;
    });
  }

  async crash(crash: Crash): Promise<void> {
    this.#runtime.kill();
    this.#life.ended = true;
    if (crash.kind === 'process') return;
    const { base, journal } = this.#disk;
    const { left } = crash;
    this.#disk = new MemoryDisk(left === 'least' ? onlyDurable(base, journal) : someState(base, journal, seeded(left)));
  }

  fill(fullness: Fullness): void {
    this.#full = fullness;
  }

  free(): void {
    this.#full = undefined;
  }

  async idle(): Promise<void> {
    await new Promise(setImmediate);
    this.#runtime.idle();
    await new Promise(setImmediate);
  }

  /** The disk, of which there may be no more. */
  #limited(): MemoryDisk<never> {
    const disk = this.#disk;
    const life = { ended: false };
    this.#life = life;
    const noSpace = (): never => {
      throw storageError(Object.assign(new Error('the disk is full'), { code: 'ENOSPC' }), 'write');
    };
    const write: Storage['write'] = (handle, parts, offset) => {
      if (this.#full === undefined) return disk.write(handle, parts, offset);
      if (this.#full === 'no-log' && disk.nameOf(handle)?.endsWith('.log') === true) noSpace();
      const bytes = Buffer.concat(parts);
      const room = disk.size(handle) - offset;
      if (room <= 0) noSpace();
      return disk.write(handle, [bytes.subarray(0, room)], offset);
    };
    const openWrite: Storage['openWrite'] = (file, mode) => {
      if (this.#full !== undefined && mode !== 'existing' && !disk.exists(file)) noSpace();
      return disk.openWrite(file, mode);
    };
    // A dead process changes nothing any more, whatever it was about to do.
    return new Proxy(intercept(disk, { write, openWrite }), {
      get(target, name) {
        if (life.ended && CHANGES.has(name)) throw new Error('the process has died');
        return Reflect.get(target, name);
      },
    });
  }
}

const { now } = Date;
let passedMs = 0;

/** Time passes, for every clock of the wall. */
export function passTime(ms: number): void {
  passedMs += ms;
  Date.now = () => now() + passedMs;
}

export function resetTime(): void {
  passedMs = 0;
  Date.now = now;
}

/** What is never done is a failure. */
export async function patiently({ patience }: World, doing: Promise<void>): Promise<void> {
  if (patience === Number.POSITIVE_INFINITY) return doing;
  let done = false;
  const ended = doing.finally(() => {
    done = true;
  });
  ended.catch(() => {}); // may come after patience has ended
  for (let turns = 0; !done; turns++) {
    if (turns > patience) throw new Error(`nothing has come after ${turns} turns of the event loop`);
    await new Promise(setImmediate);
  }
  await ended;
}
