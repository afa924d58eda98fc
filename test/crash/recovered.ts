/** What must hold for a store on whatever a crash has left. */
import { expect } from 'vitest';
import type { RecordedEvent, Store, StoreOptions } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { onlyDurable } from './crash-states.js';
import { expectSame, findCalls, type Promised, readAll } from './history.js';
import type { Image } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { contentOf, inputs, NOTHING, OPTIONS } from './session.js';

/** So many streams are looked up in each state. */
const LOOKED_UP = 16;

/**
 * Open the store and look at everything; append; cut the power once more, with the least that may be left; look again.
 * @throws where anything is not as it must be
 */
export async function checkRecovery(
  image: Image,
  promised: Promised = NOTHING,
  options: StoreOptions = OPTIONS,
): Promise<void> {
  const disk = new MemoryDisk(image);
  const runtime = new InlineRuntime(disk);
  const store = await openStoreOn(options, runtime);
  expectTornFiles(image, promised);
  const before = await readAll(store, promised.calls);
  const present = findCalls(before, promised);
  await expectSound(store);
  await expectHeads(store, before);
  const added = (await goOn(store, before)) + (await repeatKeyed(store, promised, present));
  const { ids } = await store.append('after', { type: 'Recovered' });
  expect(Number(ids[0]!.split('_')[1])).toBe((before.at(-1)?.sequence ?? 0) + torn(store) + added + 1);
  runtime.kill();

  const rest = new InlineRuntime(new MemoryDisk(onlyDurable(disk.base, disk.journal)));
  const again = await openStoreOn(options, rest);
  const after = await readAll(again, promised.calls);
  expectSame(
    after.slice(0, before.length).map(({ id }) => id),
    before.map(({ id }) => id),
  );
  expectSame(after.at(-1)!.id, ids[0]);
  await expectSound(again);
  await expectHeads(again, after);
  rest.kill();
}

async function expectSound(store: Store): Promise<void> {
  const report = await store.verify({ deep: true });
  if (report.problems.length > 0) throw new Error(report.problems.map(({ message }) => message).join('\n'));
}

/** What recovery has told of was kept. */
function expectTornFiles(image: Image, promised: Promised): void {
  for (const [file, bytes] of promised.torn) {
    expect(contentOf(image, file)?.equals(bytes), `${file} is there, and whole`).toBe(true);
  }
}

/** The last event of each stream but the store's own, to which it may just append; what ended first comes first. */
function headsOf(rows: readonly RecordedEvent[]): RecordedEvent[] {
  const heads = new Map<string, RecordedEvent>();
  for (const row of rows) {
    if (row.stream === '$store') continue;
    heads.delete(row.stream);
    heads.set(row.stream, row);
  }
  return [...heads.values()];
}

/** The store knows where its streams end. */
async function expectHeads(store: Store, rows: readonly RecordedEvent[]): Promise<void> {
  const heads = headsOf(rows);
  const every = Math.ceil(heads.length / LOOKED_UP);
  for (const { stream, sequence, revision, id } of heads.filter((_, i) => i % every === 0)) {
    expectSame(await store.head(stream), { sequence, revision, id });
  }
}

/** Append to the streams that ended first and last, at just the revision that was found. Returns how many events. */
async function goOn(store: Store, rows: readonly RecordedEvent[]): Promise<number> {
  const heads = headsOf(rows);
  const ends = new Set([heads[0], heads.at(-1)].filter((head) => head !== undefined));
  for (const { stream, revision } of ends) {
    const appended = await store.append(stream, { type: 'WentOn' }, { expect: revision });
    expectSame(appended.revision, revision + 1);
  }
  return ends.size;
}

/**
 * Append the oldest and the newest call with a key once more, and the newest that is there: none must be there twice.
 * Returns how many events that has added.
 */
async function repeatKeyed(store: Store, { calls }: Promised, present: number): Promise<number> {
  const keyed = Array.from(calls.keys()).filter((number) => calls[number]!.key !== undefined);
  const repeated = new Set([keyed[0], keyed.findLast((number) => number < present), keyed.at(-1)]);
  let added = 0;
  for (const number of repeated) {
    if (number === undefined) continue;
    const call = calls[number]!;
    const { stream } = call.events[0]!;
    const { duplicate, ids } = await store.append(stream, inputs(call, stream, number + 1));
    expectSame(duplicate, number < present);
    if (duplicate && call.ids !== undefined) expectSame(ids, call.ids);
    if (!duplicate) added += call.events.length;
  }
  return added;
}

/** How many events the store adds by itself when it has set a torn tail aside. */
function torn(store: Store): number {
  return store.stats().recovery.tornFile === undefined ? 0 : 1;
}
