/** Compaction while everything else goes on: appends, deletions, retention, backups, verification, proofs, and reads here and beside. */
import { setTimeout } from 'node:timers/promises';
import { isKeeperError, restoreStore, type Store } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { expect, it } from 'vitest';
import { random } from '../faults/load.mjs';
import { effort, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { open, temporaryDir } from '../support/stores.js';
import { Told } from './told.js';

const SEGMENT_BYTES = 65_536;
const RETAINED_BYTES = 8 * SEGMENT_BYTES;
const OPTIONS = {
  segmentBytes: SEGMENT_BYTES,
  sealing: 'background',
  compression: 'none',
  // Reads go to the files.
  cacheBytes: 65_536,
  retention: { maxBytes: RETAINED_BYTES },
} as const;
const STREAMS = Array.from({ length: 8 }, (_, i) => `s${i}`);
const APPENDERS = 3;
const BETWEEN_DELETIONS = 60;
/** Appends wait while so many events are not sealed: they are faster than the rest. */
const MOST_AHEAD = 300;
/** So much of everything is done, at least. */
const WANTED = {
  'segments compacted': effort(4, 300),
  'events removed': effort(50, 10_000),
  'events below the floor': effort(60, 10_000),
  deletions: effort(4, 100),
  backups: effort(2, 100),
  reads: effort(2, 100),
  verifications: effort(2, 100),
  proofs: effort(4, 200),
};
type What = keyof typeof WANTED;

it(
  'takes nothing else, and brings nothing back',
  async () => {
    const store = await open(OPTIONS);
    const beside = await open({ dir: store.stats().dir, readOnly: true });
    const backup = temporaryDir();
    const told = new Told();
    for (const stream of STREAMS) await told.append(store, stream, 'first', 5);
    const first = await store.checkpoint();

    const done = new Map<What, number>();
    const add = (what: What, count = 1): void => void done.set(what, (done.get(what) ?? 0) + count);
    const isDone = (): boolean =>
      Object.entries(WANTED).every(([what, wanted]) => (done.get(what as What) ?? 0) >= wanted);
    const next = random(SEED);
    const anyOf = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)]!;
    let isOver = false;
    /** The same over and over, until all is done, or something fails. */
    const over = async (work: () => Promise<unknown>): Promise<void> => {
      try {
        while (!isOver) {
          await work();
          await turn();
          isOver ||= isDone();
        }
      } finally {
        isOver = true;
      }
    };
    const untilNot = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
      while (!isOver && (await isSo())) await setTimeout(2);
    };

    const appending = async (): Promise<void> => {
      await told.append(store, anyOf(STREAMS), `event ${told.events.size}`, anyOf([1, 2, 3, 6]));
      await untilNot(() => isFarAhead(store));
    };
    const deleting = async (): Promise<void> => {
      const enough = told.events.size + BETWEEN_DELETIONS;
      await untilNot(() => told.events.size < enough);
      await told.deleteStream(store, anyOf(STREAMS));
      add('deletions');
    };
    const compacting = async (): Promise<void> => {
      const { segments, events } = await store.compact();
      add('segments compacted', segments);
      add('events removed', events);
    };
    const keeping = async (): Promise<void> => {
      await Promise.all([
        store.backup(backup).then(() => add('backups')),
        readAll(store, told, anyOf(STREAMS)).then(() => add('reads')),
        expectIntact(store).then(() => add('verifications')),
      ]);
      // Whoever begins with the first event holds it: now nobody does, until retention has had its turn.
      await untilNot(() => store.stats().bytes > RETAINED_BYTES + 3 * SEGMENT_BYTES);
      done.set('events below the floor', store.stats().floor - 1);
    };
    const readingBeside = async (): Promise<void> => {
      const read = told.checkRead(beside, () => beside.read().toArray(), { isBeside: true });
      await read.catch((error: unknown) => {
        // Nothing holds segments for who is not the writer.
        if (!isKeeperError(error, 'ERR_PRUNED')) throw error;
      });
    };
    const proving = async (): Promise<void> => {
      if (await prove(store, told, anyOf(told.left(store.stats().floor)))) add('proofs');
    };
    await Promise.all([
      ...Array.from({ length: APPENDERS }, () => over(appending)),
      ...[deleting, compacting, keeping, readingBeside, proving].map(over),
    ]);

    await store.compact();
    await told.checkAll(store);
    const { lastSequence } = await store.backup(backup);
    const { publicKey } = await store.checkpoint();
    await verifyProof(await store.proveConsistency(first.size), { keys: publicKey, checkpoint: first.text });
    for (const sequence of told.left(store.stats().floor)) {
      if (told.events.get(sequence)!.digest !== undefined) await prove(store, told, sequence);
    }
    const dir = temporaryDir();
    await restoreStore(backup, dir);
    const restored = await open({ dir });
    expect(restored.stats().durable).toBe(lastSequence);
    await told.checkAll(restored);
    for (const [what, count] of done) tally('compaction beside the rest', what, count);
  },
  TIMEOUT_MS,
);

/** Let others go on. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function isFarAhead(store: Store): Promise<boolean> {
  const { durable, sealed } = await store.watermarks();
  return durable - sealed > MOST_AHEAD;
}

async function readAll(store: Store, told: Told, stream: string): Promise<void> {
  await told.checkRead(store, () => store.read().toArray());
  const backwards = store.read({}, { direction: 'backwards' });
  await told.checkRead(store, async () => (await backwards.toArray()).reverse());
  const queried = store.query({ where: { stream: { eq: stream } } });
  await told.checkRead(store, () => queried.toArray(), { wanted: (known) => known.stream === stream });
}

async function expectIntact(store: Store): Promise<void> {
  expect((await store.verify({ deep: true })).problems).toEqual([]);
}

/** An event has the digest that it had, and a proof. Returns false where it has gone meanwhile. */
async function prove(store: Store, told: Told, sequence: number): Promise<boolean> {
  const known = told.events.get(sequence)!;
  try {
    const digest = await store.digest(known.id);
    expect(digest).toBe(known.digest ?? digest);
    known.digest = digest;
    const proof = await store.prove(known.id);
    const { publicKey } = await store.checkpoint();
    await verifyProof(proof, { keys: publicKey, digest });
    return true;
  } catch (error) {
    const isGone = sequence < store.stats().floor || !told.isThere(sequence);
    if (isGone && (isKeeperError(error, 'ERR_NOT_FOUND') || isKeeperError(error, 'ERR_PRUNED'))) return false;
    throw error;
  }
}
