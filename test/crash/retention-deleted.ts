/**
 * Retention of a store of which streams were deleted, some of what was deleted is compacted, and some is not: cut off at each step,
 * what was deleted stays so, with its tombstone below the floor as well.
 */
import path from 'node:path';
import type { RecordedEvent, Store } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { HEADS_FILE, TOMBSTONES_FILE } from '../../dist/shared/format/file-names.js';
import { type CrashState, onlyDurable } from './crash-states.js';
import { expectSame, NOTHING, type Promised } from './history.js';
import { EMPTY_DISK, type Image, withoutFiles } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { seeded } from './random.js';
import { expectTidy, KEEPING } from './retention.js';
import type { Start } from './scenarios.js';
import { DIR, type Session } from './session.js';

const KEYED = { type: 'Happened', data: 'once', idempotencyKey: 'order-1' };
const NOTES = '$store';

interface Expected {
  /** What is to be read of the whole log; from the floor on, whatever that is. */
  readonly rows: readonly RecordedEvent[];
  /** The last revision of each stream. */
  readonly revisions: ReadonlyMap<string, number>;
  /** Of the call with the key. */
  readonly ids: readonly string[];
}
let expected: Expected;

/** Some two appends a segment; sealed and audited, so that retention has nothing else to do. */
export async function deletedTwice(): Promise<Start> {
  const disk = new MemoryDisk<Promised>(EMPTY_DISK);
  const store = await openStoreOn(KEEPING, new InlineRuntime(disk));
  const revisions = new Map<string, number>();
  // Bytes that are not compressed, as compacted segments are: the log is to stay larger than retention lets it be.
  const next = seeded(1);
  const append = async (stream: string, ...sizes: readonly number[]): Promise<void> => {
    const events = sizes.map((size) => ({ type: 'Happened', data: Buffer.alloc(size * 9).map(() => next() * 256) }));
    revisions.set(stream, (await store.append(stream, events)).revision);
  };
  const drop = async (stream: string): Promise<void> => {
    revisions.set(stream, (await store.deleteStream(stream)).revision);
  };
  await append('early', 900, 20);
  await append('late', 900, 20);
  const { ids, revision } = await store.append('keyed', KEYED);
  revisions.set('keyed', revision);
  await append('kept', 3000);
  await drop('early');
  await append('early', 20);
  await append('kept', 3000);
  await append('late', 2000);
  await append('kept', 3000);
  await store.compact();
  // Of this one everything is still on the disk, but its tombstone is known.
  await drop('late');
  await append('kept', 3000);
  await append('kept', 3000);
  await store.seal();
  await store.checkpoint();
  expected = { rows: await store.read().toArray(), revisions, ids };
  await store.close();
  return { image: disk.image(), promised: NOTHING };
}

export async function retainDeleted(session: Session): Promise<void> {
  for (let changes = 0; await session.dieRetaining(changes); changes++);
  await session.openAsItIs();
  await session.retained();
  await session.close();
}

/** As it is, and without what is derived, whoever opens it sees the same. */
export async function checkRetentionDeleted({ image }: CrashState<Promised>): Promise<void> {
  const [heads, tombstones] = [HEADS_FILE, TOMBSTONES_FILE].map((file) => path.join(DIR, file)) as [string, string];
  for (const derived of [[], [heads], [tombstones]]) await checkLeft(withoutFiles(image, derived));
}

async function checkLeft(image: Image): Promise<void> {
  await expectLeft(image, true);
  const disk = new MemoryDisk(image);
  const runtime = new InlineRuntime(disk);
  const store = await openStoreOn(KEEPING, runtime);
  expectTidy(disk);
  await expectRows(store);
  const { ids, duplicate } = await store.append('keyed', KEYED);
  expectSame([ids, duplicate], [expected.ids, true]);
  for (const [stream, expect] of expected.revisions) {
    expectSame((await store.append(stream, { type: 'WentOn' }, { expect })).revision, expect + 1);
  }
  runtime.kill();
  // What is left over was removed for good, or not at all.
  await expectLeft(onlyDurable(disk.base, disk.journal), false);
}

async function expectLeft(image: Image, readOnly: boolean): Promise<void> {
  const runtime = new InlineRuntime(new MemoryDisk(image));
  const store = await openStoreOn({ ...KEEPING, readOnly }, runtime);
  await expectRows(store);
  if (readOnly) await store.close();
  else runtime.kill();
}

/** Nothing of what was deleted, and all else from the floor on; whatever the floor is. */
async function expectRows(store: Store): Promise<void> {
  const { floor } = store.stats();
  const rows = await store.read().toArray();
  expectSame(
    rows.filter(({ stream, type }) => stream !== NOTES && type !== 'WentOn').map(({ id }) => id),
    expected.rows.filter(({ sequence }) => sequence >= floor).map(({ id }) => id),
    'what is left of deleted streams',
  );
  const [problem] = (await store.verify({ deep: true })).problems;
  if (problem !== undefined) throw new Error(problem.message);
}
