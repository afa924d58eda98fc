/** The workloads whose every crash state is looked at. Each leaves a journal on its disk. */
import path from 'node:path';
import type { StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import {
  HEADS_FILE,
  indexFile,
  sealedNumber,
  segmentNumber,
  WATERMARK_FILE,
} from '../../dist/shared/format/file-names.js';
import {
  COMPACTING,
  checkCompaction,
  compactDying,
  compactNewestDying,
  deletedInNewest,
  deletedStream,
} from './compaction.js';
import type { CrashState } from './crash-states.js';
import { checkDeletion, deleteStreams } from './deletion.js';
import { expectSame, type Promised, readAll } from './history.js';
import { type Image, withoutFiles } from './image.js';
import { InlineRuntime, type Pokes } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';
import { checkRetention, RETAINING, retain } from './retention.js';
import { checkRetentionDeleted, deletedTwice, retainDeleted } from './retention-deleted.js';
import { contentOf, DIR, OPTIONS, Session } from './session.js';

const KiB = 1024;

/** How well a store's random bytes are compressed is another matter at each run, and a state is to be made again from its name. */
const SEALING: StoreOptions = { ...OPTIONS, compression: 'none' };

/** A disk on which a store is already, and what it had promised. */
export interface Start {
  readonly image: Image;
  readonly promised: Promised;
}

export interface Scenario {
  /** What a state's name begins with. */
  readonly id: string;
  readonly name: string;
  readonly pokes: Pokes;
  readonly options?: StoreOptions;
  /** Where it begins, perhaps with a damaged store; by default on an empty disk. */
  readonly start?: () => Promise<Start>;
  /** What must hold for each of its states; by default what {@link checkRecovery} looks at. */
  readonly check?: (state: CrashState<Promised>) => Promise<void>;
  /** The store is to be opened with what {@link start} had promised; what is not a store's work is done on its storage. */
  run(session: Session, before: Promised): Promise<void>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    id: 'new-store',
    name: 'a new store, closed and opened before its first append',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.close();
      await session.open();
      await session.append('a', 100);
      await session.close();
    },
  },
  {
    id: 'group-commits',
    name: 'appends, batches and appendMany in group commits, a close and a reopen',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.append('a', 100);
      await session.append('b', 700, 900, 1100);
      session.idle();
      await Promise.all([
        session.append('a', 300),
        session.appendMany({ stream: 'a', sizes: [600, 200] }, { stream: 'c', sizes: [1500] }),
        session.append('b', 10, 10, 10),
      ]);
      await session.appendKeyed('keyed', 'order-1', 400);
      await session.close();
      await session.open();
      await session.appendMany({ stream: 'd', sizes: [2500] }, { stream: 'a', sizes: [2500, 10] });
      await session.appendKeyed('keyed', 'order-2', 900);
      await session.close();
    },
  },
  {
    id: 'rotation-ready',
    name: 'rotation with everything made ready ahead',
    pokes: 'at-once',
    run: rotate,
  },
  {
    id: 'rotation-late',
    name: 'rotation while the next segment is being made ready',
    pokes: 'late',
    run: rotate,
  },
  {
    id: 'rotation-alone',
    name: 'rotation where nothing was made ready',
    pokes: 'never',
    async run(session) {
      await session.open();
      for (let i = 0; i < 3; i++) await session.append('a', 40 * KiB);
      await session.close();
    },
  },
  {
    id: 'process-deaths',
    name: 'processes that die in the middle of an append',
    pokes: 'late',
    async run(session) {
      await session.open();
      await session.dieAppending('die-before-sync', 'a', 900);
      await session.open();
      await session.append('b', 3 * KiB, 2 * KiB);
      await session.appendKeyed('keyed', 'order-1', 5 * KiB);
      session.idle();
      await session.dieAppending('die-in-write', 'a', 2 * KiB, 6 * KiB);
      await session.open();
      await session.append('a', 14 * KiB);
      await session.append('a', 26 * KiB, 3 * KiB);
      // Into the next segment.
      await session.dieAppending('die-before-sync', 'b', 16 * KiB);
      await session.open();
      await session.append('b', 40 * KiB);
      await session.dieAppending('die-in-write', 'a', 12 * KiB);
      await session.open();
      await session.appendMany({ stream: 'a', sizes: [700] }, { stream: 'b', sizes: [700] });
      session.kill();
      await session.open();
      await session.close();
    },
  },
  {
    id: 'failed-syncs',
    name: 'syncs that fail',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.append('a', 900);
      await session.failAppending('a', 2 * KiB);
      await session.close();
      await session.open();
      await session.append('a', 50 * KiB);
      // The first frame of the next segment.
      await session.failAppending('b', 20 * KiB, 400);
      await session.close();
      await session.open();
      await session.append('b', 100);
      await session.failAppending('a', 100);
      await session.close();
      await session.open();
      await session.close();
    },
  },
  {
    id: 'enqueue',
    name: 'enqueue, appendSync and appends that do not wait for the disk, and a process that dies over them',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      const enqueued = [session.enqueue('a', 300), session.enqueue('b', 700, 900), session.enqueue('a', 10)];
      session.appendSync('a', 600);
      await Promise.all(enqueued);
      await session.appendWeakly('accepted', 'c', 1500);
      await session.appendWeakly('written', 'a', 400, 300);
      await session.flush();
      // In one group: the process dies when it is written, and not synced.
      const written = session.appendWeakly('written', 'b', 2 * KiB);
      void session.enqueue('a', 500);
      await session.dieAppending('die-before-sync', 'a', 900);
      await written;
      await session.open();
      const last = session.enqueue('a', 3 * KiB, 10);
      await session.close();
      await last;
      await session.open();
      session.appendSync('c', 100, 100);
      await session.close();
    },
  },
  {
    id: 'preallocation',
    name: 'zeros written ahead of the log, several times a segment, and groups too large for that',
    pokes: 'at-once',
    // Room for two lots of zeros.
    options: { ...OPTIONS, segmentBytes: 544 * KiB },
    async run(session) {
      await session.open();
      await session.append('a', 700);
      // Up to the end of the zeros, and beyond it.
      for (let i = 0; i < 4; i++) await session.append('a', 58 * KiB);
      await session.append('b', 40 * KiB);
      await session.dieAppending('die-in-write', 'a', 9 * KiB);
      await session.open();
      // The file was cut off behind the log: it grows again.
      await session.append('b', 900);
      await session.append('big', 80 * KiB);
      await session.append('a', 700);
      await session.append('big', 88 * KiB);
      // Into the next segment, alone and with zeros.
      await session.append('big', 90 * KiB);
      await session.append('a', 700);
      await session.close();
    },
  },
  {
    id: 'full-disk',
    name: 'a full disk that takes nothing, half of a frame or all of it, and has space again',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      await session.append('a', 900);
      await session.refuseAppending('no-space', 'b', 2 * KiB);
      await session.resume();
      await session.append('b', 700);
      await session.refuseAppending('space-for-half', 'a', 5 * KiB, 400);
      await session.resume();
      await session.appendKeyed('keyed', 'order-1', 700);
      // What was refused is repeated.
      await session.append('a', 5 * KiB, 400);
      session.idle();
      await session.append('a', 50 * KiB);
      // The first frame of a segment.
      await session.refuseAppending('space-for-half', 'a', 20 * KiB);
      await session.resume();
      await session.append('c', 20 * KiB);
      await session.append('a', 40 * KiB);
      await session.appendIntoLastSpace('b', 9 * KiB, 10);
      await session.refuseAppending('no-space', 'b', 2 * KiB);
      await session.resume();
      await session.refuseAppending('space-for-half', 'b', 3 * KiB);
      // Closed, and killed, while there is no space.
      await session.close();
      await session.open();
      await session.append('a', 40 * KiB);
      await session.refuseAppending('space-for-half', 'a', 22 * KiB);
      session.kill();
      await session.open();
      await session.append('a', 100);
      await session.close();
    },
  },
  {
    id: 'checkpoints',
    name: 'checkpoints of several blocks of streams and keys, which replace each other',
    pokes: 'at-once',
    async run(session) {
      await session.open();
      for (let round = 0; round < 2; round++) {
        // Some streams are new in each round, some are not.
        for (let part = 0; part < 2; part++) {
          const streams = Array.from({ length: 70 }, (_, i) => `stream-${round * 60 + part * 60 + i}`);
          await session.appendMany(...streams.map((stream) => ({ stream, sizes: [10] })));
        }
        await Promise.all(Array.from({ length: 70 }, (_, i) => session.appendKeyed(`keyed-${i}`, `${round}-${i}`, 10)));
        // The next segment, and with it a checkpoint.
        await session.append('filler', 40 * KiB);
      }
      await session.close();
      await session.open();
      await session.append('stream-1', 100);
      session.kill();
      await session.open();
      await session.appendKeyed('keyed-1', 'late', 10);
      await session.close();
    },
  },
  {
    id: 'openings',
    name: 'processes that die at each step of opening, making a store and mending one',
    pokes: 'at-once',
    async run(session) {
      for (let changes = 0; await session.dieOpening(changes); changes++);
      await session.open();
      await session.append('a', 900);
      await session.dieAppending('die-in-write', 'a', 3 * KiB);
      for (let changes = 0; await session.dieOpening(changes); changes++);
      await session.open();
      await session.append('b', 900);
      await session.close();
    },
  },
  {
    id: 'sealing',
    name: 'segments that are sealed, by processes that die at each step of it, and appends meanwhile',
    pokes: 'at-once',
    options: SEALING,
    check: checkSealing,
    async run(session) {
      await session.open();
      await session.append('a', 40 * KiB);
      await session.append('b', 30 * KiB, 900);
      for (let changes = 0; await session.dieSealing(changes); changes++) {
        await session.open();
        if (changes % 4 === 0) await session.append('c', 100);
      }
      await session.open();
      await session.append('a', 40 * KiB);
      const sealing = session.seal();
      await session.append('a', 10 * KiB, 700);
      await sealing;
      await session.close();
      await session.open();
      await session.append('a', 50 * KiB);
      await session.seal();
      await session.close();
    },
  },
  {
    id: 'retention',
    name: 'segments that retention removes, by processes that die at each step of it, and appends meanwhile',
    pokes: 'at-once',
    options: RETAINING,
    check: checkRetention,
    run: retain,
  },
  {
    id: 'compaction',
    name: 'segments that are compacted, by processes that die at each step of it, and an append meanwhile',
    pokes: 'at-once',
    options: COMPACTING,
    start: deletedStream,
    check: checkCompaction,
    run: compactDying,
  },
  {
    id: 'compaction-newest',
    name: 'a segment that is compacted before it is full, by processes that die at each step of it, and an append meanwhile',
    pokes: 'late',
    options: COMPACTING,
    start: deletedInNewest,
    check: checkCompaction,
    run: compactNewestDying,
  },
  {
    id: 'deletion',
    name: 'streams that are deleted, by processes that die at each step of it, and a checkpoint behind them',
    pokes: 'at-once',
    check: checkDeletion,
    run: deleteStreams,
  },
  {
    id: 'retention-deleted',
    name: 'segments that retention removes of a store with deleted streams, by processes that die at each step of it',
    pokes: 'at-once',
    options: RETAINING,
    start: deletedTwice,
    check: checkRetentionDeleted,
    run: retainDeleted,
  },
  {
    id: 'derived-files-gone',
    name: 'a store whose watermark and checkpoint somebody has removed',
    pokes: 'at-once',
    async start() {
      const session = new Session();
      await session.open();
      await session.append('a', 60 * KiB);
      await session.appendKeyed('keyed', 'order-1', 900);
      await session.append('b', 100);
      await session.close();
      const { promised, disk } = session;
      const removed = [WATERMARK_FILE, HEADS_FILE].map((file) => path.join(DIR, file));
      return { promised, image: withoutFiles(disk.image(), removed) };
    },
    async run(session, before) {
      await session.open(before);
      await session.append('a', 900);
      await session.appendKeyed('keyed', 'order-2', 900);
      await session.dieAppending('die-in-write', 'b', 2 * KiB);
      await session.open();
      await session.close();
    },
  },
];

