/** Streams that are deleted, cut off at each step, and what must hold for whoever opens the store then. */
import path from 'node:path';
import { isKeeperError, type RecordedEvent } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { HEADS_FILE, TOMBSTONES_FILE } from '../../dist/shared/format/file-names.js';
import { readManifest } from '../../dist/shared/inspect.js';
import type { CrashState } from './crash-states.js';
import { expectSame, NOTHING, type Promised, placed, TOMBSTONE, withoutDeleted } from './history.js';
import { type Image, withoutFiles } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';
import { DIR, OPTIONS, type Session } from './session.js';

const KiB = 1024;
/** So many changes of the disk make a new manifest, whose name is not durable yet. */
const MANIFEST_RENAMED = 4;

/** Deletions alone and together, with a checkpoint behind them, and by processes that die at each step of one, the first one of all too. */
export async function deleteStreams(session: Session): Promise<void> {
  // Whoever comes to rename the manifest ends its edits: it is to be synced by a process that goes on.
  for (let changes = 0; changes < MANIFEST_RENAMED; changes++) {
    await session.open();
    await session.dieDeleting(changes, await appended(session, 'a'));
  }
  await session.open();
  await session.deleteStream(await appended(session, 'a'));
  session.kill();
  for (let changes = 0, isDead = true; isDead; changes++) {
    await session.open();
    isDead = await session.dieDeleting(changes, await appended(session, 'a'));
  }
  await session.open();
  await session.append('b', 700, 300);
  await Promise.all([
    session.append('a', 50),
    session.deleteStream('b'),
    session.append('b', 50),
    session.deleteStream('a'),
  ]);
  // The next segment, and with it a checkpoint.
  await session.append('c', 40 * KiB);
  await session.append('c', 30 * KiB);
  await session.deleteStream('c');
  await session.append('a', 100);
  await session.close();
  await session.open();
  await session.deleteStream('b');
  await session.append('b', 100);
  session.kill();
  await session.open();
  await session.close();
}

async function appended(session: Session, stream: string): Promise<string> {
  await session.append(stream, 300);
  return stream;
}

/** As it is, and without what is derived, whoever opens it sees the same: with nothing that was deleted for good. */
export async function checkDeletion({ image, note = NOTHING }: CrashState<Promised>): Promise<void> {
  const [heads, tombstones] = [HEADS_FILE, TOMBSTONES_FILE].map((file) => path.join(DIR, file)) as [string, string];
  await expectAnnounced(image);
  await expectSameForAll(image, note);
  await expectSameForAll(withoutFiles(image, [heads]), note);
  // So much only the file knows: that a deletion holds whose frame is not known to be durable before it was recovered.
  await expectSameForAll(withoutFiles(image, [tombstones]), { ...note, deleted: 0 });
  await checkRecovery(image, note);
}

/** Programs that do not know of tombstones are kept away before there is one. */
async function expectAnnounced(image: Image): Promise<void> {
  const manifest = readManifest(new MemoryDisk(image), DIR);
  const { rows } = await rowsOf(image, false);
  const first = rows.find(({ type }) => type === TOMBSTONE)?.sequence ?? Number.POSITIVE_INFINITY;
  if ((manifest?.tombstones ?? Number.POSITIVE_INFINITY) > first) {
    throw new Error(`the manifest does not tell of the tombstone ${first}`);
  }
}

async function expectSameForAll(image: Image, { calls, deleted = 0 }: Promised): Promise<void> {
  const writing = await rowsOf(image, false);
  const reading = await rowsOf(image, true);
  const promised = calls.slice(0, deleted).reduce((sum, { events }) => sum + events.length, 0);
  // Who only reads shows what is known to be durable, and never what is known to be deleted, or was acknowledged to be.
  const known = withoutDeleted(placed(calls, Math.max(promised, reading.durable)));
  const shown = new Map(reading.rows.map(({ sequence, id }) => [sequence, id]));
  const isKnown = new Set(known.map(({ sequence }) => sequence));
  expectSame(
    [...shown.keys()].filter((sequence) => !isKnown.has(sequence)),
    [],
    'what is left of deleted streams, though it is known to be deleted',
  );
  const common = writing.rows.filter(({ sequence }) => sequence <= reading.durable);
  expectSame(
    common.map(({ sequence }) => shown.get(sequence)),
    common.map(({ id }) => id),
    'what is left of deleted streams, for who writes and who reads',
  );
}

/** What a store shows, and up to where; nothing where there is none yet. */
async function rowsOf(image: Image, readOnly: boolean): Promise<{ rows: RecordedEvent[]; durable: number }> {
  const runtime = new InlineRuntime(new MemoryDisk(image));
  try {
    const store = await openStoreOn({ ...OPTIONS, readOnly }, runtime);
    const rows = await store.read().toArray();
    const { durable } = store.stats();
    if (readOnly) await store.close();
    else runtime.kill();
    return { rows: rows.filter(({ stream }) => stream !== '$store'), durable };
  } catch (error) {
    if (isKeeperError(error, 'ERR_NOT_FOUND')) return { rows: [], durable: 0 };
    throw error;
  }
}
