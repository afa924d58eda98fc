import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../../dist/main/index.js';
import { expectWhole, failure, opened, temporaryDir } from './kit.js';
import { flip, put } from './layout.js';

const STREAMS = 400;
const HEADS = 'keeperlog.heads';

/** A store whose checkpoint of heads and keys has several blocks of both. */
async function checkpointed(): Promise<{ dir: string; ids: string[]; file: string }> {
  const dir = temporaryDir();
  const store = await openStore({ dir, segmentBytes: 65536, sealing: 'on-demand' });
  const ids: string[] = [];
  const appends = Array.from({ length: STREAMS }, (_, n) =>
    store.append(`stream-${n}`, { type: 'first', idempotencyKey: `key-${n}` }),
  );
  for (const { ids: own } of await Promise.all(appends)) ids.push(...own);
  await store.close();
  return { dir, ids, file: path.join(dir, HEADS) };
}

/** Every stream's head and every key is known. */
async function expectHeads(dir: string, ids: readonly string[]): Promise<void> {
  const store = await opened({ dir, segmentBytes: 65536 });
  for (let n = 0; n < STREAMS; n++) {
    const again = await store.append(`stream-${n}`, { type: 'first', idempotencyKey: `key-${n}` });
    expect(again).toMatchObject({ duplicate: true, revision: 0, ids: [ids[n]] });
    if (n % 40 === 0) await store.append(`stream-${n}`, { type: 'second' }, { expect: 0 });
  }
  await expectWhole(store, [{ call: 'all', ids }]);
  await store.close();
}

describe('a checkpoint of heads', () => {
  it('is rebuilt from the log where it is gone', async () => {
    const { dir, ids, file } = await checkpointed();
    fs.rmSync(file);
    await expectHeads(dir, ids);
    expect(fs.existsSync(file)).toBe(true);
  });

  for (const [where, offset] of [
    ['header', 30],
    ['fences and filter', -20],
    ['first block of keys', 4096 * 6],
  ] as const) {
    it(`is rebuilt where its ${where} is hit`, async () => {
      const { dir, ids, file } = await checkpointed();
      flip(file, offset < 0 ? fs.statSync(file).size + offset : offset);
      await expectHeads(dir, ids);
      await expectHeadsAgain(dir);
    });
  }

  it('is rebuilt where it is cut short', async () => {
    const { dir, ids, file } = await checkpointed();
    fs.truncateSync(file, 5000);
    await expectHeads(dir, ids);
  });

  it('is rebuilt where a block of heads is that of an earlier checkpoint', async () => {
    const { dir, ids, file } = await checkpointed();
    const earlier = fs.readFileSync(file);
    const store = await openStore({ dir, segmentBytes: 65536, sealing: 'on-demand' });
    for (let n = 0; n < STREAMS; n++) await store.append(`stream-${n}`, { type: 'second' }, { expect: 0 });
    await store.close();
    put(file, 4096, earlier.subarray(4096, 2 * 4096));
    const again = await opened({ dir, segmentBytes: 65536 });
    for (let n = 0; n < STREAMS; n++) await again.append(`stream-${n}`, { type: 'third' }, { expect: 1 });
    await expectWhole(again, [{ call: 'all', ids }]);
  });

  it('is never believed where a block of heads is hit while the store is open, and is rebuilt by opening again', async () => {
    const { dir, ids, file } = await checkpointed();
    const store = await openStore({ dir, segmentBytes: 65536, sealing: 'on-demand' });
    flip(file, 4096 + 100);
    const outcomes = await Promise.all(
      Array.from({ length: STREAMS }, (_, n) =>
        store.append(`stream-${n}`, { type: 'second' }, { expect: 0 }).catch((error) => error),
      ),
    );
    const failed = outcomes.filter((outcome) => outcome instanceof Error);
    expect(failed.length).toBeGreaterThan(0);
    for (const error of failed) expect(error).toMatchObject({ code: 'ERR_CORRUPT', outcome: 'not-appended' });
    await store.close();
    const again = await opened({ dir, segmentBytes: 65536 });
    for (let n = 0; n < STREAMS; n++) {
      const expected = outcomes[n] instanceof Error ? 0 : 1;
      await again.append(`stream-${n}`, { type: 'third' }, { expect: expected });
    }
    await expectWhole(again, [{ call: 'all', ids }]);
  });

  for (const [damage, harm] of [
    ['deleted', (file: string) => fs.rmSync(file)],
    ['hit', (file: string) => flip(file, 30)],
  ] as const) {
    it(`never loses heads where it is ${damage} while the store is open`, async () => {
      const { dir, ids, file } = await checkpointed();
      const store = await openStore({ dir, segmentBytes: 65536, sealing: 'on-demand' });
      harm(file);
      const pad = 'x'.repeat(5000);
      for (let n = 0; n < 40; n++) await store.append('busy', { type: 'rotating', data: { pad } });
      await store.close();
      await expectHeads(dir, ids);
    });
  }

  it('that speaks of events which the log does not have is not believed', async () => {
    const dir = temporaryDir();
    const store = await openStore({ dir, segmentBytes: 65536, sealing: 'on-demand' });
    await store.append('a', { type: 'first' });
    await store.flush();
    const early = temporaryDir();
    for (const name of fs.readdirSync(dir)) {
      if (name !== 'keeperlog.lock') fs.copyFileSync(path.join(dir, name), path.join(early, name));
    }
    await store.append('lost', [{ type: 'second' }, { type: 'third' }]);
    await store.close();
    fs.copyFileSync(path.join(dir, HEADS), path.join(early, HEADS));
    const before = await openStore({ dir: early, segmentBytes: 65536, sealing: 'on-demand' });
    await before.append('a', { type: 'other' }, { expect: 0 });
    await before.close();
    const after = await opened({ dir: early, segmentBytes: 65536 });
    await after.append('lost', { type: 'first' }, { expect: 'none' });
    await expectWhole(after, []);
  });
});

/** After another round the checkpoint is used rather than rebuilt. */
async function expectHeadsAgain(dir: string): Promise<void> {
  const store = await opened({ dir, segmentBytes: 65536 });
  expect(await failure(store.append('stream-1', { type: 'x' }, { expect: 'none' }))).toMatchObject({ actual: 0 });
  await store.close();
}
