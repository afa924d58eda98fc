/** Compaction of what the newest segment holds: the log goes on in another one first. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { openStore, repairStore, restoreStore, type Store } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, it, vi } from 'vitest';
import { segmentFile } from '../../dist/shared/format/file-names.js';
import { listing, open, reopen, temporaryDir } from '../support/stores.js';
import { everything, fill, rawText } from './kit.js';

const NOTHING_LEFT = { keys: 0, unsealed: 0 };

/** A store smaller than one segment, of which a stream was deleted. */
async function deleted(options: object = {}): Promise<Store> {
  const store = await open({ segmentBytes: 16 * 1024 * 1024, ...options });
  await fill(store, 1000);
  await store.deleteStream('user-42');
  expect(store.stats().segments).toBe(1);
  return store;
}

function bytesOf(dir: string): number {
  return listing(dir)
    .filter(({ name }) => name.startsWith('segment-'))
    .reduce((sum, { size }) => sum + size, 0);
}

/** Whether there is anything of the deleted stream in any file of a log. */
async function isFound(dir: string): Promise<boolean> {
  const raw = fs.readdirSync(dir).filter((name) => name.endsWith('.log'));
  const texts = raw.map((name) => fs.readFileSync(path.join(dir, name), 'latin1'));
  return [await rawText(dir), ...texts].some((text) => text.includes('user-42 what'));
}

