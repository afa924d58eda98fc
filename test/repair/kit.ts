/** Stores in memory that are damaged, repaired and looked at. */
import path from 'node:path';
import { expect } from 'vitest';
import type { RecordedEvent, RepairReport, RepairStoreOptions, Store } from '../../dist/main/index.js';
import { repairStoreOn } from '../../dist/main/repair.js';
import { openStoreOn } from '../../dist/main/store.js';
import type { Image } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR, OPTIONS, Session } from '../crash/session.js';
import { failure } from '../support/errors.js';

/** A store as it was before anything happened to it. */
export interface Whole {
  readonly image: Image;
  /** By sequence. */
  readonly events: ReadonlyMap<number, RecordedEvent>;
}

/**
 * A store of a few segments: batches, groups of several streams, keys; closed, or left behind by a killed process.
 * @param rounds each of 44 KB
 */
export async function wholeStore(end: 'closed' | 'killed' = 'closed', rounds = 4): Promise<Whole> {
  const session = new Session('at-once');
  await session.open();
  for (let i = 0; i < rounds; i++) {
    await session.append('a', 6000, 5000, 200);
    await Promise.all([session.append('b', 300, 700), session.append('c', 90), session.append('a', 40)]);
    await session.appendMany({ stream: 'b', sizes: [9000] }, { stream: 'a', sizes: [4000, 10] });
    await session.appendKeyed('keyed', `order-${i}`, 3000);
    await session.append('a', 14_000, 2000);
  }
  session.idle();
  const rows = await session.store.read().toArray();
  if (end === 'closed') await session.close();
  else session.kill();
  return { image: session.disk.image(), events: new Map(rows.map((row) => [row.sequence, row])) };
}

export function pathOf(name: string): string {
  return path.join(DIR, name);
}

export function contentOf(image: Image, name: string): Buffer {
  const inode = image.names.get(pathOf(name));
  if (inode === undefined) throw new Error(`${name} is not there`);
  return image.contents.get(inode)!;
}

/** The segments' files, oldest first. */
export function segmentsOf(image: Image): string[] {
  return filesOf(image).filter((name) => /^segment-\d+\.log$/.test(name));
}

export function filesOf(image: Image): string[] {
  return [...image.names.keys()]
    .filter((name) => path.dirname(name) === DIR)
    .map((name) => path.basename(name))
    .sort();
}

/** The same disk with other files: undefined takes one away. */
export function withFiles(image: Image, files: Readonly<Record<string, Buffer | undefined>>): Image {
  const names = new Map(image.names);
  const contents = new Map(image.contents);
  let inode = Math.max(0, ...contents.keys());
  for (const [name, content] of Object.entries(files)) {
    names.delete(pathOf(name));
    if (content === undefined) continue;
    names.set(pathOf(name), ++inode);
    contents.set(inode, content);
  }
  return { names, contents };
}

/** A copy with some bits of a byte turned over. */
export function flippedAt(content: Buffer, at: number, bits = 1): Buffer {
  return changed(content, (bytes) => {
    bytes[at] = bytes[at]! ^ bits;
  });
}

/** A copy with some bytes changed. */
export function changed(content: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(content);
  change(copy);
  return copy;
}

export function repair(disk: MemoryDisk<any>, options: Omit<RepairStoreOptions, 'dir'> = {}): Promise<RepairReport> {
  return repairStoreOn({ dir: DIR, ...options }, new InlineRuntime(disk));
}

export function open(disk: MemoryDisk<any>, options: object = {}): Promise<Store> {
  return openStoreOn({ ...OPTIONS, ...options }, new InlineRuntime(disk));
}

/** How many sequences there are in ranges. */
export function countOf(ranges: readonly { firstSequence: number; lastSequence: number }[]): number {
  return ranges.reduce((sum, { firstSequence, lastSequence }) => sum + lastSequence - firstSequence + 1, 0);
}

