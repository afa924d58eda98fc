/** Stores that are damaged: small ones, with several segments, batches, keys and checkpoints, and what they looked like before. */
import type { RecordedEvent, Store } from '../../../dist/main/index.js';
import { openStoreOn } from '../../../dist/main/store.js';
import { PlaceHasher } from '../../../dist/shared/format/checksum.js';
import { MANIFEST_FILE, segmentNumber, WATERMARK_FILE } from '../../../dist/shared/format/file-names.js';
import { FRAME_HEADER_BYTES, readFrameHeader } from '../../../dist/shared/format/frame.js';
import { decodeManifest, type Manifest } from '../../../dist/shared/format/manifest.js';
import { SEGMENT_HEADER_BYTES } from '../../../dist/shared/format/segment.js';
import { EMPTY_DISK } from '../../crash/image.js';
import { InlineRuntime } from '../../crash/inline-runtime.js';
import { MemoryDisk } from '../../crash/memory-disk.js';
import { OPTIONS } from '../../crash/session.js';
import { type Files, filesOf, withFiles } from './files.js';

/** Segments are left behind by their age, so that small ones come about. */
export const ROT_OPTIONS = { ...OPTIONS, segmentAgeMs: 1000 };

/** A frame of the log. */
export interface Frame {
  readonly file: string;
  readonly offset: number;
  readonly end: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** An event as it must be read. */
export interface Known {
  readonly stream: string;
  readonly type: string;
  readonly revision: number;
  readonly key: string | undefined;
  readonly id: string;
  /** All of it. */
  readonly json: string;
}

export interface Base {
  readonly name: string;
  readonly files: Files;
  /** The same store at earlier moments, oldest first. */
  readonly versions: readonly Files[];
  /** By sequence, from 1 at place 0. */
  readonly events: readonly Known[];
  readonly frames: readonly Frame[];
}

export function knownOf(event: RecordedEvent<any>): Known {
  const { stream, type, revision, id, idempotencyKey: key } = event;
  return { stream, type, revision, id, key, json: JSON.stringify(event.toJSON()) };
}

export function manifestIn(files: Files): Manifest {
  const found = decodeManifest(files.get(MANIFEST_FILE)!);
  if (found.kind !== 'valid') throw new Error(`the manifest is ${found.kind}`);
  return found.manifest;
}

/** The frames of all segments, by following them. */
export async function framesIn(files: Files): Promise<Frame[]> {
  const hasher = await PlaceHasher.create(Buffer.from(manifestIn(files).storeId, 'hex'));
  const frames: Frame[] = [];
  for (const file of [...files.keys()].sort()) {
    const number = segmentNumber(file);
    if (number === undefined) continue;
    const bytes = files.get(file)!;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let offset = SEGMENT_HEADER_BYTES; ; ) {
      const header = readFrameHeader(bytes, view, offset, hasher, number);
      if (header === undefined) break;
      const { firstSequence, count } = header;
      const end = offset + FRAME_HEADER_BYTES + header.bodyBytes;
      frames.push({ file, offset, end, firstSequence, lastSequence: firstSequence + count - 1 });
      offset = end;
    }
  }
  return frames;
}

/** Zeros behind the frames of a segment, which may be any number: so many are kept. */
const ZEROS_KEPT = { closed: 200, active: 1200 };

/** A workload's hand on a store in memory. */
class Making {
  readonly disk = new MemoryDisk(EMPTY_DISK);
  readonly versions: Files[] = [];
  runtime!: InlineRuntime;
  store!: Store;

  async open(): Promise<void> {
    this.runtime = new InlineRuntime(this.disk);
    this.store = await openStoreOn(ROT_OPTIONS, this.runtime);
    this.keep();
  }

  keep(): void {
    this.versions.push(filesOf(this.disk));
  }

  async append(stream: string, ...sizes: readonly number[]): Promise<void> {
    const n = this.versions.length;
    const events = sizes.map((size, i) => ({
      type: i % 2 === 0 ? 'Happened' : 'Noted',
      data: { n, i, fill: `${n}.${i};`.repeat(size).slice(0, size) },
      tags: [`call:${n}`],
    }));
    await this.store.append(stream, events);
    this.keep();
  }

