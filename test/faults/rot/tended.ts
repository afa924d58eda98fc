/**
 * A store that was tended: its beginning was removed, streams were deleted, what is full is sealed, indexed and signed, and some of
 * it compacted. It has every kind of file there is.
 */
import { vi } from 'vitest';
import type { Appended, RecordedEvent, Store, StoreOptions } from '../../../dist/main/index.js';
import { openStoreOn } from '../../../dist/main/store.js';
import { segmentNumber } from '../../../dist/shared/format/file-names.js';
import { EMPTY_DISK } from '../../crash/image.js';
import { InlineRuntime } from '../../crash/inline-runtime.js';
import { MemoryDisk } from '../../crash/memory-disk.js';
import { OPTIONS } from '../../crash/session.js';
import { type Base, framesIn, type Known, knownOf } from './bases.js';
import { type Files, filesOf, withFiles } from './files.js';

export const TENDED_OPTIONS: StoreOptions = OPTIONS;

/** What is removed is older than this, and nothing else is. Unit: milliseconds. */
const MAX_AGE_MS = 600_000;
/** Zeros behind the frames of the newest segment, which may be any number: so many are kept. */
const ZEROS_KEPT = 200;

/** A call with an idempotency key, and what came of it. */
export interface Keyed {
  readonly stream: string;
  readonly events: readonly { readonly type: string; readonly data: object; readonly idempotencyKey?: string }[];
  readonly ids: readonly string[];
}

export interface Tended extends Base {
  readonly floor: number;
  /** What is to be read, oldest first. */
  readonly left: readonly Known[];
  /** By sequence, of all events that there ever were, those that are gone among them. */
  readonly digests: ReadonlyMap<number, string>;
  /** The last revision of each stream. */
  readonly revisions: ReadonlyMap<string, number>;
  /** Streams of which nothing is left. */
  readonly gone: readonly string[];
  readonly keyed: readonly Keyed[];
  readonly publicKey: string;
}

class Tending {
  readonly disk = new MemoryDisk(EMPTY_DISK);
  readonly versions: Files[] = [];
  readonly keyed: Keyed[] = [];
  readonly digests = new Map<number, string>();
  readonly revisions = new Map<string, number>();
  store!: Store;
  #n = 0;

  async open(options: Partial<StoreOptions> = {}): Promise<void> {
    this.store = await openStoreOn({ ...TENDED_OPTIONS, ...options }, new InlineRuntime(this.disk));
    this.keep();
  }

  keep(): void {
    this.versions.push(filesOf(this.disk));
  }

  /** Append events of so many bytes each, which say little. */
  async append(stream: string, ...sizes: readonly number[]): Promise<void> {
    const n = this.#n++;
    const events = sizes.map((size, i) => ({
      type: i % 2 === 0 ? 'Happened' : 'Noted',
      data: { n, i, fill: `${stream} ${n}.${i};`.repeat(size).slice(0, size) },
      tags: [`call:${n}`, stream],
      metadata: { agent: `agent-${n % 2}` },
    }));
    await this.#took(await this.store.append(stream, events));
  }

