/** Rotation, heads and the checkpoint, as a user can see them. */
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Store } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { failure } from '../support/errors.js';
import { copyDir, open, reopen, temporaryDir } from '../support/stores.js';

const GOLDEN = fileURLToPath(new URL('../golden/store', import.meta.url));
const KEPT = { type: 't', data: 'x'.repeat(5000) };

async function expectIntact(store: Store, events: number): Promise<void> {
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events, problems: [] });
}

describe('a segment', () => {
  test('is rotated when it is full, and everything is found in all of them', async () => {
    const store = await open({ segmentBytes: 65_536, cacheBytes: 0 });
    for (let i = 0; i < 100; i++) await store.append(`s${i % 3}`, { ...KEPT, tags: [`n${i}`] });
    expect(store.stats().segments).toBeGreaterThan(7);
    expect((await store.read().toArray()).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    expect((await store.read({ tags: 'n57' }).first())?.sequence).toBe(58);
    expect(
      (await store.readStream('s1', { direction: 'backwards' }).toArray()).map(({ revision }) => revision),
    ).toEqual(Array.from({ length: 33 }, (_, i) => 32 - i));
    await expectIntact(store, 100);
    const again = await reopen(store, { segmentBytes: 65_536 });
    expect(await again.append('s0', KEPT, { expect: 33 })).toMatchObject({ firstSequence: 101 });
    await expectIntact(again, 101);
  });

  test('takes a call that is larger than it', async () => {
    const store = await open({ segmentBytes: 65_536 });
    await store.append('a', KEPT);
    await store.append(
      'a',
      Array.from({ length: 40 }, () => KEPT),
    );
    await store.append('a', KEPT);
    expect(store.stats().segments).toBe(3);
    await expectIntact(store, 42);
  });

  test('is rotated at the first append after its age', async () => {
    const dir = temporaryDir();
    fs.cpSync(GOLDEN, dir, { recursive: true });
    const store = await open({ dir, segmentAgeMs: 365 * 86_400_000 });
    const { segments, durable } = store.stats();
    await store.append('a', { type: 't' });
    expect(store.stats().segments).toBe(segments);
    const again = await reopen(store, { segmentAgeMs: 1000 });
    expect(again.stats().segments).toBe(segments);
    await again.append('a', { type: 't' });
    expect(again.stats().segments).toBe(segments + 1);
    await expectIntact(again, durable + 2);
  });
});

describe('heads and the checkpoint', () => {
  const STREAMS = 40_000;

  async function fill(store: Store): Promise<void> {
    for (let at = 0; at < STREAMS; at += 1000) {
      const batch = Array.from({ length: 1000 }, (_, i) => ({ stream: `s${at + i}`, events: { type: 't' } }));
      void store.appendMany(batch);
    }
    await store.flush();
  }

  /** Expectations on streams all over, each at a revision. */
  async function expectHeads(store: Store, revision: number): Promise<void> {
    const streams = Array.from({ length: 200 }, (_, i) => (i * 7919) % STREAMS);
    const conflicts = streams.map((i) => store.append(`s${i}`, { type: 't' }, { expect: revision + 1 }));
    for (const result of await Promise.allSettled(conflicts)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CONFLICT', actual: revision } });
    }
    const appends = streams.map((i) => store.append(`s${i}`, { type: 't' }, { expect: revision }));
    for (const result of await Promise.all(appends)) expect(result.revision).toBe(revision + 1);
    expect(await store.append(`new${revision}`, { type: 't' }, { expect: 'none' })).toMatchObject({ revision: 0 });
    await failure('ERR_CONFLICT', () => store.append(`absent${revision}`, { type: 't' }, { expect: 'exists' }));
    expect((await store.head(`s${streams[7]}`))?.revision).toBe(revision + 1);
  }

  test('more streams than are kept at hand have the right heads: now, from the checkpoint, and from the log', async () => {
    const store = await open();
    await fill(store);
    await expectHeads(store, 0);
    const fromLog = await open({ dir: copyDir(store.stats().dir) });
    await expectHeads(fromLog, 1);
    const fromCheckpoint = await reopen(store);
    await expectHeads(fromCheckpoint, 1);
    await expectIntact(fromCheckpoint, STREAMS + 2 * 200 + 2);
    expect(fromCheckpoint.stats().memory.heads.bytes).toBeLessThan(8 * 1024 * 1024);
  });

  test('a call to more streams than are kept at hand has the right heads', async () => {
    const store = await open({ maxBatchEvents: 65_535 });
    const call = Array.from({ length: STREAMS }, (_, i) => ({ stream: `s${i}`, events: { type: 't' } }));
    await store.appendMany(call);
    await expectHeads(store, 0);
  });

  /** A store of many streams and some keys that was closed, so that all of it is in the checkpoint. */
  async function closedStore(): Promise<string> {
    const store = await open();
    const batch = Array.from({ length: 1000 }, (_, i) => ({
      stream: `s${i}`,
      events: { type: 't', idempotencyKey: `k${i}` },
    }));
    await store.appendMany(batch);
    await store.append('s0', { type: 't' });
    await store.close();
    return store.stats().dir;
  }

  async function expectWhole(store: Store): Promise<void> {
    for (let i = 0; i < 1000; i += 37) {
      const revision = i === 0 ? 1 : 0;
      await failure('ERR_CONFLICT', () => store.append(`s${i}`, { type: 't' }, { expect: revision + 1 }));
    }
    const repeated = Array.from({ length: 1000 }, (_, i) => ({
      stream: `s${i}`,
      events: { type: 't', idempotencyKey: `k${i}` },
    }));
    expect(await store.appendMany(repeated)).toMatchObject({ duplicate: true, firstSequence: 1 });
    expect(await store.append('s1', { type: 't' }, { expect: 0 })).toMatchObject({ revision: 1, firstSequence: 1002 });
  }

  test('the checkpoint may be deleted', async () => {
    const dir = await closedStore();
    fs.rmSync(path.join(dir, 'keeperlog.heads'));
    await expectWhole(await open({ dir }));
  });

  test('the checkpoint may be empty or cut off', async () => {
    const dir = await closedStore();
    for (const length of [0, 100, 4096, 10_000]) {
      const copy = copyDir(dir);
      fs.truncateSync(path.join(copy, 'keeperlog.heads'), length);
      await expectWhole(await open({ dir: copy }));
    }
  });

  test('the checkpoint may be corrupt anywhere, and is whole again after the next one', async () => {
    const dir = await closedStore();
    const bytes = fs.readFileSync(path.join(dir, 'keeperlog.heads'));
    // Header, blocks of heads, blocks of keys, fences and filter.
    const places = [
      10,
      4096 + 20,
      3 * 4096 + 50,
      8 * 4096,
      10 * 4096 + 7,
      15 * 4096 + 99,
      bytes.length - 5,
      bytes.length - 1300,
    ];
    for (const at of places) {
      const copy = copyDir(dir);
      const damaged = Buffer.from(bytes);
      damaged[at] = damaged[at]! ^ 0x10;
      fs.writeFileSync(path.join(copy, 'keeperlog.heads'), damaged);
      const store = await open({ dir: copy });
      await expectWhole(store);
      const warnings: unknown[] = [];
      const logger = { error() {}, warn: (fields: object) => void warnings.push(fields), info() {}, debug() {} };
      const again = await reopen(store, { logger });
      expect(await again.append('s1', { type: 't' }, { expect: 1 })).toMatchObject({ revision: 2 });
      await again.close();
      expect(warnings, `byte ${at}`).toEqual([]);
    }
  });

  test('a checkpoint that is ahead of the log, or of another store, is not believed', async () => {
    const dir = await closedStore();
    const other = await open();
    await other.append('x', { type: 't' });
    await other.close();
    for (const from of [dir, other.stats().dir]) {
      const store = await open();
      await store.append('s1', { type: 't' });
      await store.close();
      fs.copyFileSync(path.join(from, 'keeperlog.heads'), path.join(store.stats().dir, 'keeperlog.heads'));
      const again = await open({ dir: store.stats().dir });
      expect(await again.append('s1', { type: 't' }, { expect: 0 })).toMatchObject({ revision: 1 });
      expect(await again.append('s2', { type: 't' }, { expect: 'none' })).toMatchObject({ revision: 0 });
    }
  });

  test('an older checkpoint is caught up from the log', async () => {
    const dir = await closedStore();
    const old = fs.readFileSync(path.join(dir, 'keeperlog.heads'));
    const store = await open({ dir });
    await store.append('s5', { type: 't', idempotencyKey: 'late' });
    await store.close();
    fs.writeFileSync(path.join(dir, 'keeperlog.heads'), old);
    const again = await open({ dir });
    expect(await again.append('s5', { type: 't', idempotencyKey: 'late' })).toMatchObject({ duplicate: true });
    expect(await again.append('s5', { type: 't' }, { expect: 1 })).toMatchObject({ revision: 2 });
  });
});
