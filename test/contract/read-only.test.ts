import fs from 'node:fs';
import path from 'node:path';
import { type EventLog, openStore } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import { listing, makeDir, open, removeDir, reopen, temporaryDir } from '../support/stores.js';

/** Resolves when a reader has come so far: the writer tells it through a file, after the writer's own caller. */
async function reaches(log: EventLog, sequence: number): Promise<void> {
  while (((await log.head())?.sequence ?? 0) < sequence) await new Promise(setImmediate);
}

describe('a store that is opened with readOnly', () => {
  test('reads what was written before', async () => {
    const store = await open();
    await store.append('a', [
      { type: 't', data: 1, tags: ['x'] },
      { type: 'u', data: 2 },
    ]);
    await store.append('b', { type: 't', data: 3 });
    const before = await store.read().toArray();
    const reader = await reopen(store, { readOnly: true });
    expect((await reader.read().toArray()).map((event) => event.toObject())).toEqual(
      before.map((event) => event.toObject()),
    );
    expect(await reader.read({ tags: 'x' }).toArray()).toHaveLength(1);
    expect(await reader.readStream('a', { direction: 'backwards' }).toArray()).toHaveLength(2);
    expect(await reader.head('b')).toMatchObject({ sequence: 3, revision: 0 });
    expect(await reader.head('c')).toBeUndefined();
    expect((await reader.streams().toArray()).map(({ stream }) => stream)).toEqual(['a', 'b']);
    expect((await reader.get(2))?.data).toBe(2);
    expect((await reader.verify({ deep: true })).ok).toBe(true);
    expect(reader.stats()).toMatchObject({ readOnly: true, durable: 3, mode: 'open' });
  });

  test('refuses to append', async () => {
    const store = await open();
    await store.append('a', { type: 't' });
    const reader = await reopen(store, { readOnly: true });
    const calls = [
      () => reader.append('a', { type: 't' }),
      () => reader.appendMany([{ stream: 'a', events: { type: 't' } }]),
      () => reader.appendSync('a', { type: 't' }),
      () => void reader.enqueue('a', { type: 't' }),
    ];
    for (const call of calls) {
      const error = await failure('ERR_INVALID_OPTIONS', call);
      expect(error).toMatchObject({ path: 'readOnly', outcome: 'not-appended' });
    }
    await reader.flush();
  });

  test('follows a live writer, over rotations', async () => {
    const store = await open({ segmentBytes: 65_536 });
    const reader = await open({ dir: store.stats().dir, readOnly: true });
    expect(await reader.head()).toBeUndefined();
    let sequence = 0;
    for (let round = 0; round < 6; round++) {
      await store.append(
        'a',
        Array.from({ length: 5 }, () => ({ type: 't', data: { round, pad: 'x'.repeat(5000) } })),
      );
      sequence += 5;
      await reaches(reader, sequence);
      const events = await reader.readStream('a', { fromRevision: sequence - 5 }).toArray();
      expect(events.map(({ data }) => data.round)).toEqual([round, round, round, round, round]);
    }
    expect(store.stats().segments).toBeGreaterThan(1);
    expect(await reader.read().toArray()).toHaveLength(sequence);
    expect((await reader.verify({ deep: true })).ok).toBe(true);
  });

  test('goes on beside a writer that comes later, and after one that has gone', async () => {
    const first = await open();
    await first.append('a', { type: 't' });
    const reader = await reopen(first, { readOnly: true });
    const second = await open({ dir: first.stats().dir });
    await second.append('a', { type: 't' });
    await reaches(reader, 2);
    await second.close();
    expect(await reader.read().toArray()).toHaveLength(2);
  });

  test('may be opened any number of times', async () => {
    const store = await open();
    await store.append('a', { type: 't' });
    const { dir } = store.stats();
    const readers = await Promise.all([1, 2, 3].map(() => open({ dir, readOnly: true })));
    for (const reader of readers) await reaches(reader, 1);
  });

  test('writes no byte, whatever is read', async () => {
    const store = await open({ segmentBytes: 65_536 });
    for (let i = 0; i < 30; i++)
      await store.append(`s${i % 3}`, { type: 't', data: 'x'.repeat(5000), tags: [`t${i}`] });
    await store.close();
    const { dir } = store.stats();
    const before = listing(dir);
    const reader = await openStore({ dir, readOnly: true });
    await reader.read({ tags: 't7' }).toArray();
    await reader.readStream('s1').toArray();
    await reader.streams().toArray();
    await reader.verify({ deep: true });
    await reader.close();
    expect(listing(dir)).toEqual(before);
  });

  test('writes no byte where the last writer was killed', async () => {
    const store = await open();
    await store.append('a', { type: 't' });
    await reaches(await open({ dir: store.stats().dir, readOnly: true }), 1);
    const copy = temporaryDir();
    fs.cpSync(store.stats().dir, copy, { recursive: true });
    fs.appendFileSync(path.join(copy, 'keeperlog.heads.tmp'), 'left behind');
    const before = listing(copy);
    const reader = await openStore({ dir: copy, readOnly: true });
    expect(await reader.read().toArray()).toHaveLength(1);
    await reader.close();
    expect(listing(copy)).toEqual(before);
  });

  test('is refused with ERR_NOT_FOUND where there is no store, and makes none', async () => {
    const dir = temporaryDir();
    await failure('ERR_NOT_FOUND', () => openStore({ dir, readOnly: true }));
    expect(fs.existsSync(dir)).toBe(false);
    const empty = makeDir();
    await failure('ERR_NOT_FOUND', () => openStore({ dir: empty, readOnly: true }));
    expect(fs.readdirSync(empty)).toEqual([]);
    removeDir(empty);
  });

  test('is closed as any other', async () => {
    const store = await open();
    const reader = await reopen(store, { readOnly: true });
    await reader.close();
    await reader.close();
    expect(await refusal(() => reader.head())).toMatchObject({ code: 'ERR_CLOSED' });
  });
});
