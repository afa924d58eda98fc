import fs from 'node:fs';
import path from 'node:path';
import { type BackupProgress, openStore, restoreStore } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, it } from 'vitest';
import { namesIn } from '../../dist/shared/format/backup-list.js';
import { temporaryDir } from '../support/stores.js';
import { checkRestored, contentOf, counts, eventsOf, filesIn, fill, flip, listOf, open } from './kit.js';

const refused = (message: string | RegExp): object => ({
  code: 'ERR_INVALID_OPTIONS',
  path: 'dir',
  message: typeof message === 'string' ? expect.stringContaining(message) : expect.stringMatching(message),
});

const KEYED = { type: 'Said', data: { n: 1 }, idempotencyKey: 'once' };

describe('a backup', () => {
  it('has every event of a store of raw segments, under its id, with its digest', async () => {
    const store = await open();
    await fill(store, 2000);
    const backup = temporaryDir();
    const { segments } = store.stats();
    expect(segments).toBeGreaterThan(2);
    const report = await store.backup(backup);
    expect(report).toMatchObject({
      number: 1,
      lastSequence: 2000,
      segments,
      copiedSegments: segments,
      reusedSegments: 0,
    });
    expect(report.bytes).toBe(report.copiedBytes);
    const digest = await store.digest(1000);
    const restored = await checkRestored(backup, await eventsOf(store));
    expect(await restored.digest(1000)).toBe(digest);
    expect(await restored.head('agent-2')).toEqual(await store.head('agent-2'));
  });

  it('has the events of sealed segments, and of some that are sealed and some that are not', async () => {
    const store = await open();
    await fill(store, 2000);
    await store.seal();
    const sealed = temporaryDir();
    await store.backup(sealed);
    expect(listOf(sealed).content!.segments.map((one) => one.sealed)).toContain(true);
    await checkRestored(sealed, await eventsOf(store));
    await fill(store, 1500, 'second');
    const mixed = temporaryDir();
    await store.backup(mixed);
    const kinds = listOf(mixed).content!.segments.map((one) => one.sealed);
    expect(new Set(kinds.slice(0, -1))).toEqual(new Set([true, false]));
    const restored = await checkRestored(mixed, await eventsOf(store));
    // What is raw is sealed there as ever.
    expect((await restored.seal()).segments).toBe(kinds.filter((is) => !is).length - 1);
    expect(await restored.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it('is that of an empty store, and of one event, too', async () => {
    const store = await open();
    const backup = temporaryDir();
    expect(await store.backup(backup)).toMatchObject({ number: 1, lastSequence: 0, segments: 0, bytes: 0 });
    await checkRestored(backup, []);
    await store.append('a', { type: 'Said' });
    expect(await store.backup(backup)).toMatchObject({ number: 2, lastSequence: 1, copiedSegments: 1 });
    await checkRestored(backup, await eventsOf(store));
  });

  it('is made of a temporary store, too', async () => {
    const store = await openStore(':memory:');
    await fill(store, 300);
    const backup = temporaryDir();
    await store.backup(backup);
    const events = await eventsOf(store);
    await store.close();
    await checkRestored(backup, events);
  });

  it('keeps node id and idempotency keys', async () => {
    const store = await open({ nodeId: 'node-7' });
    await fill(store, 500);
    const { ids } = await store.append('keyed', KEYED);
    await fill(store, 500, 'second');
    const backup = temporaryDir();
    await store.backup(backup);
    const restored = await checkRestored(backup, await eventsOf(store));
    expect(restored.stats().nodeId).toBe('node-7');
    const again = await restored.append('keyed', KEYED);
    expect(again).toMatchObject({ duplicate: true, ids });
  });

  it('is made of a store that is open for reading, beside its writer', async () => {
    const store = await open();
    await fill(store, 1200);
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    const backup = temporaryDir();
    const { lastSequence } = await reader.backup(backup);
    // What the watermark does not tell yet is not known beside the writer.
    expect(lastSequence).toBeGreaterThanOrEqual(950);
    await reader.close();
    await checkRestored(backup, (await eventsOf(store)).slice(0, lastSequence));
    const before = contentOf(store.stats().dir);
    const again = await openStore({ dir: store.stats().dir, readOnly: true });
    await again.backup(backup);
    await again.close();
    expect(contentOf(store.stats().dir)).toEqual(before);
  });

  it('tells how far it is', async () => {
    const store = await open();
    await fill(store, 2000);
    const seen: BackupProgress[] = [];
    const { segments } = await store.backup(temporaryDir(), { onProgress: (progress) => seen.push(progress) });
    expect(seen.length).toBeGreaterThan(segments);
    expect(seen.at(-1)).toMatchObject({ segments, totalSegments: segments });
    expect(seen.at(-1)!.bytes).toBe(seen.at(-1)!.totalBytes);
    expect(seen.map(({ bytes }) => bytes)).toEqual(seen.map(({ bytes }) => bytes).sort((a, b) => a - b));
  });

  it('opens nowhere as a store', async () => {
    const store = await open();
    await fill(store, 100);
    const backup = temporaryDir();
    await store.backup(backup);
    const before = contentOf(backup);
    for (const readOnly of [true, false]) {
      await expect(openStore({ dir: backup, readOnly })).rejects.toMatchObject(refused('is a backup, not a store'));
    }
    expect(contentOf(backup)).toEqual(before);
  });
});

describe('the next backup into the same directory', () => {
  it('copies what is new, and the newest segment', async () => {
    const store = await open();
    await fill(store, 2000);
    const backup = temporaryDir();
    const first = await store.backup(backup);
    const whole = filesIn(backup);
    const second = await store.backup(backup);
    expect(second).toMatchObject({ number: 2, lastSequence: 2000, copiedSegments: 0, reusedSegments: first.segments });
    expect(second.copiedBytes).toBe(0);
    expect(filesIn(backup)).toEqual(whole);

    await store.append('a', { type: 'Said' });
    expect(counts(await store.backup(backup))).toEqual([first.segments, 1, first.segments - 1]);
    await checkRestored(backup, await eventsOf(store));
    await fill(store, 1200, 'second');
    const fourth = await store.backup(backup);
    // The one that was the newest may have been full, to the byte.
    expect(fourth.reusedSegments - first.segments + 1).toBeOneOf([0, 1]);
    expect(fourth.copiedSegments).toBe(store.stats().segments - fourth.reusedSegments);
    expect(fourth.copiedBytes).toBeLessThan(fourth.bytes / 1.5);
    await checkRestored(backup, await eventsOf(store));
    // Of what no list names nothing is left.
    const { content } = listOf(backup);
    expect(filesIn(backup)).toEqual([...namesIn(content), 'keeperlog.backup', 'keeperlog.lock'].sort());
  });

  it('takes sealed segments in the place of raw ones, and keeps those that it has', async () => {
    const store = await open();
    await fill(store, 2000);
    const backup = temporaryDir();
    const raw = await store.backup(backup);
    const { segments } = await store.seal();
    const sealed = await store.backup(backup);
    expect(counts(sealed)).toEqual([raw.segments, segments, raw.segments - segments]);
    expect(sealed.bytes).toBeLessThan(raw.bytes / 1.5);
    expect(counts(await store.backup(backup))).toEqual([raw.segments, 0, raw.segments]);
    await checkRestored(backup, await eventsOf(store));
  });

  it('goes on from a store that was opened again, and from one that was restored', async () => {
    const store = await open();
    await fill(store, 1200);
    const backup = temporaryDir();
    await store.backup(backup);
    await store.close();
    const again = await open({ dir: store.stats().dir });
    await fill(again, 500, 'second');
    expect(await again.backup(backup)).toMatchObject({ lastSequence: 1700, copiedSegments: expect.any(Number) });
    const restored = await checkRestored(backup, await eventsOf(again));
    const { reusedSegments } = await restored.backup(backup);
    expect(reusedSegments).toBeGreaterThan(0);
    await checkRestored(backup, await eventsOf(restored));
  });

  it('is aborted between two slices, and closed away: the one before it is whole', async () => {
    const store = await open();
    await fill(store, 1000);
    const events = await eventsOf(store);
    const backup = temporaryDir();
    await store.backup(backup);
    await fill(store, 2000, 'second');
    const before = contentOf(backup);
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = store.backup(backup, { signal: controller.signal, onProgress: () => controller.abort(reason) });
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: reason });
    expect(contentOf(backup)).toEqual(before);
    await expect(store.backup(backup, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    const thrown = store.backup(temporaryDir(), {
      onProgress() {
        throw reason;
      },
    });
    await expect(thrown).rejects.toBe(reason);
    await store.backup(backup);
    await checkRestored(backup, await eventsOf(store));
    const other = temporaryDir();
    const ended = expect(store.backup(other)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await store.close();
    await ended;
    await expect(store.backup(other)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(events.length).toBe(1000);
  });
});

describe('a backup is refused', () => {
  it('into the directory of the store, one that lies in it, and one that a link leads to', async () => {
    const store = await open();
    await fill(store, 100);
    const { dir } = store.stats();
    const link = temporaryDir();
    fs.symlinkSync(dir, link);
    for (const to of [dir, path.join(dir, 'backup'), path.join(dir, '..', 'store'), link, path.join(link, 'a', 'b')]) {
      await expect(store.backup(to)).rejects.toMatchObject(refused("is the store's own directory"));
    }
    expect(fs.readdirSync(dir)).not.toContain('backup');
  });

  it('into a directory that holds something else, which stays as it is', async () => {
    const store = await open();
    const other = temporaryDir();
    fs.mkdirSync(other);
    fs.writeFileSync(path.join(other, 'letter.txt'), 'dear');
    await expect(store.backup(other)).rejects.toMatchObject(
      refused('is not empty, and is no backup: it holds letter.txt'),
    );
    expect(fs.readdirSync(other)).toEqual(['letter.txt']);
    const another = await open();
    await expect(store.backup(another.stats().dir)).rejects.toMatchObject(refused('is not empty'));
  });

  it('where a file is, or in one: the path is wrong, not the disk', async () => {
    const store = await open();
    const backup = temporaryDir();
    await store.backup(backup);
    const file = path.join(backup, 'keeperlog.backup');
    const into = temporaryDir();
    for (const dir of [file, path.join(file, 'within')]) {
      const refused = { code: 'ERR_INVALID_OPTIONS', path: 'dir', message: expect.stringContaining('a file') };
      await expect(store.backup(dir)).rejects.toMatchObject(refused);
      await expect(restoreStore(backup, dir)).rejects.toMatchObject(refused);
      await expect(restoreStore(dir, into)).rejects.toMatchObject({ ...refused, path: 'backupDir' });
    }
    expect(fs.existsSync(into)).toBe(false);
  });

  it('into the backup of another store', async () => {
    const [store, other] = [await open(), await open()];
    const backup = temporaryDir();
    await other.backup(backup);
    const before = contentOf(backup);
    await expect(store.backup(backup)).rejects.toMatchObject(refused('is the backup of another store'));
    expect(contentOf(backup)).toEqual(before);
  });

  it('into that of a copy of the store that has grown apart, or is behind', async () => {
    const store = await open();
    await fill(store, 2000);
    const backup = temporaryDir();
    await store.backup(backup);
    const dir = temporaryDir();
    await restoreStore(backup, dir);
    const copy = await open({ dir });
    // Behind: what the backup has by then, the copy does not.
    await store.append('a', { type: 'Said' });
    await store.backup(backup);
    const before = contentOf(backup);
    await expect(copy.backup(backup)).rejects.toMatchObject(refused('does not go on from where the last backup ended'));
    // As many events, other ones.
    await copy.append('a', { type: 'Said' });
    await expect(copy.backup(backup)).rejects.toMatchObject(refused('does not go on from where'));
    await fill(copy, 1500, 'second');
    await expect(copy.backup(backup)).rejects.toMatchObject(refused('does not go on from where'));
    expect(contentOf(backup)).toEqual(before);
    await checkRestored(backup, await eventsOf(store));
  });

  it.each(['raw', 'sealed'])('where a segment is damaged that is %s, and the one before it is whole', async (kind) => {
    const store = await open();
    await fill(store, 1500);
    if (kind === 'sealed') await store.seal();
    const backup = temporaryDir();
    await store.backup(backup);
    await fill(store, 1000, 'second');
    const events = await eventsOf(store);
    const { dir } = store.stats();
    await store.close();
    const file = path.join(dir, `segment-0000000001.${kind === 'sealed' ? 'sealed' : 'log'}`);
    flip(file, fs.statSync(file).size >>> 1);
    const reader = await openStore({ dir, readOnly: true });
    const fresh = temporaryDir();
    const failure = { code: 'ERR_CORRUPT', file, firstSequence: expect.any(Number) };
    await expect(reader.backup(fresh)).rejects.toMatchObject(failure);
    await expect(restoreStore(fresh, temporaryDir())).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
    expect(filesIn(fresh)).toEqual(['keeperlog.backup', 'keeperlog.lock']);
    // The backup has the segment already: its copy is not that of the damaged one.
    expect(await reader.backup(backup)).toMatchObject({ number: 2, lastSequence: 2500 });
    await reader.close();
    await checkRestored(backup, events);
  });

  it('where what is new is damaged, and the one before it is whole', async () => {
    const store = await open();
    await fill(store, 500);
    const events = await eventsOf(store);
    const backup = temporaryDir();
    await store.backup(backup);
    const before = contentOf(backup);
    await fill(store, 1500, 'second');
    const { dir } = store.stats();
    await store.close();
    flip(path.join(dir, 'segment-0000000002.log'), 50_000);
    const reader = await openStore({ dir, readOnly: true });
    await expect(reader.backup(backup)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
    await reader.close();
    expect(contentOf(backup)).toEqual(before);
    await checkRestored(backup, events);
  });

  it('with options that it does not know', async () => {
    const store = await open();
    const invalid = (name: string): object => ({ code: 'ERR_INVALID_OPTIONS', path: name });
    await expect(store.backup(7 as never)).rejects.toMatchObject(invalid('dir'));
    await expect(store.backup('')).rejects.toMatchObject(invalid('dir'));
    await expect(store.backup(temporaryDir(), { fast: true } as never)).rejects.toMatchObject(invalid('fast'));
    await expect(store.backup(temporaryDir(), { signal: 1 } as never)).rejects.toMatchObject(invalid('signal'));
    await expect(store.backup(temporaryDir(), null as never)).rejects.toMatchObject(invalid('options'));
    await expect(restoreStore('', 'x')).rejects.toMatchObject(invalid('backupDir'));
  });

  it('into a directory that another backup writes into', async () => {
    const store = await open();
    await fill(store, 2000);
    const backup = temporaryDir();
    const results = await Promise.allSettled([store.backup(backup), store.backup(backup)]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    const refusal = results.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
    const hint = expect.stringContaining('wait until it has come to its end');
    expect(refusal.reason).toMatchObject({ code: 'ERR_LOCKED', pid: process.pid, hint });
    await checkRestored(backup, await eventsOf(store));
  });
});

describe('while a store is written', () => {
  it.each(['on-demand', 'background'] as const)(
    'a backup has a prefix of its log, with sealing %s and rotation going on',
    async (sealing) => {
      const store = await open({ sealing });
      await fill(store, 1200);
      const backup = temporaryDir();
      for (let i = 0; i < 4; i++) {
        const { durable } = store.stats();
        const [{ lastSequence, number }] = await Promise.all([
          store.backup(backup),
          fill(store, 1200, `run-${i}`),
          ...(sealing === 'on-demand' ? [store.seal()] : []),
        ]);
        expect(number).toBe(i + 1);
        expect(lastSequence).toBeGreaterThanOrEqual(durable);
        const restored = await checkRestored(backup, (await eventsOf(store)).slice(0, lastSequence));
        await restored.close();
      }
      expect(await store.verify()).toMatchObject({ ok: true });
    },
    60_000,
  );
});

describe('the audit tree', () => {
  it('comes with the backup, the key does not: proofs hold, and the restored store signs with a key of its own', async () => {
    const store = await open();
    await fill(store, 1200);
    const old = await store.checkpoint();
    const proof = await store.prove(77);
    const backup = temporaryDir();
    await store.backup(backup);
    expect(filesIn(backup).filter((name) => name.includes('key'))).toEqual([]);
    const restored = await checkRestored(backup, await eventsOf(store));
    expect(fs.existsSync(path.join(restored.stats().dir, 'keeperlog.key'))).toBe(false);
    const reader = await openStore({ dir: restored.stats().dir, readOnly: true });
    const digest = await store.digest(77);
    expect(await verifyProof(await reader.prove(77), { keys: [old.publicKey], digest })).toMatchObject({
      sequence: 77,
    });
    expect(await reader.prove(77)).toEqual(proof);
    await reader.close();

    const next = await restored.checkpoint();
    expect(next.size).toBe(1201);
    expect(next.publicKey).not.toBe(old.publicKey);
    const consistency = await restored.proveConsistency(old.size);
    const keys = [next.publicKey, old.publicKey];
    expect(await verifyProof(consistency, { keys, checkpoint: old.text })).toMatchObject({ newer: { size: 1201 } });
    // The two copies grow apart, and do not sign with one key.
    await store.append('a', { type: 'Said' });
    const other = await store.checkpoint();
    expect(other).toMatchObject({ size: 1201, publicKey: old.publicKey });
    expect(other.root).not.toBe(next.root);
  });

  it('grows in the backup as it does in the store', async () => {
    const store = await open();
    const backup = temporaryDir();
    for (const [i, events] of [100, 156, 1, 300].entries()) {
      if (events > 0) await append(store, events);
      if (i % 2 === 0) await store.rotateKey();
      await store.checkpoint();
      await store.backup(backup);
      const { content } = listOf(backup);
      expect(content!.tree!.size).toBe(store.stats().durable);
      const dir = temporaryDir();
      await restoreStore(backup, dir);
      const { size } = content!.tree!;
      const [reader, expected] = [
        await openStore({ dir, readOnly: true }),
        await openStore({ dir: store.stats().dir, readOnly: true }),
      ];
      for (const sequence of [1, Math.ceil(size / 2), size]) {
        expect(await reader.prove(sequence)).toEqual(await expected.prove(sequence));
      }
      await Promise.all([reader.close(), expected.close()]);
    }
    // As in the store, but for parts of tiles that no backup has met: none of a tile that is full.
    const tiles = (dir: string): string[] => filesIn(dir).filter((name) => name.startsWith('tile'));
    const parts = tiles(store.stats().dir).filter((name) => name.includes('.p'));
    const full = tiles(store.stats().dir).filter((name) => !name.includes('.p'));
    expect(tiles(backup)).toEqual(expect.arrayContaining(full));
    expect([...parts, ...full]).toEqual(expect.arrayContaining(tiles(backup)));
  });

  it('of a store that has lost it is kept from the last backup', async () => {
    const store = await open();
    await fill(store, 500);
    const { text } = await store.checkpoint();
    const backup = temporaryDir();
    await store.backup(backup);
    await store.close();
    const { dir } = store.stats();
    fs.rmSync(path.join(dir, 'keeperlog.tree'));
    fs.rmSync(path.join(dir, 'tile'), { recursive: true });
    const again = await open({ dir });
    await again.append('a', { type: 'Said' });
    await again.backup(backup);
    const restored = await checkRestored(backup, await eventsOf(again));
    const reader = await openStore({ dir: restored.stats().dir, readOnly: true });
    expect((await reader.prove(1)).checkpoint).toBe(text);
    await reader.close();
  });

  it('that is damaged is said so, and not backed up', async () => {
    const store = await open();
    await fill(store, 600);
    await store.checkpoint();
    const tile = path.join(store.stats().dir, 'tile', '0', '000');
    flip(tile, 40);
    await expect(store.backup(temporaryDir())).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: tile });
  });
});

async function append(store: Awaited<ReturnType<typeof open>>, events: number): Promise<void> {
  for (let left = events; left > 0; left -= 1000) {
    await store.append(
      'a',
      Array.from({ length: Math.min(1000, left) }, () => ({ type: 'Said' })),
    );
  }
}
