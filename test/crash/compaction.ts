/** Compaction cut off at each step, and what must hold for a log of which events are gone. */
import path from 'node:path';
import type { RecordedEvent, Store, StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { indexFile, sealedFile, sealedNumber } from '../../dist/shared/format/file-names.js';
import { decodeIndexHeader, INDEX_HEADER_BYTES } from '../../dist/shared/format/index-file.js';
import { readRange } from '../../dist/shared/storage.js';
import { openSealed } from '../compaction/sealed.js';
import { type CrashState, onlyDurable } from './crash-states.js';
import { expectSame, NOTHING, type Promised } from './history.js';
import { EMPTY_DISK, type Image } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import type { Start } from './scenarios.js';
import { DIR, OPTIONS, type Session } from './session.js';

/** Blocks as they are, in which text can be looked for. */
export const COMPACTING: StoreOptions = { ...OPTIONS, compression: 'none' };

const GONE = 'to be forgotten, ';
/** Of a stream that is deleted at the end. */
const LAST = 'gone at last, ';
/** Streams that change meanwhile. */
const CHANGING = ['later', 'late', 'last', '$store'];

/** What is to be read of a store, whatever happens to it, by its id. */
const expectedOf = new Map<string, readonly string[]>();

function event(text: string, size: number): { type: string; data: string } {
  return { type: 'Happened', data: text.repeat(size) };
}

/** A store of which a stream was deleted, with some of it in each of the full segments but one; sealed and audited. */
export async function deletedStream(): Promise<Start> {
  const disk = new MemoryDisk<Promised>(EMPTY_DISK);
  const store = await openStoreOn(COMPACTING, new InlineRuntime(disk));
  for (let i = 0; i < 2; i++) {
    await store.appendMany([
      { stream: 'kept', events: [event('to be kept, ', 900), event('to be kept, ', 30)] },
      { stream: 'gone', events: [event(GONE, 700), event(GONE, 20)] },
      { stream: 'other', events: event('to be kept, ', 500) },
      { stream: 'last', events: event(LAST, 300) },
    ]);
    await store.append('gone', event(GONE, 900));
    await store.append('kept', event('to be kept, ', 900));
  }
  await store.deleteStream('gone');
  for (let i = 0; i < 3; i++) await store.append('kept', event('to be kept, ', 3000));
  await store.seal();
  return startOf(store, disk);
}

/** A store smaller than a segment, of which a stream was deleted. */
export async function deletedInNewest(): Promise<Start> {
  const disk = new MemoryDisk<Promised>(EMPTY_DISK);
  const store = await openStoreOn(COMPACTING, new InlineRuntime(disk));
  await store.appendMany([
    { stream: 'kept', events: [event('to be kept, ', 300), event('to be kept, ', 30)] },
    { stream: 'gone', events: [event(GONE, 200), event(GONE, 20)] },
    { stream: 'last', events: event(LAST, 200) },
  ]);
  await store.append('gone', event(GONE, 300));
  await store.append('other', event('to be kept, ', 300));
  await store.deleteStream('gone');
  return startOf(store, disk);
}

async function startOf(store: Store, disk: MemoryDisk<Promised>): Promise<Start> {
  await store.checkpoint();
  const rows = await store.read().toArray();
  expectedOf.set(
    store.stats().storeId,
    rows.filter(isLasting).map((row) => JSON.stringify(row)),
  );
  await store.close();
  return { image: disk.image(), promised: NOTHING };
}

/** Compactions in processes that die at each step, then one beside an append. */
export async function compactDying(session: Session): Promise<void> {
  await dieAtEach(session);
  await compactLast(session);
}

/** The same, and then one of what a sealed segment has and of what is in the newest one again. */
export async function compactNewestDying(session: Session): Promise<void> {
  await dieAtEach(session);
  await session.store.append('late', event(LAST, 300));
  await session.store.deleteStream('late');
  await compactLast(session);
}

async function dieAtEach(session: Session): Promise<void> {
  await session.openAsItIs();
  for (let changes = 0; await session.dieCompacting(changes); changes++) await session.openAsItIs();
  await session.openAsItIs();
}

async function compactLast(session: Session): Promise<void> {
  await session.store.deleteStream('last');
  const compacting = session.store.compact();
  await session.store.append('later', { type: 'Happened' });
  expectSame((await compacting).segments, 2);
  session.disk.note({ ...NOTHING, compacted: true });
  await session.close();
}

export async function checkCompaction({ image, note = NOTHING }: CrashState<Promised>): Promise<void> {
  const disk = new MemoryDisk(image);
  const runtime = new InlineRuntime(disk);
  const store = await openStoreOn(COMPACTING, runtime);
  const gone = note.compacted === true ? [GONE, LAST] : [GONE];
  if (note.compacted === true) expectGone(disk.image(), gone);
  await expectAll(store);
  await expectOwnIndexes(disk);
  await store.compact();
  await expectAll(store);
  await expectOwnIndexes(disk);
  const again = await store.compact();
  expectSame([again.segments, again.later], [0, { keys: 0, unsealed: 0 }]);
  runtime.kill();

  const rest = new MemoryDisk(onlyDurable(disk.base, disk.journal));
  const restRuntime = new InlineRuntime(rest);
  const reopened = await openStoreOn(COMPACTING, restRuntime);
  expectGone(rest.image(), gone);
  await expectAll(reopened);
  restRuntime.kill();
}

/** Everything but what was deleted is read, and verifies. */
async function expectAll(store: Store): Promise<void> {
  const expected = expectedOf.get(store.stats().storeId);
  const rows = (await store.read().toArray()).filter(isLasting);
  expectSame(
    rows.map((row) => JSON.stringify(row)),
    expected,
    'what is left of the log',
  );
  const named = await store.read({ streams: ['kept', 'other', 'gone'] }).toArray();
  expectSame(
    named.map((row) => JSON.stringify(row)),
    expected,
  );
  expectSame((await store.verify({ deep: true })).problems, [], 'what does not verify');
}

function isLasting({ stream }: RecordedEvent): boolean {
  return !CHANGING.includes(stream);
}

function expectGone({ names, contents }: Image, texts: readonly string[]): void {
  for (const [name, inode] of names) {
    const content = contents.get(inode);
    if (texts.some((text) => content?.includes(text) === true)) throw new Error(`what was removed is in ${name}`);
  }
}

/** An index has what its segment has, and no more. */
async function expectOwnIndexes(disk: MemoryDisk): Promise<void> {
  for (const number of disk.list(DIR).map(sealedNumber)) {
    const file = path.join(DIR, indexFile(number ?? 0));
    if (number === undefined || !disk.exists(file)) continue;
    const { header } = await openSealed(DIR, number, disk);
    const bytes = readRange(disk, file, 0, INDEX_HEADER_BYTES);
    const storeId = readRange(disk, path.join(DIR, sealedFile(number)), 8, 16);
    const index = decodeIndexHeader(bytes, number, storeId, await PlaceHasher.create(storeId));
    if (index !== undefined && index.segment.count !== header.count) {
      throw new Error(`the index of segment ${number} is that of an older one`);
    }
  }
}
