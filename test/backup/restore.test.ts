import fs from 'node:fs';
import path from 'node:path';
import { type BackupProgress, openStore, repairStore, restoreStore } from 'keeperlog';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { namesIn } from '../../dist/shared/format/backup-list.js';
import { sample, TIMEOUT_MS, tally } from '../support/effort.js';
import { makeDir, removeDir, temporaryDir } from '../support/stores.js';
import { checkRestored, eventsOf, filesIn, fill, flip, listOf, open } from './kit.js';

/** A backup of sealed and raw segments, with a tree and a checkpoint of heads. */
let whole: string;
let events: string[];

beforeAll(async () => {
  const parent = makeDir();
  const dir = path.join(parent, 'store');
  const store = await openStore({ dir, segmentBytes: 65_536, sealing: 'on-demand' });
  await fill(store, 400);
  await store.seal();
  await fill(store, 300, 'second');
  await store.checkpoint();
  await store.close();
  const reader = await openStore({ dir, readOnly: true });
  events = await eventsOf(reader);
  whole = path.join(parent, 'backup');
  await reader.backup(whole);
  await reader.close();
  return () => removeDir(parent);
}, 60_000);

/** A copy of the backup. */
function copy(): string {
  const parent = makeDir();
  onTestFinished(() => removeDir(parent));
  const dir = path.join(parent, 'backup');
  fs.cpSync(whole, dir, { recursive: true });
  return dir;
}

/** What a failed restore leaves. */
function expectNothing(dir: string): void {
  expect(fs.existsSync(dir) ? filesIn(dir).filter((name) => name !== 'keeperlog.lock') : []).toEqual([]);
}

