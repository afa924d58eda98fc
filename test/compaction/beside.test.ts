/** What else there is to a store, with compacted segments: backups, retention, repair. */
import fs from 'node:fs';
import path from 'node:path';
import { repairStore, restoreStore, type Store } from 'keeperlog';
import { describe, expect, it, vi } from 'vitest';
import { listOf } from '../backup/kit.js';
import { open, reopen, temporaryDir } from '../support/stores.js';
import { everything, fill, rawText } from './kit.js';

/** A store of which a stream was deleted, none of whose events is in the newest segment. */
async function deleted(options: object = {}): Promise<Store> {
  const store = await open(options);
  await fill(store, 4000);
  await store.deleteStream('user-42');
  await store.append(
    'filler',
    Array.from({ length: 500 }, () => ({ type: 'Filled', data: 'x'.repeat(2500) })),
  );
  return store;
}

describe('a backup', () => {
  it('has what was compacted anew, and restores it', async () => {
    const store = await deleted();
    await store.seal();
    const backup = temporaryDir();
    await store.backup(backup);
    expect(await rawText(backup, 1)).toContain('user-42 what');
    const { segments } = await store.compact();
    const report = await store.backup(backup);
    // And the newest one, where it has grown.
    expect(report.copiedSegments).toBe(segments);
    expect((await store.backup(backup)).copiedSegments).toBe(0);
    expect(await rawText(backup, 2)).not.toContain('user-42 what');
    const before = await everything(store);
    const dir = temporaryDir();
    await restoreStore(backup, dir);
    const restored = await open({ dir });
    expect(await everything(restored)).toEqual(before);
    expect(await restored.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
    expect(await restored.compact()).toMatchObject({ segments: 0, events: 0 });
    expect((await restored.checkpoint()).size).toBeGreaterThan(0);
    expect(listOf(backup).content!.segments.length).toBe(store.stats().segments);
  });
});

describe('retention', () => {
  it('removes compacted segments, after which streams go on', async () => {
    const store = await deleted();
    await store.compact();
    const { root, size } = await store.checkpoint();
    const { bytes } = store.stats();
    const revision = (await store.head('kept'))!.revision!;
    const again = await reopen(store, { retention: { maxBytes: Math.floor(bytes / 2) }, sealing: 'background' });
    await vi.waitFor(() => expect(again.stats().floor).toBeGreaterThan(1), { timeout: 30_000, interval: 20 });
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
    expect(await again.append('kept', { type: 'T' }, { expect: revision })).toMatchObject({ revision: revision + 1 });
    expect(await again.append('user-42', { type: 'T' }, { expect: 1200 })).toMatchObject({ revision: 1201 });
    const later = await again.checkpoint();
    expect(later.size).toBeGreaterThan(size);
    expect(root).not.toBe(later.root);
  });
});

describe('a repair', () => {
  it('keeps what is left of a compacted segment, and takes nothing that was removed for lost', async () => {
    const store = await deleted();
    await store.compact();
    const kept = (await store.read().toArray()).map((row) => JSON.stringify(row));
    const { dir } = store.stats();
    await store.close();
    const file = path.join(dir, 'segment-0000000001.sealed');
    const bytes = fs.readFileSync(file);
    const at = Math.floor(bytes.length / 3);
    bytes[at] = bytes[at]! ^ 1;
    fs.writeFileSync(file, bytes);
    const report = await repairStore(dir);
    expect(report).toMatchObject({ damaged: true, repaired: true });
    expect(report.lost.length).toBeGreaterThan(0);
    const again = await open({ dir });
    const left = await again.read().toArray();
    const lost = report.lost.reduce(
      (sum, { firstSequence, lastSequence }) => sum + lastSequence - firstSequence + 1,
      0,
    );
    // A block of 64 KiB has events of two groups at most, besides what was removed between them.
    expect(kept.length - left.length).toBeLessThanOrEqual(lost);
    expect(kept.length - left.length).toBeGreaterThan(0);
    expect(left.map((row) => JSON.stringify(row)).filter((row) => !kept.includes(row))).toEqual([]);
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
    // Written anew, it is a raw one, which is sealed and compacted as any other.
    const rows = left.map((row) => JSON.stringify(row));
    await again.compact();
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
    expect((await again.read().toArray()).map((row) => JSON.stringify(row))).toEqual(rows);
    expect(await repairStore({ dir: (await reopenClosed(again)).dir })).toMatchObject({ damaged: false });
  });
});

async function reopenClosed(store: Store): Promise<{ dir: string }> {
  const { dir } = store.stats();
  await store.close();
  return { dir };
}
