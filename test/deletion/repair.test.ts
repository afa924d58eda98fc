/** A repair does not bring back what was deleted. */
import fs from 'node:fs';
import path from 'node:path';
import { repairStore, type Store } from 'keeperlog';
import { expect, test } from 'vitest';
import { MANIFEST_FILE, segmentFile } from '../../dist/shared/format/file-names.js';
import { open } from '../support/stores.js';

/** Streams a and b, with three events each in a first segment; a is deleted in a second one, and b goes on in a third. */
async function closed(): Promise<string> {
  const store = await open({ segmentBytes: 65_536, maxEventBytes: 65_536, nodeId: 'node' });
  const large = { type: 'Noted', data: 'x'.repeat(11_000) };
  for (const stream of ['a', 'b', 'a', 'b', 'a', 'b']) await store.append(stream, large);
  await store.deleteStream('a');
  for (let i = 0; i < 6; i++) await store.append('b', large);
  expect(store.stats().segments).toBe(3);
  await store.close();
  return store.stats().dir;
}

/** @param lost the sequences that are not there any more */
async function expectDeleted(store: Store, [first, last] = [0, 0]): Promise<void> {
  const events = await store.read().toArray();
  expect(events.filter(({ stream, type }) => stream === 'a' && type === 'Noted')).toEqual([]);
  const left = [2, 4, 6, 8, 9, 10, 11, 12, 13].filter((sequence) => sequence < first || sequence > last);
  expect(events.filter(({ stream }) => stream === 'b').map(({ sequence }) => sequence)).toEqual(left);
  expect(await store.get(1)).toBeUndefined();
  expect((await store.verify({ deep: true })).problems).toEqual([]);
}

test('where the manifest was lost, the log tells of tombstones', async () => {
  const dir = await closed();
  fs.rmSync(path.join(dir, MANIFEST_FILE));
  await repairStore({ dir, nodeId: 'node' });
  await expectDeleted(await open({ dir, readOnly: true }));
  await expectDeleted(await open({ dir }));
});

test('where the tombstone itself was lost, its file tells of it', async () => {
  const dir = await closed();
  fs.rmSync(path.join(dir, segmentFile(2)));
  const { lost } = await repairStore({ dir });
  expect(lost).toHaveLength(1);
  const { firstSequence, lastSequence } = lost[0]!;
  expect(firstSequence).toBeLessThanOrEqual(7);
  expect(lastSequence).toBeGreaterThanOrEqual(7);
  await expectDeleted(await open({ dir, readOnly: true }), [firstSequence, lastSequence]);
  await expectDeleted(await open({ dir }), [firstSequence, lastSequence]);
});
