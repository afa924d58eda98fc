/** Backups while segments are compacted all the time. */
import { restoreStore, type Store } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, it } from 'vitest';
import { nodeStorage } from '../../dist/shared/storage.js';
import { backUp } from '../../dist/workers/backup/backup.js';
import { TIMEOUT_MS } from '../support/effort.js';
import { temporaryDir } from '../support/stores.js';
import { listOf, open } from './kit.js';

const STREAMS = 24;
const PER_STREAM = 45;
const TEXT = 'what an agent has to say about its work, '.repeat(6);

/** Segments in each of which there are events of all streams. */
async function mixed(): Promise<Store> {
  const store = await open({ segmentBytes: 65_536, idempotency: { maxKeys: 0 } });
  for (let round = 0; round < PER_STREAM; round++) {
    await store.appendMany(
      Array.from({ length: STREAMS }, (_, i) => ({
        stream: `s${i}`,
        events: { type: 'Said', data: `${round} ${TEXT}` },
      })),
    );
  }
  expect(store.stats().segments).toBeGreaterThan(5);
  return store;
}

/** What a backup has must be of one moment: what is missing in it was deleted in it, and is in its tree. */
async function expectWhole(backup: string, store: Store): Promise<number> {
  const dir = temporaryDir();
  const { lastSequence } = await restoreStore(backup, dir);
  const restored = await open({ dir });
  expect(await restored.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  let deleted = 0;
  for (let i = 0; i < STREAMS; i++) {
    const rows = await restored.readStream(`s${i}`).toArray();
    if (rows.length === PER_STREAM) continue;
    deleted++;
    expect(rows.map(({ type }) => type)).toEqual(['$tombstone']);
  }
  expect(lastSequence).toBe(STREAMS * PER_STREAM + deleted);
  // With the digests of what is gone: the store's own tree begins with just these.
  const { publicKey, text, size } = await restored.checkpoint();
  expect(size).toBe(lastSequence);
  const keys = [publicKey, (await store.checkpoint()).publicKey];
  await verifyProof(await store.proveConsistency(size), { keys, checkpoint: text });
  return deleted;
}

describe.each([
  ['are held open', 256],
  ['are too many to be held open', 0],
])('a backup whose files %s', (_, mostHeld) => {
  it.each([
    ['sealed', true],
    ['not sealed yet', false],
  ])(
    'ends, and is of one moment, where segments that were %s are compacted at every step',
    { timeout: TIMEOUT_MS },
    async (_, isSealed) => {
      const store = await mixed();
      if (isSealed) await store.seal();
      const { dir, durable } = store.stats();
      const backup = temporaryDir();
      let left = STREAMS;
      let copied = 0;
      let seen = 0;
      const hooks = {
        mostHeld,
        // Once for each segment that is copied.
        async pause() {
          if (copied === seen || left === 0) return;
          seen = copied;
          await store.deleteStream(`s${--left}`);
          await store.seal();
          expect((await store.compact()).segments).toBeGreaterThan(0);
        },
        onProgress({ segments }: { segments: number }) {
          copied = segments;
        },
      };
      await backUp(nodeStorage, { kind: 'backup', dir, to: backup, durable }, hooks);
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThan(STREAMS - 2);
      // As it was when it began, or with as much of what came since as it needs.
      expect((await expectWhole(backup, store)) > 0).toBe(mostHeld === 0);
      // The next one has what was compacted anew.
      await store.compact();
      const { segments, copiedSegments } = await store.backup(backup);
      expect(copiedSegments).toBeGreaterThan(segments / 2);
      expect(await expectWhole(backup, store)).toBe(STREAMS - left);
      expect(listOf(backup).number).toBe(2);
    },
  );
});