  async appendKeyed(stream: string, key: string): Promise<void> {
    await this.store.append(stream, { type: 'Keyed', data: { key }, idempotencyKey: key });
    this.keep();
  }

  async appendMany(...streams: readonly string[]): Promise<void> {
    const n = this.versions.length;
    await this.store.appendMany(streams.map((stream) => ({ stream, events: { type: 'Together', data: { n } } })));
    this.keep();
  }
}

/** Make a store whose next append begins a new segment whenever `age()` was called before it. */
async function made(run: (making: Making, age: () => void) => Promise<void>): Promise<Making> {
  const now = Date.now;
  let later = 0;
  Date.now = () => now() + later;
  try {
    const making = new Making();
    await run(making, () => {
      later += ROT_OPTIONS.segmentAgeMs;
    });
    return making;
  } finally {
    Date.now = now;
  }
}

async function workload(making: Making, age: () => void): Promise<void> {
  await making.open();
  await making.append('a', 40);
  await making.append('b', 10, 200, 30);
  await making.appendKeyed('keyed', 'order-1');
  await making.appendMany('a', 'c', 'b');
  age();
  await making.append('a', 20, 20);
  await making.append('a', 700);
  await making.appendKeyed('keyed', 'order-2');
  await making.store.close();
  making.keep();
  await making.open();
  await making.append('b', 15);
  age();
  await making.append('c', 60, 60, 60, 60);
  await making.append('b', 5);
  age();
  await making.append('a', 12);
  await making.appendMany('c', 'a', 'd');
  await making.appendKeyed('keyed', 'order-3');
  await making.append('b', 90, 12);
  await making.append('a', 33);
}

/** The events of a store that is whole. */
async function eventsIn(disk: MemoryDisk): Promise<Known[]> {
  const store = await openStoreOn({ ...ROT_OPTIONS, readOnly: true }, new InlineRuntime(disk));
  const events = (await store.read().toArray()).map(knownOf);
  await store.close();
  return events;
}

/** The small segments end with few zeros: the store stays small enough to damage every byte of it. */
function cut(files: Files, frames: readonly Frame[]): Files {
  const newest = frames.at(-1)!.file;
  return withFiles(
    files,
    [...files].flatMap(([name, bytes]) => {
      const last = frames.findLast(({ file }) => file === name);
      if (last === undefined) return [];
      return [[name, bytes.subarray(0, last.end + (name === newest ? ZEROS_KEPT.active : ZEROS_KEPT.closed))] as const];
    }),
  );
}

async function baseOf(name: string, making: Making, files: Files): Promise<Base> {
  const events = await eventsIn(making.disk);
  const frames = await framesIn(files);
  if (frames.at(-1)!.lastSequence !== events.length) throw new Error(`${name}: not all events are in frames`);
  return { name, files: cut(files, frames), versions: making.versions, events, frames };
}

/** Closed by its writer. */
export async function closedBase(): Promise<Base> {
  const making = await made(workload);
  await making.store.close();
  return baseOf('closed', making, filesOf(making.disk));
}

/**
 * As kill -9 left it between the last sync and the note of it in the watermark: nothing on the disk says that the last
 * frame is durable.
 */
export async function killedBase(): Promise<Base> {
  const making = await made(workload);
  making.runtime.kill();
  const [before, last] = making.versions.slice(-2);
  const files = withFiles(last!, [[WATERMARK_FILE, before!.get(WATERMARK_FILE)!]]);
  // What is read back later is what the watermark of the whole store shows.
  return baseOf('killed', making, files);
}

/** Enough events in one segment that selective reads build an index and read by it. */
export async function indexedBase(): Promise<Base> {
  const making = await made(async (making) => {
    await making.open();
    for (let n = 0; n < 50; n++) await making.append(`s${n % 3}`, ...Array.from({ length: 50 }, () => 8));
    await making.store.close();
  });
  return baseOf('indexed', making, filesOf(making.disk));
}
