/** A store on a recorded disk, and a workload's hand on it: it notes in the journal what was promised, and when. */

import path from 'node:path';
import { expect } from 'vitest';
import type { Appended, Store, StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { baseFloor, sealedNumber } from '../../dist/shared/format/file-names.js';
import { readManifest } from '../../dist/shared/inspect.js';
import { failure } from '../support/errors.js';
import { FaultyStorage } from './faulty-storage.js';
import { type Call, findCalls, NOTHING, type Promised, readAll, TOMBSTONE } from './history.js';
import { EMPTY_DISK, type Image } from './image.js';
import { InlineRuntime, type Pokes } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';

export type Disk = MemoryDisk<Promised>;

/** Two directories deep, none of which is there at first. */
export const DIR = '/volume/store';

/** Small enough that a handful of events rotates. */
export const OPTIONS: StoreOptions = {
  sealing: 'on-demand',
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
  /** The disk as the engine gets it: what is done on it goes into the journal, with its call sites. */
  readonly storage: Disk;
  readonly #pokes: Pokes;
  /** Of the next opening. */
  options: StoreOptions;
  #process!: FaultyStorage;
  #runtime!: InlineRuntime;
  store!: Store;
  #onKill: () => void = () => {};
  #promised: Promised = { ...NOTHING, calls: [] };
  /** How many of the calls survive the process, though perhaps not the machine. */
  #written = 0;
  /** Calls that were made, refused ones among them. */
  #made = 0;

  /** @param wrap what stands between the store and the disk */
  constructor(
    pokes: Pokes = 'at-once',
    disk: Disk = new MemoryDisk(EMPTY_DISK),
    wrap = (inner: Disk): Disk => inner,
    options: StoreOptions = OPTIONS,
  ) {
    this.disk = disk;
    this.storage = wrap(disk);
    this.#pokes = pokes;
    this.options = options;
  }

  get promised(): Promised {
    return this.#promised;
  }

  /**
   * Open the store. What it shows then is promised from now on.
   * @param before what had been promised before; by default, what the process that is gone had promised
   */
  async open(before: Promised = this.#afterProcess()): Promise<void> {
    this.#start();
    this.store = await openStoreOn(this.options, this.#runtime);
    const present = await this.#countPresent(before);
    const { tornFile } = this.store.stats().recovery;
    const torn = new Map(before.torn);
    if (tornFile !== undefined) torn.set(tornFile, contentOf(this.disk.image(), tornFile));
    this.#written = 0;
    const { deleted } = before;
    this.#promise({ calls: before.calls.slice(0, present), acknowledged: present, torn, ...(deleted && { deleted }) });
  }

  /** Open a store of which nothing was promised. */
  async openAsItIs(): Promise<void> {
    this.#start();
    this.store = await openStoreOn(this.options, this.#runtime);
  }

  append(stream: string, ...sizes: readonly number[]): Promise<Appended> {
    const call = this.#call([{ stream, sizes }], undefined);
    return this.#follow(call, this.store.append(stream, this.#inputs(call, stream)));
  }

  appendKeyed(stream: string, key: string, size: number): Promise<Appended> {
    const call = this.#call([{ stream, sizes: [size] }], key);
    return this.#follow(call, this.store.append(stream, this.#inputs(call, stream)));
  }

  appendMany(...parts: readonly Part[]): Promise<Appended> {
    const call = this.#call(parts, undefined);
    return this.#follow(
      call,
      this.store.appendMany(parts.map(({ stream }) => ({ stream, events: this.#inputs(call, stream) }))),
    );
  }

  enqueue(stream: string, ...sizes: readonly number[]): Promise<Appended> {
    const call = this.#call([{ stream, sizes }], undefined);
    const { ids, durable } = this.store.enqueue(stream, this.#inputs(call, stream));
    call.ids = ids;
    return this.#follow(call, durable);
  }

  appendSync(stream: string, ...sizes: readonly number[]): void {
    const call = this.#call([{ stream, sizes }], undefined);
    this.#acknowledge(call, this.store.appendSync(stream, this.#inputs(call, stream)));
  }

  /** Append without waiting for the disk: a power cut may take it, whole. */
  async appendWeakly(
    durability: 'written' | 'accepted',
    stream: string,
    ...sizes: readonly number[]
  ): Promise<Appended> {
    const call = this.#call([{ stream, sizes }], undefined);
    const number = this.#promised.calls.length;
    const appended = await this.store.append(stream, this.#inputs(call, stream), { durability });
    call.ids = appended.ids;
    if (durability === 'written') this.#written = Math.max(this.#written, number);
    return appended;
  }

  /** Wait for everything that was accepted. */
  async flush(): Promise<void> {
    const { length } = this.#promised.calls;
    await this.store.flush();
    this.#promise({ ...this.#promised, acknowledged: Math.max(this.#promised.acknowledged, length) });
  }

  idle(): void {
    this.#runtime.idle();
  }

  /** The writer, which had no space, finds some, and the store takes appends again. */
  async resume(): Promise<void> {
    await new Promise(setImmediate);
    this.#runtime.idle();
    this.#runtime.deliver();
    expect(this.store.stats().mode).toBe('open');
    await this.store.flush();
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
    const died = this.#death();
    this.#process.failNext(fault);
    void this.append(stream, ...sizes);
    await died;
  }

  /**
   * Open the store in a process that dies once it has changed the disk so many times.
   * @returns false where the store was open by then; the process is killed there
   */
  async dieOpening(changes: number): Promise<boolean> {
    this.#start();
    const died = this.#death().then(() => true);
    this.#process.dieAfter(changes);
    const opened = openStoreOn(this.options, this.#runtime).then(() => false);
    opened.catch(() => {}); // where it dies before the writer has begun, opening says so
    const isDead = await Promise.race([died, opened.catch(() => died)]);
    if (!isDead) this.kill();
    return isDead;
  }

  async deleteStream(stream: string): Promise<Appended> {
    const call: Call = { events: [{ stream, type: TOMBSTONE, fill: '' }], key: undefined, ids: undefined };
    (this.#promised.calls as Call[]).push(call);
    const appended = await this.#follow(call, this.store.deleteStream(stream));
    this.#promise({ ...this.#promised, deleted: this.#promised.calls.indexOf(call) + 1 });
    return appended;
  }

  /**
   * Delete a stream, in a process that dies once it has changed the disk so many times.
   * @returns false where it was deleted by then; the process is killed there
   */
  async dieDeleting(changes: number, stream: string): Promise<boolean> {
    const died = this.#death().then(() => true);
    this.#process.dieAfter(changes);
    const deleted = this.deleteStream(stream).then(() => false);
    deleted.catch(() => {}); // where it dies in the middle
    const isDead = await Promise.race([died, deleted.catch(() => died)]);
    if (!isDead) this.kill();
    return isDead;
  }

  async seal(): Promise<number> {
    return (await this.store.seal()).segments;
  }

  /**
   * Seal what is full, in a process that dies once it has changed the disk so many times.
   * @returns false where everything was sealed by then; the process is killed there
   */
  dieSealing(changes: number): Promise<boolean> {
    return this.#dieOver(changes, () => this.store.seal());
  }

  /** The same with a compaction. */
  dieCompacting(changes: number): Promise<boolean> {
    return this.#dieOver(changes, () => this.store.compact());
  }

  async #dieOver(changes: number, work: () => Promise<unknown>): Promise<boolean> {
    const died = this.#death().then(() => true);
    this.#process.dieAfter(changes);
    const done = work().then(() => false);
    done.catch(() => {}); // where it dies in the middle
    const isDead = await Promise.race([died, done.catch(() => died)]);
    if (!isDead) this.kill();
    return isDead;
  }

  /** Wait until retention has removed what it is to remove. */
  async retained(): Promise<void> {
    const { maxBytes = 0 } = this.options.retention ?? {};
    const turns = 20_000;
    for (let turn = 0; turn < turns; turn++) {
      await new Promise(setImmediate);
      const { bytes, floor } = this.store.stats();
      if (bytes <= maxBytes && this.#isTidy(floor)) return;
    }
    throw new Error('retention does not come to an end');
  }

  /** Whether nothing is left of what is below the floor. */
  #isTidy(floor: number): boolean {
    const { firstSegment, floor: durable } = readManifest(this.disk, DIR)!;
    const isOld = (file: string): boolean =>
      (sealedNumber(file) ?? firstSegment) < firstSegment || (baseFloor(file) ?? floor) !== floor;
    return durable === floor && !this.disk.list(DIR).some(isOld);
  }

  /**
   * Open the store and let retention remove what it is to, in a process that dies once it has changed the disk so many times.
   * @returns false where all of that was done by then; the process is killed there
   */
  async dieRetaining(changes: number): Promise<boolean> {
    this.#start();
    const died = this.#death().then(() => true);
    this.#process.dieAfter(changes);
    const retained = (async () => {
      this.store = await openStoreOn(this.options, this.#runtime);
      await this.retained();
      return false;
    })();
    retained.catch(() => {}); // where it dies in the middle
    const isDead = await Promise.race([died, retained.catch(() => died)]);
    if (!isDead) this.kill();
    return isDead;
  }

  /** The disk refuses to sync an append: nobody knows then what became of it. */
  async failAppending(stream: string, ...sizes: readonly number[]): Promise<void> {
    this.#process.failNext('fail-sync');
    const error = await failure('ERR_STORAGE', () => this.append(stream, ...sizes));
    expect(error).toMatchObject({ syscall: 'fdatasync', outcome: 'unknown' });
  }

  /** An append takes the last space there is, and some of the zeros behind it: there is none for the next one. */
  appendIntoLastSpace(stream: string, ...sizes: readonly number[]): Promise<Appended> {
    this.#process.failNext('space-for-frame');
    return this.append(stream, ...sizes);
  }

  /** There is no space for an append just now: it is given up, and will never be there. */
  async refuseAppending(
    space: 'no-space' | 'space-for-half',
    stream: string,
    ...sizes: readonly number[]
  ): Promise<void> {
    this.#process.failNext(space);
    const error = await failure('ERR_DEGRADED', () => this.append(stream, ...sizes));
    expect(error).toMatchObject({ outcome: 'not-appended' });
    this.#promise({ ...this.#promised, calls: this.#promised.calls.slice(0, -1) });
  }

  /** How many calls there are, those that retention has removed among them. */
  async #countPresent({ calls, acknowledged, torn }: Promised): Promise<number> {
    const { floor } = this.store.stats();
    if (floor === 1) return findCalls(await readAll(this.store, calls), { calls, acknowledged, torn });
    let gone = 0;
    for (let next = 1; next < floor; gone++) next += calls[gone]!.events.length;
    const left = { calls: calls.slice(gone), acknowledged: Math.max(0, acknowledged - gone), torn };
    return gone + findCalls(await this.store.read().toArray(), left);
  }

  #start(): void {
    this.#process = new FaultyStorage(this.storage, () => {
      // What the writer has said may have been heard.
      this.#runtime.deliver();
      this.kill();
    });
    this.#runtime = new InlineRuntime(this.#process.storage, this.#pokes);
  }

  #death(): Promise<void> {
    return new Promise((resolve) => {
      this.#onKill = resolve;
    });
  }

  #afterProcess(): Promised {
    return { ...this.#promised, acknowledged: Math.max(this.#promised.acknowledged, this.#written) };
  }

  #inputs(call: Call, stream: string): { type: string; data: object }[] {
    return inputs(call, stream, this.#promised.calls.length);
  }

  #call(parts: readonly Part[], key: string | undefined): Call {
    const made = this.#made++;
    const events = parts.flatMap(({ stream, sizes }) =>
      sizes.map((size, i) => ({ stream, type: 'Happened', fill: fill(made, i, size) })),
    );
    const call: Call = { events, key, ids: undefined };
    (this.#promised.calls as Call[]).push(call);
    return call;
  }

  async #follow(call: Call, appended: Promise<Appended>): Promise<Appended> {
    const result = await appended;
    this.#acknowledge(call, result);
    return result;
  }

  #acknowledge(call: Call, { ids }: Appended): void {
    call.ids = ids;
    const acknowledged = Math.max(this.#promised.acknowledged, this.#promised.calls.indexOf(call) + 1);
    this.#promise({ ...this.#promised, acknowledged });
  }

  /** What holds from now on. */
  #promise(promised: Promised): void {
    const { calls, acknowledged, deleted, torn } = this.#promised;
    const isSame = calls === promised.calls && acknowledged === promised.acknowledged && torn === promised.torn;
    const isNew = !isSame || deleted !== promised.deleted;
    if (isNew) this.#promised = promised;
    this.disk.note(this.#promised);
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

/** A file of the store. */
export function contentOf(image: Image, file: string): Buffer {
  return image.contents.get(image.names.get(path.join(DIR, file))!)!;
}

/** Text that no other event has, and that differs from sector to sector. */
function fill(call: number, event: number, size: number): string {
  let text = '';
  for (let i = 0; text.length < size; i++) text += `call ${call} event ${event} part ${i}; `;
  return text.slice(0, size);
}

export { NOTHING };