/**
 * Repair what a disk holds, and check everything that must hold afterwards: what is there is as it was, what is not there
 * is reported, by the repair, by reads and by `verify`; the log goes on behind its end; nothing is left to repair.
 */
export async function checkRepair(
  whole: Whole,
  image: Image,
  options: { nodeId?: string } = {},
): Promise<{ report: RepairReport; image: Image }> {
  const disk = new MemoryDisk(image);
  const report = await repair(disk, options);
  const repaired = disk.image();
  await checkRepaired(whole, repaired, report.lost);
  return { report, image: repaired };
}

/** What must hold of a store that was repaired. */
export async function checkRepaired(
  whole: Whole,
  image: Image,
  lost: readonly { firstSequence: number; lastSequence: number }[],
): Promise<void> {
  const disk = new MemoryDisk(image);
  expect(await repair(new MemoryDisk(image))).toMatchObject({ damaged: false, lost: [] });
  const store = await open(disk);
  const rows = store.read();
  const found = (await rows.toArray()).filter(
    ({ stream, sequence }) => stream !== '$store' || whole.events.has(sequence),
  );
  expect(rows.holes).toEqual(lost);
  for (const event of found) expect(event.toJSON()).toEqual(whole.events.get(event.sequence)!.toJSON());
  expect(found.length).toBe(whole.events.size - countOf(lost));
  const report = await store.verify({ deep: true });
  expect(report).toMatchObject({ ok: true, problems: [], holes: lost });
  for (const { firstSequence } of lost) {
    // `expect(…).rejects` would keep the error, and with it the store, as long as the test lasts: thousands of them in the long form.
    expect(await failure('ERR_CORRUPT', () => store.get(firstSequence))).toMatchObject({ firstSequence });
  }
  await checkReads(store, found);
  const { firstSequence } = await store.append('after', { type: 'Repaired' });
  expect(firstSequence).toBeGreaterThan(Math.max(...whole.events.keys()));
  await store.close();
  const again = await open(disk);
  const all = await again.read().toArray();
  expect(all.slice(0, found.length).map(({ id }) => id)).toEqual(found.map(({ id }) => id));
  expect(all.at(-1)).toMatchObject({ stream: 'after', sequence: firstSequence });
  expect(await again.verify({ deep: true })).toMatchObject({ ok: true, holes: lost });
  await again.close();
}

/** The other ways of reading see the same. */
async function checkReads(store: Store, found: readonly RecordedEvent[]): Promise<void> {
  const ids = (events: readonly RecordedEvent[]): string[] => events.map(({ id }) => id);
  const own = (events: readonly RecordedEvent[]): RecordedEvent[] => events.filter(({ stream }) => stream !== '$store');
  const backwards = await store.read({}, { direction: 'backwards' }).toArray();
  expect(ids(own(backwards))).toEqual(ids(own(found)).reverse());
  for (const stream of ['a', 'keyed']) {
    const expected = found.filter((event) => event.stream === stream);
    expect(ids(await store.readStream(stream).toArray())).toEqual(ids(expected));
    expect(ids(await store.read({ streams: stream }).toArray())).toEqual(ids(expected));
    const revisions = expected.map(({ revision }) => revision);
    const [low, high] = [revisions[1], revisions.at(-2)];
    if (low === undefined || high === undefined) continue;
    const between = await store.readStream(stream, { fromRevision: low, toRevision: high }).toArray();
    expect(between.map(({ revision }) => revision)).toEqual(revisions.filter((r) => r >= low && r <= high));
    expect(await store.head(stream)).toMatchObject({ revision: revisions.at(-1)!, id: expected.at(-1)!.id });
  }
  for (const event of found.filter((_, i) => i % 7 === 0)) {
    expect((await store.get(event.id))?.toJSON()).toEqual(event.toJSON());
    const [first] = own(await store.read({}, { from: event.time, limit: 3 }).toArray());
    if (first !== undefined) expect(first.time.getTime()).toBeGreaterThanOrEqual(event.time.getTime());
  }
}
