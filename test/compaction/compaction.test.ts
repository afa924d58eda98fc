import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, it } from 'vitest';
import { listing, open, reopen } from '../support/stores.js';
import { everything, fill, rawText, sealedBytes } from './kit.js';

const NOTHING = { segments: 0, events: 0, freedBytes: 0 };

/** A store of which a stream was deleted, whose events are in full segments but for a few. */
async function deleted(options: object = {}): Promise<Store> {
  const store = await open(options);
  await fill(store);
  await store.deleteStream('user-42');
  // The next segment: what was deleted is not in the newest one.
  await store.append(
    'filler',
    Array.from({ length: 500 }, () => ({ type: 'Filled', data: 'x'.repeat(2500) })),
  );
  return store;
}

describe('compact()', () => {
  it('frees the space of deleted events, and changes nothing that is read', async () => {
    const store = await deleted();
    const { dir, segments } = store.stats();
    await store.seal();
    const before = await everything(store);
    const bytes = sealedBytes(dir);
    expect(await rawText(dir)).toContain('user-42');
    const seen: number[] = [];
    const report = await store.compact({ onProgress: (progress) => seen.push(progress.segments) });
    expect(report).toMatchObject({ events: 1800, later: { keys: 0, unsealed: 0 } });
    expect(seen).toEqual(Array.from({ length: report.segments }, (_, i) => i + 1));
    expect(sealedBytes(dir)).toBe(bytes - report.freedBytes);
    // The deleted stream had 30 % of what there is.
    expect(report.freedBytes).toBeGreaterThan(0.2 * bytes);
    expect(fs.readdirSync(dir).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    expect(await everything(store)).toEqual(before);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, segments, problems: [], holes: [] });
    // But for its tombstone and what is named by it.
    expect((await rawText(dir)).split('user-42 what').length).toBe(1);

    const files = listing(dir);
    expect(await store.compact()).toEqual({ ...NOTHING, later: { keys: 0, unsealed: 0 } });
    expect(listing(dir)).toEqual(files);

    const again = await reopen(store);
    expect(await everything(again)).toEqual(before);
    const reader = await reopen(again, { readOnly: true });
    expect(await everything(reader)).toEqual(before);
    expect(await reader.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it('frees it also where segments are not compressed', async () => {
    const store = await deleted({ compression: 'none' });
    await store.seal();
    const before = await everything(store);
    const bytes = sealedBytes(store.stats().dir);
    const { freedBytes } = await store.compact();
    expect(freedBytes).toBeGreaterThan(0.2 * bytes);
    expect(await everything(store)).toEqual(before);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  });

  it('keeps digests and proofs of what is left, and the signed history', async () => {
    const store = await deleted();
    const old = await store.checkpoint();
    const left = (await store.read({ streams: 'kept' }).toArray()).slice(0, 3);
    const digests = await Promise.all(left.map(({ id }) => store.digest(id)));
    const gone = (await store.readStream('user-7', { limit: 1 }).toArray())[0]!;
    await store.deleteStream('user-7');
    await store.append(
      'filler',
      Array.from({ length: 500 }, () => ({ type: 'Filled', data: 'x'.repeat(2500) })),
    );
    const goneDigest = await store.digest(1);
    expect((await store.compact()).segments).toBeGreaterThan(0);
    const { size, publicKey } = await store.checkpoint();
    expect(size).toBeGreaterThan(old.size);
    for (const [i, { id }] of left.entries()) {
      expect(await store.digest(id)).toBe(digests[i]);
      await verifyProof(await store.prove(id), { keys: publicKey, digest: digests[i]! });
    }
    expect(await store.digest(1)).toBe(goneDigest);
    const consistency = await store.proveConsistency(old.size);
    expect(await verifyProof(consistency, { keys: publicKey, checkpoint: old.text })).toMatchObject({
      newer: { size },
    });
    for (const call of [store.digest(gone.id), store.prove(gone.id)]) {
      await expect(call).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    }
    expect(await store.get(gone.id)).toBeUndefined();
    // Who has seen it goes on behind it, whether it is still in memory or not.
    const behind = async (one: Store): Promise<string> =>
      (await one.read({}, { after: gone.id, limit: 1 }).first())!.id;
    const next = await behind(store);
    expect(await behind(await reopen(store))).toBe(next);
  });

  it('lets a reader that is under way go on, also that of another process', async () => {
    const store = await deleted();
    await store.seal();
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    const all = (await store.read().toArray()).map(({ id }) => id);
    const [rows, others] = [store, reader].map((one) => one.read()[Symbol.asyncIterator]());
    const found: string[][] = [[], []];
    for (const [i, iterator] of [rows!, others!].entries()) found[i]!.push((await iterator.next()).value.id);
    await store.compact();
    for (const [i, iterator] of [rows!, others!].entries()) {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        found[i]!.push(next.value.id);
      expect(found[i]).toEqual(all);
    }
    expect(await everything(reader)).toEqual(await everything(store));
    await reader.close();
  });

  it('leaves events whose idempotency keys are known, and says so; nothing of what is in the newest segment', async () => {
    const store = await open();
    await store.append('a', { type: 'T', data: 'k', idempotencyKey: 'one' });
    await store.appendMany([
      { stream: 'a', events: [{ type: 'T', idempotencyKey: 'two' }, { type: 'T' }] },
      { stream: 'b', events: { type: 'T' } },
    ]);
    await store.append('a', [{ type: 'T', data: 'without' }, { type: 'T' }]);
    await fill(store, 4000);
    await store.deleteStream('a');
    expect(await store.compact()).toMatchObject({ segments: 1, events: 2, later: { keys: 3, unsealed: 0 } });
    await store.deleteStream('user-7');
    const report = await store.compact();
    expect(report).toMatchObject({ events: 1400, later: { keys: 3, unsealed: 0 } });
    // A late retry finds its first result.
    expect(await store.append('a', { type: 'T', data: 'k', idempotencyKey: 'one' })).toMatchObject({
      duplicate: true,
      firstSequence: 1,
    });
    // A key that is forgotten is free, whatever the checkpoint says.
    const later = await reopen(store, { idempotency: { maxKeys: 0 } });
    expect(await later.compact()).toMatchObject({ events: 3, later: { keys: 0 } });
    expect(await later.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it('goes on with the revisions of a stream when all is read anew', async () => {
    const store = await deleted();
    await store.compact();
    const head = await store.head('user-42');
    expect(head?.revision).toBe(1800);
    const { dir } = store.stats();
    await store.close();
    fs.rmSync(path.join(dir, 'keeperlog.heads'));
    const again = await open({ dir });
    expect(await again.append('user-42', { type: 'Back' }, { expect: 1800 })).toMatchObject({ revision: 1801 });
    expect((await again.readStream('user-42').toArray()).map(({ revision }) => revision)).toEqual([1800, 1801]);
  });

  it('takes out more of a segment of which something was removed before', async () => {
    const store = await deleted();
    await store.compact();
    await store.deleteStream('user-7');
    await store.append(
      'filler',
      Array.from({ length: 500 }, () => ({ type: 'Filled', data: 'x'.repeat(2500) })),
    );
    const report = await store.compact();
    expect(report).toMatchObject({ events: 2100 });
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
    const count = await store.query({ aggregate: { count: true } }).toArray();
    expect(count).toMatchObject([{ count: 6000 - 1800 - 2100 + 2 + 1000 }]);
    expect(await store.read({ streams: ['kept', 'other'] }).toArray()).toHaveLength(2100);
  });

  it('is aborted between two slices, ends with the store, and goes on with the next call', async () => {
    const store = await deleted();
    const controller = new AbortController();
    const compacting = store.compact({ signal: controller.signal, onProgress: () => controller.abort() });
    await expect(compacting).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const closed = expect(store.compact()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    const again = await reopen(store);
    await closed;
    expect(fs.readdirSync(again.stats().dir).filter((file) => file.endsWith('.tmp'))).toEqual([]);
    expect((await again.compact()).segments).toBeGreaterThan(0);
    expect(await again.verify({ deep: true })).toMatchObject({ ok: true });
    await expect(again.compact({ fast: true } as never)).rejects.toMatchObject({ code: 'ERR_INVALID_OPTIONS' });
  });

  it('leaves a damaged segment as it is', async () => {
    const store = await deleted();
    await store.seal();
    const file = path.join(store.stats().dir, 'segment-0000000001.sealed');
    const bytes = fs.readFileSync(file);
    const at = Math.floor(bytes.length / 2);
    bytes[at] = bytes[at]! ^ 1;
    fs.writeFileSync(file, bytes);
    const again = await reopen(store);
    await expect(again.compact()).rejects.toMatchObject({ code: 'ERR_CORRUPT', file });
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
  });
});
