/** A store on a recorded disk, and a workload's hand on it: it notes in the journal what was promised, and when. */
import { expect } from 'vitest';
import type { Appended, Store, StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { FaultyStorage } from './faulty-storage.js';
import { type Call, findCalls, NOTHING, type Promised, readAll } from './history.js';
import { EMPTY_DISK } from './image.js';
import { InlineRuntime, type Pokes } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';

export type Disk = MemoryDisk<Promised>;

/** Two directories deep, none of which is there at first. */
export const DIR = '/volume/store';

/** Small enough that a handful of events rotates. */
export const OPTIONS: StoreOptions = {
  dir: DIR,
  nodeId: 'node',
  segmentBytes: 64 * 1024,
  maxEventBytes: 96 * 1024,
  maxBatchBytes: 96 * 1024,
  ringBytes: 256 * 1024,
  cacheBytes: 0,
};

export interface Part {
  readonly stream: string;
  /** The size of each event, about. Unit: bytes. */
  readonly sizes: readonly number[];
}

export class Session {
  readonly disk: Disk;
  readonly #storage: Disk;
  readonly #pokes: Pokes;
  #process!: FaultyStorage;
  #runtime!: InlineRuntime;
  store!: Store;
  #onKill: () => void = () => {};
  #calls: Call[] = [];
  #acknowledged = 0;

  /** @param wrap what stands between the store and the disk */
  constructor(pokes: Pokes = 'at-once', disk: Disk = new MemoryDisk(EMPTY_DISK), wrap = (inner: Disk): Disk => inner) {
    this.disk = disk;
    this.#storage = wrap(disk);
    this.#pokes = pokes;
  }

  get promised(): Promised {
    return { calls: this.#calls, acknowledged: this.#acknowledged };
  }

  /**
   * Open the store. What it shows then is promised from now on.
   * @param before what had been promised before
   */
  async open(before: Promised = this.promised): Promise<void> {
    this.#process = new FaultyStorage(this.#storage, () => this.kill());
    this.#runtime = new InlineRuntime(this.#process.storage, this.#pokes);
    this.store = await openStoreOn(OPTIONS, this.#runtime);
    const rows = await readAll(this.store);
    const present = findCalls(rows, before);
    this.#calls = before.calls.slice(0, present);
    this.#acknowledged = present;
    this.disk.note(this.promised);
  }

  append(stream: string, ...sizes: readonly number[]): Promise<Appended> {
    const call = this.#call([{ stream, sizes }], undefined);
    return this.#follow(call, this.store.append(stream, inputs(call, stream, this.#calls.length)));
  }

  appendKeyed(stream: string, key: string, size: number): Promise<Appended> {
    const call = this.#call([{ stream, sizes: [size] }], key);
    return this.#follow(call, this.store.append(stream, inputs(call, stream, this.#calls.length)));
  }

  appendMany(...parts: readonly Part[]): Promise<Appended> {
    const call = this.#call(parts, undefined);
    const number = this.#calls.length;
    return this.#follow(
      call,
      this.store.appendMany(parts.map(({ stream }) => ({ stream, events: inputs(call, stream, number) }))),
    );
  }

  idle(): void {
    this.#runtime.idle();
  }

  close(): Promise<void> {
    return this.store.close();
  }

  /** The process is gone, with whatever it was about to do. */
  kill(): void {
    this.#runtime.kill();
    this.#onKill();
  }

  /** The process dies over the group commit of an append. */
  async dieAppending(
    fault: 'die-in-write' | 'die-before-sync',
    stream: string,
    ...sizes: readonly number[]
  ): Promise<void> {
    const died = new Promise<void>((resolve) => {
      this.#onKill = resolve;
    });
    this.#process.failNext(fault);
    void this.append(stream, ...sizes);
    await died;
  }

  /** The disk refuses to sync an append: nobody knows then what became of it. */
  async failAppending(stream: string, ...sizes: readonly number[]): Promise<void> {
    this.#process.failNext('fail-sync');
    const failure = { code: 'ERR_STORAGE', syscall: 'fdatasync', outcome: 'unknown' };
    await expect(this.append(stream, ...sizes)).rejects.toMatchObject(failure);
  }

  /** There is no space for an append just now: it is given up. */
  async refuseAppending(stream: string, ...sizes: readonly number[]): Promise<void> {
    this.#process.failNext('no-space');
    await expect(this.append(stream, ...sizes)).rejects.toMatchObject({ code: 'ERR_DEGRADED' });
    this.#calls.pop();
  }

  #call(parts: readonly Part[], key: string | undefined): Call {
    const events = parts.flatMap(({ stream, sizes }) =>
      sizes.map((size, i) => ({ stream, type: 'Happened', fill: fill(this.#calls.length, i, size) })),
    );
    const call: Call = { events, key, ids: undefined };
    this.#calls.push(call);
    return call;
  }

  async #follow(call: Call, appended: Promise<Appended>): Promise<Appended> {
    const result = await appended;
    call.ids = result.ids;
    this.#acknowledged = Math.max(this.#acknowledged, this.#calls.indexOf(call) + 1);
    this.disk.note(this.promised);
    return result;
  }
}

/** The events of a call that go to a stream, as they are appended. */
export function inputs(call: Call, stream: string, number: number): { type: string; data: object }[] {
  return call.events
    .filter((event) => event.stream === stream)
    .map(({ type, fill: text }) => ({
      type,
      data: { call: number, fill: text },
      tags: [`call:${number}`],
      ...(call.key !== undefined && { idempotencyKey: call.key }),
    }));
}

/** Text that no other event has, and that differs from sector to sector. */
function fill(call: number, event: number, size: number): string {
  let text = '';
  for (let i = 0; text.length < size; i++) text += `call ${call} event ${event} part ${i}; `;
  return text.slice(0, size);
}

export { NOTHING };
