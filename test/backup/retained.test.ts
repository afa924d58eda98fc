/** Backups of a log whose beginning retention has removed. */
import fs from 'node:fs';
import path from 'node:path';
import { type BackupProgress, restoreStore, type Store } from 'keeperlog';
import { describe, expect, it } from 'vitest';
import { fill, openWith, SEGMENT_BYTES, untilWithin } from '../retention/kit.js';
import { failure } from '../support/errors.js';
import { copyDir, temporaryDir } from '../support/stores.js';
import { contentOf, eventsOf, flip, listOf } from './kit.js';

const LIMIT = { maxBytes: 3 * SEGMENT_BYTES };

it('have its base, with which revisions and keys go on', async () => {
  const store = await openWith(LIMIT);
  const ids = await fill(store, 60);
  const floor = await untilWithin(store, LIMIT.maxBytes);
  expect(floor).toBeGreaterThan(5);
  const events = await eventsOf(store);
  const backup = temporaryDir();
  const dir = temporaryDir();
  await store.backup(backup);
  await restoreStore(backup, dir);
  const restored = await openWith(undefined, { dir });
  expect(restored.stats()).toMatchObject({ floor, durable: 60 });
  expect(await eventsOf(restored)).toEqual(events);
  expect(await restored.verify({ deep: true })).toMatchObject({ ok: true, events: 61 - floor });
  await failure('ERR_PRUNED', () => restored.get(1));
  const event = { type: 'Said', data: { i: 0, text: 'what an agent says. '.repeat(250) }, tags: ['n:0'] };
  const repeated = await restored.append('s0', { ...event, idempotencyKey: 'key-0' });
  expect(repeated).toMatchObject({ duplicate: true, ids: [ids[0]], revision: 0 });
  expect(await restored.append('s0', { type: 'T' }, { expect: 19 })).toMatchObject({ revision: 20, firstSequence: 61 });
});

it('copy a base once, the next one when there is another, and refuse one that is damaged', async () => {
  const store = await openWith(LIMIT);
  await fill(store, 60);
  await untilWithin(store, LIMIT.maxBytes);
  const backup = temporaryDir();
  await store.backup(backup);
  await store.backup(backup);
  const baseOf = () => listOf(backup).content!.base!;
  expect(baseOf().backup).toBe(1);
  await fill(store, 10, 60);
  const floor = await untilWithin(store, LIMIT.maxBytes);
  await store.backup(backup);
  expect(baseOf().backup).toBe(3);
  expect(fs.readdirSync(backup).filter((name) => name.includes('.base'))).toEqual([`keeperlog.${floor}.base.3`]);
  await fill(store, 20, 70);
  const next = await untilWithin(store, LIMIT.maxBytes);
  const file = path.join(store.stats().dir, `keeperlog.${next}.base`);
  flip(file, fs.statSync(file).size - 100);
  expect(await failure('ERR_CORRUPT', () => store.backup(backup))).toMatchObject({ file });
  flip(path.join(backup, `keeperlog.${floor}.base.3`), 5000);
  const dir = temporaryDir();
  await failure('ERR_CORRUPT', () => restoreStore(backup, dir));
  expect(fs.readdirSync(dir)).toEqual(['keeperlog.lock']);
});

