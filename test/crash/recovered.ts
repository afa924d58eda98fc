/** What must hold for a store on whatever a crash has left. */
import { expect } from 'vitest';
import type { Store } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { onlyDurable } from './crash-states.js';
import { findCalls, type Promised, readAll } from './history.js';
import type { Image } from './image.js';
import { InlineRuntime } from './inline-runtime.js';
import { MemoryDisk } from './memory-disk.js';
import { inputs, NOTHING, OPTIONS } from './session.js';

/**
 * Open the store and look at everything; append; cut the power once more, with the least that may be left; look again.
 * @throws where anything is not as it must be
 */
export async function checkRecovery(image: Image, promised: Promised = NOTHING): Promise<void> {
  const disk = new MemoryDisk(image);
  const runtime = new InlineRuntime(disk);
  const store = await openStoreOn(OPTIONS, runtime);
  const before = await readAll(store);
  const present = findCalls(before, promised);
  await expectSound(store);
  const added = await repeatKeyed(store, promised, present);
  const { ids } = await store.append('after', { type: 'Recovered' });
  expect(Number(ids[0]!.split('_')[1])).toBe((before.at(-1)?.sequence ?? 0) + torn(store) + added + 1);
  runtime.kill();

  const rest = new InlineRuntime(new MemoryDisk(onlyDurable(disk.base, disk.journal)));
  const again = await openStoreOn(OPTIONS, rest);
  const after = await readAll(again);
  expect(after.slice(0, before.length).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  expect(after.at(-1)!.id).toBe(ids[0]);
  await expectSound(again);
  rest.kill();
}

async function expectSound(store: Store): Promise<void> {
  const report = await store.verify({ deep: true });
  expect(report.problems).toEqual([]);
}

/** Append the newest call with a key once more: it must not be there twice. Returns how many events that has added. */
async function repeatKeyed(store: Store, { calls }: Promised, present: number): Promise<number> {
  const number = calls.findLastIndex(({ key }) => key !== undefined);
  const call = calls[number];
  if (call === undefined) return 0;
  const { stream } = call.events[0]!;
  const { duplicate, ids } = await store.append(stream, inputs(call, stream, number + 1));
  expect(duplicate).toBe(number < present);
  if (duplicate && call.ids !== undefined) expect(ids).toEqual(call.ids);
  return duplicate ? 0 : call.events.length;
}

/** How many events the store adds by itself when it has set a torn tail aside. */
function torn(store: Store): number {
  return store.stats().recovery.tornFile === undefined ? 0 : 1;
}