describe('a compaction of a store smaller than a segment', () => {
  it('frees the space of what was deleted, and changes nothing that is read', async () => {
    const store = await deleted();
    const { dir, durable } = store.stats();
    const before = await everything(store);
    const bytes = bytesOf(dir);
    expect(await isFound(dir)).toBe(true);
    const report = await store.compact();
    expect(report).toMatchObject({ segments: 1, events: 300, later: NOTHING_LEFT });
    expect(report.freedBytes).toBeGreaterThan(0);
    expect(bytesOf(dir)).toBeLessThan(bytes);
    expect(await isFound(dir)).toBe(false);
    expect(store.stats()).toMatchObject({ segments: 2, durable });
    expect(await everything(store)).toEqual(before);
    expect((await store.verify({ deep: true })).problems).toEqual([]);
    expect(await store.watermarks()).toMatchObject({ durable, sealed: durable });
    const again = await reopen(store);
    expect(await everything(again)).toEqual(before);
    expect((await again.verify({ deep: true })).problems).toEqual([]);
  });

  it('ends the newest segment only where something of it is to go', async () => {
    const store = await open({ segmentBytes: 16 * 1024 * 1024 });
    await store.append('a', { type: 'T', data: 'k', idempotencyKey: 'one' });
    await store.append('b', { type: 'T' });
    await store.deleteStream('a');
    expect(await store.compact()).toMatchObject({ segments: 0, later: { keys: 1, unsealed: 0 } });
    expect(store.stats().segments).toBe(1);
    await store.append('c', { type: 'T' });
    await store.deleteStream('c');
    expect(await store.compact()).toMatchObject({ segments: 1, events: 1, later: { keys: 1, unsealed: 0 } });
    const files = listing(store.stats().dir);
    expect(await store.compact()).toMatchObject({ segments: 0, later: { keys: 1, unsealed: 0 } });
    expect(listing(store.stats().dir)).toEqual(files);
  });

  it('lets the log go on: sequences, revisions, digests, proofs and times', async () => {
    const store = await deleted();
    const [first] = await store.readStream('kept', { limit: 1 }).toArray();
    const digest = await store.digest(first!.id);
    const old = await store.checkpoint();
    await store.compact();
    const { durable } = store.stats();
    expect((await store.head())?.sequence).toBe(durable);
    const { ids } = await store.append('user-42', { type: 'Back' }, { expect: 300 });
    expect((await store.get(ids[0]!))!).toMatchObject({ sequence: durable + 1, revision: 301 });
    expect(await store.digest(first!.id)).toBe(digest);
    const { publicKey, size } = await store.checkpoint();
    await verifyProof(await store.prove(first!.id), { keys: publicKey, digest });
    const consistency = await store.proveConsistency(old.size);
    expect(await verifyProof(consistency, { keys: publicKey, checkpoint: old.text })).toMatchObject({
      newer: { size },
    });
    await store.deleteStream('user-7');
    expect(await store.compact()).toMatchObject({ segments: 1, events: 350, later: NOTHING_LEFT });
    expect((await store.verify({ deep: true })).problems).toEqual([]);
    const all = (await store.read().toArray()).map(({ id }) => id);
    expect(all).toEqual([...all].sort());
  });

  it('leaves a log that is opened, closed and opened again before anything is appended', async () => {
    const store = await deleted();
    await store.compact();
    const { durable, segments } = store.stats();
    const again = await reopen(await reopen(store));
    expect(again.stats()).toMatchObject({ durable, segments });
    expect(await again.compact()).toMatchObject({ segments: 0, later: NOTHING_LEFT });
    await again.append('kept', { type: 'T' }, { expect: 249 });
    expect(again.stats()).toMatchObject({ durable: durable + 1, segments });
    const reader = await reopen(again, { readOnly: true });
    expect((await reader.verify({ deep: true })).problems).toEqual([]);
  });

  it('is followed by who reads beside', async () => {
    const store = await deleted();
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    const before = await everything(store);
    expect(await everything(reader)).toEqual(before);
    const rows = reader.read()[Symbol.asyncIterator]();
    const read = [(await rows.next()).value.id];
    await store.compact();
    for (let next = await rows.next(); next.done !== true; next = await rows.next()) read.push(next.value.id);
    expect(read).toEqual((await store.read().toArray()).map(({ id }) => id));
    expect(await everything(reader)).toEqual(before);
    expect((await reader.verify({ deep: true })).problems).toEqual([]);
    await store.append('other', { type: 'Said', tags: ['task:7'] });
    // The watermark comes just behind the acknowledgement.
    await vi.waitFor(async () => expect((await reader.head())?.sequence).toBe(store.stats().durable));
    expect(await everything(reader)).toEqual(await everything(store));
    expect((await reader.verify({ deep: true })).problems).toEqual([]);
    await reader.close();
  });

  it('goes on beside appends, with sealing in the background', async () => {
    const store = await deleted({ sealing: 'background' });
    const appending = Promise.all(
      Array.from({ length: 20 }, (_, i) => store.append('kept', { type: 'T', data: { i } }).then(() => i)),
    );
    const report = await store.compact();
    await appending;
    expect(report).toMatchObject({ events: 300, later: NOTHING_LEFT });
    expect(await store.readStream('kept').toArray()).toHaveLength(270);
    expect((await store.verify({ deep: true })).problems).toEqual([]);
  });

  it('may be backed up and restored, before and behind an append', async () => {
    const store = await deleted();
    const backup = temporaryDir();
    await store.backup(backup);
    await store.compact();
    for (const more of [0, 1]) {
      if (more > 0) await store.append('kept', { type: 'T' });
      await store.backup(backup);
      const dir = temporaryDir();
      await restoreStore(backup, dir);
      expect(await isFound(dir)).toBe(false);
      const restored = await open({ dir });
      expect(await everything(restored)).toEqual(await everything(store));
      expect((await restored.verify({ deep: true })).problems).toEqual([]);
      await restored.append('kept', { type: 'T' });
      await restored.deleteStream('user-7');
      expect(await restored.compact()).toMatchObject({ events: 350, later: NOTHING_LEFT });
      expect((await restored.verify({ deep: true })).problems).toEqual([]);
    }
  });

  it('leaves the newest event to retention only once there is another', async () => {
    const retention = { maxBytes: 65_536 };
    const store = await deleted({ retention });
    // More than the limit, however it is compressed.
    await store.append('kept', { type: 'T', data: randomBytes(100_000) });
    await store.compact();
    const { durable } = store.stats();
    const again = await reopen(store, { retention });
    expect((await again.head())?.sequence).toBe(durable);
    expect(again.stats().floor).toBe(1);
    await again.append('kept', { type: 'T' });
    const last = await reopen(again, { retention });
    await vi.waitFor(() => expect(last.stats().floor).toBe(durable + 1), 10_000);
    expect((await last.head())?.sequence).toBe(durable + 1);
  });

  it('leaves a log of which a lost header is found, and repaired', async () => {
    const store = await deleted();
    await store.compact();
    const before = await everything(store);
    const { dir } = store.stats();
    await store.close();
    const newest = path.join(dir, segmentFile(2));
    fs.writeFileSync(newest, Buffer.alloc(fs.statSync(newest).size));
    await expect(openStore({ dir })).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: newest });
    await repairStore({ dir });
    const again = await open({ dir });
    expect(await everything(again)).toEqual(before);
    await again.append('kept', { type: 'T' }, { expect: 249 });
    expect((await again.verify({ deep: true })).problems).toEqual([]);
  });
});