describe('where retention has removed all that the last backup has', () => {
  /** A store of which nothing is left that the backup has. */
  async function passed(): Promise<{ store: Store; backup: string; ids: string[]; ended: string[] }> {
    const store = await openWith(LIMIT);
    const ids = await fill(store, 60);
    await untilWithin(store, LIMIT.maxBytes);
    const backup = temporaryDir();
    await store.backup(backup);
    const ended = await eventsOf(store);
    await fill(store, 60, 60);
    expect(await untilWithin(store, LIMIT.maxBytes)).toBeGreaterThan(61);
    return { store, backup, ids, ended };
  }

  /** The same store, opened as it was at some time. */
  function openCopy(dir: string, maxBytes = LIMIT.maxBytes): Promise<Store> {
    return openWith({ maxBytes }, { dir });
  }

  async function expectRestores(backup: string, events: readonly string[]): Promise<Store> {
    const dir = temporaryDir();
    await restoreStore(backup, dir);
    const restored = await openWith(undefined, { dir });
    expect(await eventsOf(restored)).toEqual(events);
    expect(await restored.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
    return restored;
  }

  it('the next backup begins at the floor, and has no file of the last one any more', async () => {
    const { store, backup, ids } = await passed();
    const report = await store.backup(backup);
    expect(report).toMatchObject({ number: 2, lastSequence: 120, reusedSegments: 0 });
    const names = fs.readdirSync(backup).filter((name) => /^segment|base/.test(name));
    expect(names.filter((name) => !name.endsWith('.2'))).toEqual([]);
    expect(names).toHaveLength(report.segments + 1);
    const restored = await expectRestores(backup, await eventsOf(store));
    expect(restored.stats().floor).toBe(store.stats().floor);
    const event = { type: 'Said', data: { i: 0, text: 'what an agent says. '.repeat(250) }, tags: ['n:0'] };
    expect(await restored.append('s0', { ...event, idempotencyKey: 'key-0' })).toMatchObject({ ids: [ids[0]] });
    expect(await restored.append('s0', { type: 'T' }, { expect: 39 })).toMatchObject({ firstSequence: 121 });
  });

  it('and so does one after the other, with the audit tree', async () => {
    const store = await openWith(LIMIT);
    const backup = temporaryDir();
    for (let night = 0; night < 4; night++) {
      await fill(store, 50, 50 * night);
      await untilWithin(store, LIMIT.maxBytes);
      const { size, root } = await store.checkpoint();
      expect(await store.backup(backup)).toMatchObject({ number: night + 1, lastSequence: 50 * (night + 1) });
      const restored = await expectRestores(backup, await eventsOf(store));
      expect((await restored.proveConsistency(size)).size).toBe(size);
      expect(listOf(backup).content!.tree!.size).toBe(size);
      expect(root).toEqual(expect.any(String));
    }
  });

  it('the last backup is whole until the next one is', async () => {
    const { store, backup, ended } = await passed();
    const before = contentOf(backup);
    const { dir, floor } = store.stats();
    const base = path.join(dir, `keeperlog.${floor}.base`);
    const bytes = fs.readFileSync(base);
    flip(base, bytes.length - 100);
    let copied = 0;
    const onProgress = (progress: BackupProgress): void => {
      copied = progress.segments;
    };
    await failure('ERR_CORRUPT', () => store.backup(backup, { onProgress }));
    fs.writeFileSync(base, bytes);
    expect(copied).toBeGreaterThan(1);
    for (const [name, bytes] of before) expect(contentOf(backup).get(name), name).toBe(bytes);
    await expectRestores(backup, ended);
    await store.backup(backup);
    await expectRestores(backup, await eventsOf(store));
  });

  it('a copy of the store that had grown apart by then is refused, though neither has those events any more', async () => {
    const store = await openWith(LIMIT);
    await fill(store, 40);
    await untilWithin(store, LIMIT.maxBytes);
    await store.close();
    const { dir } = store.stats();
    const other = copyDir(dir);
    const first = await openCopy(dir);
    await fill(first, 20, 40);
    await untilWithin(first, LIMIT.maxBytes);
    const backup = temporaryDir();
    await first.backup(backup);
    const before = contentOf(backup);
    const ended = await eventsOf(first);
    const second = await openCopy(other);
    // Just as many events, which say the same.
    await fill(second, 80, 40);
    expect(await untilWithin(second, LIMIT.maxBytes)).toBeGreaterThan(61);
    const refused = await failure('ERR_INVALID_OPTIONS', () => second.backup(backup));
    expect(refused).toMatchObject({ path: 'dir', hint: expect.stringContaining('another directory') });
    expect(refused.message).toContain('does not go on from where the last backup ended, sequence 60');
    expect(contentOf(backup)).toEqual(before);
    await expectRestores(backup, ended);
    // A copy that grows apart later goes on from the backup, as the store does.
    await fill(first, 60, 60);
    await untilWithin(first, LIMIT.maxBytes);
    expect(await first.backup(backup)).toMatchObject({ number: 2, lastSequence: 120 });
  });

  it.each(['audit tree', 'backup'])('and the %s has lost what would tell: that is said, and refused', async (what) => {
    const { store, backup } = await passed();
    await store.close();
    const { dir } = store.stats();
    if (what === 'audit tree') {
      fs.rmSync(path.join(dir, 'keeperlog.tree'));
      fs.rmSync(path.join(dir, 'tile'), { recursive: true });
      fs.rmSync(path.join(backup, `keeperlog.tree.1`), { force: true });
    } else {
      const name = fs.readdirSync(backup).find((one) => /^segment.*log\.1$/.test(one))!;
      flip(path.join(backup, name), 5000);
    }
    const before = contentOf(backup);
    const again = await openCopy(dir);
    const refused = await failure('ERR_INVALID_OPTIONS', () => again.backup(backup));
    expect(refused).toMatchObject({ path: 'dir', hint: expect.stringContaining('another directory') });
    expect(refused.message).toContain('cannot be told');
    expect(contentOf(backup)).toEqual(before);
    expect(await again.backup(temporaryDir())).toMatchObject({ number: 1, lastSequence: 120 });
  });
});
