/** Backups of stores in which streams were deleted. */
import { restoreStore, type Store } from 'keeperlog';
import { describe, expect, it } from 'vitest';
import { logLines } from '../retention/kit.js';
import { temporaryDir } from '../support/stores.js';
import { eventsOf, fill, listOf, open } from './kit.js';

/** Whoever opens what a backup is restored to sees the same as before; who writes has the file of tombstones from then on. */
async function expectRestored(backup: string, events: readonly string[], why?: readonly string[]): Promise<void> {
  const dir = temporaryDir();
  await restoreStore(backup, dir);
  const reader = await open({ dir, readOnly: true });
  expect(await eventsOf(reader)).toEqual(events);
  for (const expected of [why, []]) {
    const { logger, lines } = logLines();
    const store = await open({ dir, logger });
    expect(await eventsOf(store)).toEqual(events);
    expect(await store.readStream('agent-1').toArray()).toMatchObject([{ type: '$tombstone' }]);
    await store.close();
    const told = lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields.why);
    if (expected !== undefined) expect(told).toEqual(expected);
  }
}

async function deleted(): Promise<Store> {
  const store = await open();
  await fill(store, 1500);
  await store.deleteStream('agent-1');
  await store.deleteStream('agent-2');
  return store;
}

describe('a backup of a store with deleted streams', () => {
  it('is restored to one in which they are deleted, behind a checkpoint of heads', async () => {
    const first = await deleted();
    const { dir } = first.stats();
    await first.close();
    const store = await open({ dir });
    const backup = temporaryDir();
    await store.seal();
    await store.backup(backup);
    expect(listOf(backup).content).toMatchObject({
      manifest: { format: 3, tombstones: 1501 },
      heads: { sequence: 1502 },
    });
    await expectRestored(backup, await eventsOf(store), ['missing']);
  });

  it('is so as well where only the log tells of them', async () => {
    const store = await deleted();
    const backup = temporaryDir();
    await store.backup(backup);
    await expectRestored(backup, await eventsOf(store));
  });

  it('tells of a first one that was not there yet when it began', async () => {
    const store = await open();
    await fill(store, 1500);
    const backup = temporaryDir();
    let deleting: Promise<unknown> | undefined;
    await store.backup(backup, {
      onProgress: () => {
        deleting ??= store.deleteStream('agent-1');
      },
    });
    await deleting;
    // The next one has it for sure; the one that was under way, if it came to it.
    const { manifest, segments } = listOf(backup).content!;
    if (segments.at(-1)!.lastSequence > 1500) expect(manifest).toMatchObject({ format: 3, tombstones: 1501 });
    await store.backup(backup);
    expect(listOf(backup).content!.manifest).toMatchObject({ format: 3, tombstones: 1501 });
    await expectRestored(backup, await eventsOf(store));
  });
});
