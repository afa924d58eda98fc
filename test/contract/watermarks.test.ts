/** How far the steps of an event's way have come, and what the digest of a record is. */
import { openStore, type Store } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import { open, reopen } from '../support/stores.js';

const LARGE = { type: 'A', data: 'x'.repeat(5000) };

async function readOnly(store: Store): Promise<Store> {
  const follower = await openStore({ dir: store.stats().dir, readOnly: true });
  onTestFinished(() => follower.close());
  return follower;
}

describe('watermarks()', () => {
  test('are all at zero in a store without events', async () => {
    const none = { accepted: 0, written: 0, durable: 0, sealed: 0, audited: 0 };
    const store = await open();
    expect(await store.watermarks()).toEqual(none);
    expect(await (await readOnly(store)).watermarks()).toEqual(none);
  });

  test('show what is accepted before it is durable', async () => {
    const store = await open();
    await store.append('a', LARGE);
    const { durable } = store.enqueue('a', [LARGE, LARGE]);
    const before = await store.watermarks();
    expect(before).toMatchObject({ accepted: 3, durable: 1 });
    expect([1, 3]).toContain(before.written); // the writer does not wait for this thread
    await durable;
    expect(await store.watermarks()).toMatchObject({ accepted: 3, written: 3, durable: 3 });
    const { lastSequence } = await store.append('a', LARGE, { durability: 'written' });
    const { written } = await store.watermarks();
    expect(written).toBe(lastSequence);
  });

  test('move with seal() and checkpoint(), and are kept', async () => {
    const store = await open({ segmentBytes: 65_536 });
    for (let i = 0; i < 40; i++) await store.append('a', LARGE);
    expect(await store.watermarks()).toMatchObject({ durable: 40, sealed: 0, audited: 0 });
    await store.seal();
    const { sealed } = await store.watermarks();
    expect(sealed).toBeGreaterThan(20);
    expect(sealed).toBeLessThan(40); // the newest segment is not full
    await store.checkpoint();
    await store.append('a', LARGE);
    const now = { accepted: 41, written: 41, durable: 41, sealed, audited: 40 };
    expect(await store.watermarks()).toEqual(now);
    const follower = await readOnly(store);
    // What a follower goes by is written once the append is acknowledged.
    await vi.waitFor(async () => expect(await follower.watermarks()).toEqual(now));
    expect(await (await reopen(store)).watermarks()).toEqual(now);
  });

  test('are not told of a closed store', async () => {
    const store = await open();
    await store.close();
    await failure('ERR_CLOSED', () => store.watermarks());
  });
});

describe('digest()', () => {
  test('is what a proof of the event is verified with, whatever file it is in', async () => {
    const store = await open({ segmentBytes: 65_536, cacheBytes: 0 });
    const ids: string[] = [];
    for (let i = 0; i < 30; i++) ids.push(...(await store.append('a', { ...LARGE, tags: [`n${i}`] })).ids);
    const before = await Promise.all(ids.map((id) => store.digest(id)));
    expect(new Set(before).size).toBe(30);
    expect(before[4]).toMatch(/^[0-9a-f]{64}$/);
    await store.seal();
    expect(await Promise.all(ids.map((_, i) => store.digest(i + 1)))).toEqual(before);
    const { publicKey: keys } = await store.checkpoint();
    for (const sequence of [1, 7, 30]) {
      const digest = before[sequence - 1]!;
      expect(await verifyProof(await store.prove(sequence), { keys, digest })).toMatchObject({ sequence });
      const other = before[sequence % 30]!;
      await failure('ERR_UNVERIFIED', async () => verifyProof(await store.prove(sequence), { keys, digest: other }));
    }
  });

  test('is refused where there is no such event', async () => {
    const store = await open();
    const { ids } = await store.append('a', LARGE);
    await failure('ERR_NOT_FOUND', () => store.digest(2));
    await failure('ERR_NOT_FOUND', () => store.digest(ids[0]!.replace('_1_', '_2_')));
    expect(await refusal(() => store.digest('x'))).toEqual({ code: 'ERR_INVALID_QUERY', path: 'id' });
  });
});