  async appendKeyed(stream: string, key: string): Promise<void> {
    const events = [
      { type: 'Keyed', data: { key }, idempotencyKey: key },
      { type: 'Beside', data: { key, n: this.#n++ } },
    ];
    const appended = await this.store.append(stream, events);
    this.keyed.push({ stream, events, ids: appended.ids });
    await this.#took(appended);
  }

  async delete(stream: string): Promise<void> {
    await this.#took(await this.store.deleteStream(stream));
  }

  async #took({ ids, firstSequence }: Appended): Promise<void> {
    for (const [i, id] of ids.entries()) this.digests.set(firstSequence + i, await this.store.digest(id));
    const event = await this.store.get(ids.at(-1)!);
    this.revisions.set(event!.stream, event!.revision);
    this.keep();
  }
}

/** Each about one segment, of text that says little. */
async function fillSegment(tending: Tending, ...streams: readonly string[]): Promise<void> {
  for (const stream of streams) await tending.append(stream, ...streams.map(() => 62_000 / streams.length ** 2));
}

async function tend(tending: Tending, later: (ms: number) => void): Promise<string> {
  await tending.open();
  // What is going to be removed.
  await tending.append('gone', 40, 30, 20);
  await tending.appendKeyed('keyed', 'order-1');
  await tending.appendKeyed('gone', 'order-2');
  await fillSegment(tending, 'a', 'doomed');
  await fillSegment(tending, 'b');
  later(MAX_AGE_MS * 2);
  // What is going to be compacted, and what is not, as a key of it is known.
  await fillSegment(tending, 'a', 'doomed', 'b');
  await tending.append('doomed', 60, 60, 60);
  await tending.append('a', 90, 10);
  await tending.appendKeyed('keyed', 'order-3');
  await fillSegment(tending, 'b', 'doomed');
  await tending.appendKeyed('late', 'order-4');
  await fillSegment(tending, 'late', 'a');
  await tending.delete('doomed');
  await fillSegment(tending, 'c', 'a');
  await tending.append('c', 30_000);
  await tending.append('c', 30_000);
  await tending.store.seal();
  tending.keep();
  await tending.store.checkpoint();
  tending.keep();
  const { segments } = await tending.store.compact();
  if (segments === 0) throw new Error('nothing was compacted');
  tending.keep();
  await tending.store.close();

  await tending.open({ retention: { maxAgeMs: MAX_AGE_MS }, sealing: 'on-demand' });
  await vi.waitFor(() => {
    const { floor } = tending.store.stats();
    const names = [...filesOf(tending.disk).keys()];
    if (floor === 1 || !names.includes(`keeperlog.${floor}.base`) || names.some((name) => /-0000000001/.test(name)))
      throw new Error('the beginning has not gone yet');
  });
  tending.keep();
  await tending.store.close();

  await tending.open();
  // What is deleted, and still on the disk.
  await tending.delete('late');
  await tending.append('a', 15, 25);
  await tending.append('new', 5);
  const { publicKey } = await tending.store.checkpoint();
  await tending.append('b', 33);
  await tending.store.close();
  tending.keep();
  return publicKey;
}

/** The newest segment ends with few zeros. */
async function cut(files: Files): Promise<Files> {
  const frames = await framesIn(files);
  const last = frames.at(-1)!;
  const unused = [...files.keys()].filter((name) => segmentNumber(name) !== undefined && name !== last.file);
  return withFiles(files, [
    ...unused.map((name) => [name, undefined] as const),
    [last.file, files.get(last.file)!.subarray(0, last.end + ZEROS_KEPT)],
  ]);
}

/** @param name of the store, of which there may be several */
export async function tendedBase(name: string): Promise<Tended> {
  const { now } = Date;
  let laterMs = 0;
  Date.now = () => now() + laterMs;
  try {
    const tending = new Tending();
    const publicKey = await tend(tending, (ms) => {
      laterMs += ms;
    });
    const files = await cut(filesOf(tending.disk));
    const store = await openStoreOn(
      { ...TENDED_OPTIONS, readOnly: true },
      new InlineRuntime(new MemoryDisk(tending.disk.image())),
    );
    const rows: RecordedEvent[] = await store.read().toArray();
    const { floor } = store.stats();
    await store.close();
    const { versions, digests, revisions, keyed } = tending;
    const left = rows.map(knownOf);
    const there = new Set(left.map(({ stream }) => stream));
    const gone = [...revisions.keys()].filter((stream) => !there.has(stream));
    const frames = await framesIn(files);
    return { name, files, versions, events: left, left, frames, floor, digests, revisions, gone, keyed, publicKey };
  } finally {
    Date.now = now;
  }
}