describe('a restore', () => {
  it('brings segments, tree and heads, of which none has to be made anew', async () => {
    const { content } = listOf(whole);
    expect(new Set(content!.segments.map(({ sealed }) => sealed))).toEqual(new Set([true, false]));
    expect(content).toMatchObject({ heads: { sequence: 700 }, tree: { size: 700 } });
    const lines: any[] = [];
    const dir = temporaryDir();
    await restoreStore(whole, dir);
    const logger = { error() {}, warn() {}, debug() {}, info: (fields: object) => lines.push(fields) };
    const store = await open({ dir, logger });
    expect(lines.find(({ replayedEvents }) => replayedEvents !== undefined)).toMatchObject({
      replayedEvents: 0,
      clean: true,
    });
    await store.close();
    await checkRestored(whole, events);
  });

  it('begins a new epoch, and has every file that the backup has', async () => {
    const dir = temporaryDir();
    await restoreStore(whole, dir);
    const manifest = JSON.parse(fs.readFileSync(path.join(dir, 'keeperlog.manifest'), 'utf8').split('\n')[0]!);
    const { content } = listOf(whole);
    expect(manifest).toEqual({ ...content!.manifest, epoch: content!.manifest.epoch + 1 });
    const names = [...namesIn(content)].map((name) => name.replace(/\.\d+$/, ''));
    const tiles = filesIn(whole).filter((name) => name.startsWith('tile'));
    const own = ['keeperlog.lock', 'keeperlog.manifest', 'keeperlog.watermark'];
    expect(filesIn(dir)).toEqual([...names, ...tiles, ...own].sort());
  });

  it('goes into an empty directory, and into one of its own that was interrupted, and into no other', async () => {
    const refused = (what: string): object => ({
      code: 'ERR_INVALID_OPTIONS',
      path: 'dir',
      message: expect.stringContaining(what),
    });
    const dir = temporaryDir();
    fs.mkdirSync(dir);
    await restoreStore(whole, dir);
    await expect(restoreStore(whole, dir)).rejects.toMatchObject(refused('is not empty: it holds'));
    await expect(restoreStore(whole, path.join(whole, 'store'))).rejects.toMatchObject(refused('lies in it'));
    await expect(restoreStore(whole, whole)).rejects.toMatchObject(refused('is the directory of the backup'));
    const other = temporaryDir();
    fs.mkdirSync(other);
    fs.writeFileSync(path.join(other, 'letter.txt'), 'dear');
    await expect(restoreStore(whole, other)).rejects.toMatchObject(refused('it holds letter.txt'));
    expect(fs.readdirSync(other)).toEqual(['letter.txt']);

    // As far as the last step but one.
    fs.writeFileSync(path.join(dir, 'keeperlog.restoring'), '');
    for (const readOnly of [true, false]) {
      await expect(openStore({ dir, readOnly })).rejects.toMatchObject(refused('has not come to its end'));
    }
    await expect(repairStore(dir)).rejects.toMatchObject(refused('has not come to its end'));
    await restoreStore(whole, dir);
    const store = await open({ dir });
    expect(await eventsOf(store)).toEqual(events);
  });

  it('is refused where there is no backup, or none that has come to its end', async () => {
    const missing = { code: 'ERR_NOT_FOUND' };
    const dir = temporaryDir();
    await expect(restoreStore(temporaryDir(), dir)).rejects.toMatchObject(missing);
    const store = await open();
    // So many that they are not copied by when the abort arrives.
    await fill(store, 5000);
    await expect(restoreStore(store.stats().dir, dir)).rejects.toMatchObject(missing);
    const controller = new AbortController();
    const first = temporaryDir();
    const aborted = store.backup(first, { signal: controller.signal, onProgress: () => controller.abort() });
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(restoreStore(first, dir)).rejects.toMatchObject(missing);
    expectNothing(dir);
    await store.backup(first);
    await restoreStore(first, dir);
  });

  it('is aborted between two slices, and the directory is empty again; it tells how far it is', async () => {
    const dir = temporaryDir();
    const controller = new AbortController();
    const reason = new Error('enough');
    const onProgress = ({ segments }: BackupProgress): void => {
      if (segments === 3) controller.abort(reason);
    };
    const aborted = restoreStore(whole, dir, { signal: controller.signal, onProgress });
    await expect(aborted).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: reason });
    expectNothing(dir);
    const seen: BackupProgress[] = [];
    const { segments } = await restoreStore(whole, dir, { onProgress: (progress) => seen.push(progress) });
    const last = seen.at(-1)!;
    expect(last).toEqual({ segments, totalSegments: segments, bytes: last.totalBytes, totalBytes: last.totalBytes });
    await expect(restoreStore(whole, temporaryDir(), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
  });

  it('is refused of a list of a later format', async () => {
    const backup = copy();
    const file = path.join(backup, 'keeperlog.backup');
    const { crc32 } = await import('node:zlib');
    const text = JSON.stringify({ ...listOf(backup), format: 2 });
    fs.writeFileSync(file, `${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
    const failure = { code: 'ERR_UNSUPPORTED_FORMAT', found: '2', supported: '1' };
    await expect(restoreStore(backup, temporaryDir())).rejects.toMatchObject(failure);
  });
});

describe('a backup that is damaged', () => {
  it(
    'is found out, whichever file it is, and nothing is restored',
    async () => {
      const backup = copy();
      const names = filesIn(backup).filter((name) => name !== 'keeperlog.lock');
      expect(names.length).toBeGreaterThan(10);
      let tried = 0;
      for (const name of names) {
        const file = path.join(backup, name);
        const content = fs.readFileSync(file);
        const places = new Set([0, content.length >>> 1, content.length - 1, ...sample([...content.keys()], 100_003)]);
        for (const at of places) {
          flip(file, at);
          const dir = temporaryDir();
          const failure = await restoreStore(backup, dir).then(
            () => undefined,
            (error) => error,
          );
          expect(failure, `${name} at ${at}`).toMatchObject({ code: 'ERR_CORRUPT', file });
          expect(failure.hint).toMatch(/another (backup|directory)/);
          expectNothing(dir);
          fs.writeFileSync(file, content);
          tried++;
        }
      }
      tally('rot', 'bytes of backups turned over', tried);
    },
    TIMEOUT_MS,
  );

  it('is found out where a file is missing, cut off, longer, or another one', async () => {
    const backup = copy();
    const segments = filesIn(backup).filter((name) => name.startsWith('segment'));
    const [first, second] = segments.map((name) => path.join(backup, name));
    const content = fs.readFileSync(first!);
    const other = fs.readFileSync(second!);
    const ways: (() => void)[] = [
      () => fs.rmSync(first!),
      () => fs.writeFileSync(first!, content.subarray(0, content.length - 1)),
      () => fs.writeFileSync(first!, Buffer.concat([content, Buffer.of(0)])),
      () => fs.writeFileSync(first!, other),
      () => fs.writeFileSync(first!, ''),
    ];
    for (const way of ways) {
      way();
      const dir = temporaryDir();
      await expect(restoreStore(backup, dir)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: first });
      expectNothing(dir);
      fs.writeFileSync(first!, content);
    }
    const tiles = filesIn(backup).filter((name) => name.startsWith('tile'));
    for (const tile of tiles) {
      const bytes = fs.readFileSync(path.join(backup, tile));
      fs.rmSync(path.join(backup, tile));
      await expect(restoreStore(backup, temporaryDir())).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
      fs.writeFileSync(path.join(backup, tile), bytes);
    }
    await restoreStore(backup, temporaryDir());
  });

  it('whose list is gone is not taken for an empty directory', async () => {
    const backup = copy();
    fs.rmSync(path.join(backup, 'keeperlog.backup'));
    const store = await open();
    const refusal = { code: 'ERR_INVALID_OPTIONS', path: 'dir' };
    await expect(store.backup(backup)).rejects.toMatchObject(refusal);
    expect(filesIn(backup).length).toBeGreaterThan(10);
  });

  it('whose list does not verify is backed up into no more', async () => {
    const backup = copy();
    const file = path.join(backup, 'keeperlog.backup');
    flip(file, 20);
    const store = await open();
    await expect(store.backup(backup)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file });
  });
});