/** What is full is sealed, or is so by another attempt, and nothing changes by it. */
async function checkSealing(state: CrashState<Promised>): Promise<void> {
  await checkRecovery(state.image, state.note, SEALING);
  const disk = new MemoryDisk(state.image);
  const store = await openStoreOn(SEALING, new InlineRuntime(disk));
  const before = await readAll(store);
  await store.seal();
  const after = await readAll(store);
  expectSame(
    after.slice(0, before.length).map(({ id }) => id),
    before.map(({ id }) => id),
  );
  // What opening has found, the store notes by itself, and it need not have done so yet.
  expectSame(
    after.slice(before.length).filter(({ stream }) => stream !== '$store'),
    [],
    'new events',
  );
  expectSame((await store.verify({ deep: true })).problems, [], 'what does not verify');
  const raw = disk.list(DIR).filter((file) => segmentNumber(file) !== undefined);
  const used = raw.filter((file) => contentOf(disk.image(), file).some((byte) => byte !== 0));
  if (used.length > 1) throw new Error(`not sealed: ${used.join()}`);
  const sealed = disk.list(DIR).map(sealedNumber);
  const bare = sealed.filter((number) => number !== undefined && !disk.exists(path.join(DIR, indexFile(number))));
  if (bare.length > 0) throw new Error(`not indexed: ${bare.join()}`);
  await store.close();
}

async function rotate(session: Session): Promise<void> {
  await session.open();
  for (let i = 0; i < 4; i++) await session.append('a', 6 * KiB, 5 * KiB);
  await session.appendMany({ stream: 'b', sizes: [9 * KiB] }, { stream: 'a', sizes: [4 * KiB] });
  // Two appends that do not fit into what is left, in one group commit.
  await Promise.all([session.append('c', 7 * KiB), session.appendKeyed('keyed', 'order-1', 3 * KiB)]);
  for (let i = 0; i < 3; i++) await session.append('a', 14 * KiB);
  session.idle();
  // Larger than a segment.
  await session.append('big', 40 * KiB, 38 * KiB);
  await session.append('a', 100);
  await session.close();
  await session.open();
  await session.append('a', 5 * KiB);
  await session.close();
}
