/** Backups of a log whose beginning retention has removed. */
import fs from 'node:fs';
import path from 'node:path';
import { restoreStore } from 'keeperlog';
import { expect, it } from 'vitest';
import { fill, openWith, SEGMENT_BYTES, untilWithin } from '../retention/kit.js';
import { failure } from '../support/errors.js';
import { temporaryDir } from '../support/stores.js';
import { eventsOf, flip, listOf } from './kit.js';

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
