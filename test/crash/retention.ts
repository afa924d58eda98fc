/** Retention cut off at each step, and what must hold for a log whose beginning is gone. */
import path from 'node:path';
import type { Store, StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { baseFloor, HEADS_FILE, sealedNumber, segmentNumber } from '../../dist/shared/format/file-names.js';
import { readManifest } from '../../dist/shared/inspect.js';
import { verifyProof } from '../../dist/shared/portable/proof/index.js';
import type { ReadStorage } from '../../dist/shared/storage.js';
import { type CrashState, onlyDurable } from './crash-states.js';
import { type Call, expectSame, findCalls, NOTHING, type Promised } from './history.js';
import { type Image, withoutFiles } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { DIR, inputs, OPTIONS, type Session } from './session.js';

const KiB = 1024;
/** Two segments, of some two events each. */
const MAX_BYTES = 128 * KiB;

/** Blocks as they are: how well random bytes are compressed is another matter at each run. */
export const KEEPING: StoreOptions = { ...OPTIONS, compression: 'none' };
export const RETAINING: StoreOptions = { ...OPTIONS, compression: 'none', retention: { maxBytes: MAX_BYTES } };

/** Changes of the disk: from the last one of an opening on, and those behind the edit of the manifest. */
const CHANGES = { opening: 10, pruning: [24, 25, 26, 27] } as const;

/** Segments that go, in processes that die at each step of it; then beside appends. */
export async function retain(session: Session): Promise<void> {
  await fill(session, 3);
  for (let changes = CHANGES.opening; await session.dieRetaining(changes); changes++);
  // Each opening goes on where the one before it has ended; so that the last steps are come by as well, there is more to do.
  for (const changes of CHANGES.pruning) {
    await fill(session, 1);
    await session.dieRetaining(changes);
  }
  session.options = { ...RETAINING, sealing: 'background' };
  await session.open();
  await session.append('a', 29 * KiB, 29 * KiB);
  await session.append('b', 29 * KiB, 700);
  await session.append('a', 29 * KiB);
  await session.retained();
  await session.close();
  await session.open();
  await session.close();
}

/** More segments, sealed and audited: retention has nothing else to do with them. */
async function fill(session: Session, segments: number): Promise<void> {
  session.options = KEEPING;
  await session.open();
  const { calls } = session.promised;
  await session.append(`stream-${calls.length}`, 900);
  for (let i = 0; i < segments; i++) {
    await session.append('a', 29 * KiB);
    await session.appendKeyed('keyed', `order-${calls.length}`, 29 * KiB);
  }
  await session.seal();
  await session.store.checkpoint();
  await session.close();
  session.options = RETAINING;
}

/** Opened as it is, and with its checkpoint lost, the store has what it must have. */
export async function checkRetention({ image, note = NOTHING }: CrashState<Promised>): Promise<void> {
  await checkPruned(image, note);
  await checkPruned(withoutFiles(image, [path.join(DIR, HEADS_FILE)]), note);
}

async function checkPruned(image: Image, promised: Promised): Promise<void> {
  const disk = new MemoryDisk(image);
  const runtime = new InlineRuntime(disk);
  // Nothing is removed while it is looked at.
  const store = await openStoreOn(KEEPING, runtime);
  expectTidy(disk);
  const present = await expectWhole(store, promised);
  const before = await store.read().toArray();
  await expectStreams(store, promised.calls.slice(0, present));
  await repeatKeyed(store, promised.calls.slice(0, present));
  runtime.kill();
  // What is left over was removed for good, or not at all.
  const rest = new InlineRuntime(new MemoryDisk(onlyDurable(disk.base, disk.journal)));
  const again = await openStoreOn(KEEPING, rest);
  const after = await again.read().toArray();
  expectSame(
    after.slice(0, before.length).map(({ id }) => id),
    before.map(({ id }) => id),
  );
  expectSame((await again.verify({ deep: true })).problems, [], 'what does not verify');
  rest.kill();
}

/** Only what the manifest names is there. */
export function expectTidy(disk: ReadStorage): void {
  const { firstSegment, base } = readManifest(disk, DIR)!;
  const files = disk.list(DIR);
  expectSame(
    files.filter((file) => (segmentNumber(file) ?? sealedNumber(file) ?? firstSegment) < firstSegment),
    [],
  );
  expectSame(
    files.filter((file) => baseFloor(file) !== undefined),
    base === undefined ? [] : [base.file],
  );
}

/** Whole calls are gone, the oldest, and no more than had to; all others are there. Returns how many there are with them. */
async function expectWhole(store: Store, { calls, acknowledged, torn }: Promised): Promise<number> {
  const { floor, bytes } = store.stats();
  let gone = 0;
  for (let next = 1; next < floor; gone++) next += calls[gone]!.events.length;
  const rows = await store.read().toArray();
  expectSame(
    rows.map(({ sequence }) => sequence),
    rows.map((_, i) => floor + i),
  );
  const left = { calls: calls.slice(gone), acknowledged: Math.max(0, acknowledged - gone), torn };
  const present = gone + findCalls(rows, left);
  expectSame((await store.verify({ deep: true })).problems, [], 'what does not verify');
  if (floor === 1) return present;
  if (bytes < MAX_BYTES - 128 * KiB) throw new Error(`too much is gone: ${bytes} bytes are left`);
  const { publicKey } = await store.checkpoint();
  for (const sequence of [1, floor - 1, floor]) await store.prove(sequence);
  await verifyProof(await store.prove(floor), { keys: publicKey, digest: await store.digest(floor) });
  return present;
}

/** Each stream goes on at its revision, whether its events are gone or not. */
async function expectStreams(store: Store, calls: readonly Call[]): Promise<void> {
  const revisions = new Map<string, number>();
  for (const { stream } of calls.flatMap(({ events }) => events)) {
    revisions.set(stream, (revisions.get(stream) ?? -1) + 1);
  }
  for (const [stream, expect] of revisions) {
    expectSame((await store.append(stream, { type: 'WentOn' }, { expect })).revision, expect + 1);
  }
}

/** None is there twice, though it may be gone. */
async function repeatKeyed(store: Store, calls: readonly Call[]): Promise<void> {
  for (const [number, call] of calls.entries()) {
    if (call.key === undefined) continue;
    const { stream } = call.events[0]!;
    const { duplicate, ids } = await store.append(stream, inputs(call, stream, number + 1));
    expectSame(duplicate, true);
    if (call.ids !== undefined) expectSame(ids, call.ids);
  }
}
