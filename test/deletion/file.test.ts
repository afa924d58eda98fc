/** What is deleted stays so, whoever opens the store, with its file of tombstones, without it, or with one that is damaged. */
import fs from 'node:fs';
import path from 'node:path';
import type { Store } from 'keeperlog';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { HEADS_FILE, MANIFEST_FILE, TOMBSTONES_FILE } from '../../dist/shared/format/file-names.js';
import { decodeManifest, type Manifest } from '../../dist/shared/format/manifest.js';
import { decodeTombstones, encodeTombstones, type TombstonesContent } from '../../dist/shared/format/tombstones.js';
import { fill, logLines, openWith, untilWithin } from '../retention/kit.js';
import { failure } from '../support/errors.js';
import { copyDir, listing, open, reopen } from '../support/stores.js';

function manifestOf(dir: string): Manifest {
  const found = decodeManifest(fs.readFileSync(path.join(dir, MANIFEST_FILE)));
  if (found.kind !== 'valid') throw new Error(found.kind);
  return found.manifest;
}

const tombstonesOf = (dir: string): string => path.join(dir, TOMBSTONES_FILE);
const dirOf = (store: Store): string => store.stats().dir;

/** The writer tells who follows it how far it has come after its own caller. */
async function untilTold(reader: Store, sequence: number): Promise<void> {
  await vi.waitFor(async () => expect((await reader.head())?.sequence).toBe(sequence));
}

/** Streams a, b and c, with two events each; a and c are deleted. */
async function withDeleted(): Promise<Store> {
  const store = await open();
  for (const stream of ['a', 'b', 'c', 'a', 'b', 'c']) await store.append(stream, { type: 'Noted' });
  await store.deleteStream('a');
  await store.deleteStream('c');
  await untilTold(await open({ dir: dirOf(store), readOnly: true }), 8);
  return store;
}

async function expectDeleted(store: Store): Promise<void> {
  const events = await store.read().toArray();
  expect(events.map(({ stream, sequence }) => `${stream} ${sequence}`)).toEqual(['b 2', 'b 5', 'a 7', 'c 8']);
  expect((await store.streams().toArray()).map(({ stream }) => stream)).toEqual(['b']);
  expect(await store.get(1)).toBeUndefined();
  expect(await store.head('a')).toMatchObject({ sequence: 7, revision: 2 });
}

test('the manifest tells of the first tombstone, and no longer lets a program in that does not know of them', async () => {
  const store = await open();
  const dir = dirOf(store);
  await store.append('a', { type: 'Noted' });
  expect(manifestOf(dir)).toMatchObject({ format: 1 });
  expect(fs.existsSync(tombstonesOf(dir))).toBe(false);
  await store.deleteStream('a');
  expect(manifestOf(dir)).toMatchObject({ format: 3, tombstones: 2 });
  await store.append('b', { type: 'Noted' });
  await store.deleteStream('b');
  expect(manifestOf(dir)).toMatchObject({ format: 3, tombstones: 2 });
  const again = await reopen(store);
  expect(manifestOf(dir)).toMatchObject({ format: 3, tombstones: 2, epoch: 2 });
  await again.close();
});

test('a deletion that was acknowledged holds after the process has died', async () => {
  const dir = copyDir(dirOf(await withDeleted()));
  await expectDeleted(await open({ dir, readOnly: true }));
  const store = await open({ dir });
  await expectDeleted(store);
  await expectDeleted(await reopen(store));
});

test('one of which only the log knows holds for who writes and for who reads', async () => {
  const store = await withDeleted();
  const without = copyDir(dirOf(store));
  fs.rmSync(tombstonesOf(without)); // which the process had not come to write
  await expectDeleted(await open({ dir: without, readOnly: true }));
  const { logger, lines } = logLines();
  const opened = await open({ dir: without, logger });
  await expectDeleted(opened);
  expect(lines.filter(({ level }) => level === 'warn')).toEqual([]);
  await opened.close();
  expect(fs.existsSync(tombstonesOf(without))).toBe(true);
});

describe.each<[string, (file: string) => void]>([
  ['missing', (file) => fs.rmSync(file)],
  ['damaged', (file) => fs.writeFileSync(file, fs.readFileSync(file).fill(0xff, 70, 71))],
  ['damaged', (file) => fs.truncateSync(file, 40)],
])('where the file is %s', (why, damage) => {
  async function damaged(): Promise<string> {
    const store = await withDeleted();
    await store.close(); // with a checkpoint, behind which nothing is read again
    const dir = copyDir(dirOf(store));
    expect(fs.existsSync(path.join(dir, HEADS_FILE))).toBe(true);
    damage(tombstonesOf(dir));
    return dir;
  }

  test('who only reads finds them in the log, and writes nothing', async () => {
    const dir = await damaged();
    const before = listing(dir);
    await expectDeleted(await open({ dir, readOnly: true }));
    expect(listing(dir)).toEqual(before);
  });

  test('a writer makes it anew, and tells of it', async () => {
    const dir = await damaged();
    const { logger, lines } = logLines();
    const store = await open({ dir, logger });
    await expectDeleted(store);
    const message = 'the file of deleted streams is made anew from the log';
    expect(lines.filter(({ level }) => level === 'warn')).toMatchObject([{ message, fields: { why } }]);
    const { lines: later, logger: second } = logLines();
    await expectDeleted(await reopen(store, { logger: second }));
    expect(later.filter(({ level }) => level === 'warn')).toEqual([]);
  });
});

test('a file that knows of more than the log does is made anew', async () => {
  const longer = await withDeleted();
  for (let i = 0; i < 5; i++) await longer.append('b', { type: 'Noted' });
  await longer.close();
  const dir = copyDir(dirOf(longer));
  const before = copyDir(dirOf(longer));
  const again = await open({ dir });
  await again.deleteStream('b');
  await again.close();
  fs.copyFileSync(tombstonesOf(dir), tombstonesOf(before));
  const { logger, lines } = logLines();
  const opened = await open({ dir: before, logger });
  expect(await opened.readStream('b').toArray()).toHaveLength(7);
  expect(await opened.readStream('a').toArray()).toHaveLength(1);
  expect(lines).toContainEqual(
    expect.objectContaining({ level: 'warn', fields: expect.objectContaining({ why: 'damaged' }) }),
  );
});

test('a store that is only read takes up what is deleted meanwhile', async () => {
  const store = await open();
  await store.append('a', { type: 'Noted' });
  const beside = await open({ dir: dirOf(store), readOnly: true });
  await untilTold(beside, 1);
  expect(await beside.readStream('a').toArray()).toHaveLength(1);
  for (const stream of ['a', 'b', 'c']) {
    await store.append(stream, [{ type: 'Noted' }, { type: 'Noted' }]);
    const { lastSequence } = await store.deleteStream(stream);
    await untilTold(beside, lastSequence);
    const seen = await beside.readStream(stream).toArray();
    expect(seen.map(({ sequence }) => sequence)).toEqual([lastSequence]);
    expect(await beside.get(lastSequence - 1)).toBeUndefined();
  }
  expect(await beside.streams().toArray()).toEqual([]);
});

test('a store that is only read refuses to go on by a file that is damaged meanwhile', async () => {
  const store = await withDeleted();
  const beside = await open({ dir: dirOf(store), readOnly: true });
  const bytes = fs.readFileSync(tombstonesOf(dirOf(store)));
  bytes[60]! ^= 1;
  fs.writeFileSync(tombstonesOf(dirOf(store)), bytes);
  const { file } = await failure('ERR_CORRUPT', () => beside.read().toArray());
  expect(file).toBe(tombstonesOf(dirOf(store)));
  await store.deleteStream('b');
  expect(await beside.read({ types: 'Noted' }).toArray()).toEqual([]);
});

test('a store is closed when what was deleted is kept', async () => {
  const store = await open();
  await store.append('a', { type: 'Noted' });
  const deleting = store.deleteStream('a');
  await store.close();
  expect(await deleting).toMatchObject({ firstSequence: 2, durability: 'synced' });
  await failure('ERR_CLOSED', () => store.deleteStream('a'));
});

test('many that are deleted at once are all kept', async () => {
  const store = await open();
  const names = Array.from({ length: 300 }, (_, i) => `s${i}`);
  await Promise.all(names.map((name) => store.append(name, { type: 'Noted' })));
  await Promise.all(names.map((name) => store.deleteStream(name)));
  const dir = copyDir(dirOf(store));
  for (const readOnly of [true, false]) {
    expect(await (await open({ dir, readOnly })).read({ types: 'Noted' }).toArray()).toEqual([]);
  }
  expect(await store.read().toArray()).toHaveLength(300);
});

test('nothing is deleted in a store that is only read', async () => {
  const store = await withDeleted();
  const beside = await open({ dir: dirOf(store), readOnly: true });
  const error = await failure('ERR_INVALID_OPTIONS', () => beside.deleteStream('b'));
  expect(error).toMatchObject({ path: 'readOnly', outcome: 'not-appended' });
});

test('a tombstone that retention has removed is forgotten, and what comes later is read', async () => {
  const store = await openWith(undefined);
  await fill(store, 12);
  await store.deleteStream('s0');
  await fill(store, 90, 12);
  await store.deleteStream('s1');
  await store.close();
  const retaining = await openWith({ maxBytes: 200_000 }, { dir: dirOf(store) });
  const floor = await untilWithin(retaining, 200_000);
  expect(floor).toBeGreaterThan(13);
  await retaining.deleteStream('s2');
  const events = await retaining.read().toArray();
  expect(events.filter(({ stream }) => stream === 's0').length).toBeGreaterThan(5);
  expect(events.filter(({ stream }) => stream !== 's0').map(({ type }) => type)).toEqual(['$tombstone', '$tombstone']);
  // What is asked for by its revision was deleted, not removed.
  expect(await retaining.readStream('s1', { fromRevision: 3, toRevision: 5 }).toArray()).toEqual([]);
  await failure('ERR_PRUNED', () => retaining.readStream('s0', { fromRevision: 0 }).toArray());
  const ids = events.map(({ id }) => id);
  for (const options of [{}, { readOnly: true }]) {
    await retaining.close();
    const again = await openWith(undefined, { dir: dirOf(store), ...options });
    expect((await again.read().toArray()).map(({ id }) => id)).toEqual(ids);
    onTestFinished(() => again.close());
    await again.close();
  }
});

describe('verify', () => {
  /** The file of a store that is closed, with other content. */
  async function rewritten(content: (found: TombstonesContent) => TombstonesContent): Promise<string> {
    const store = await withDeleted();
    const storeId = Buffer.from(store.stats().storeId, 'hex');
    await store.close();
    const hasher = await PlaceHasher.create(storeId);
    const file = tombstonesOf(dirOf(store));
    const found = decodeTombstones(fs.readFileSync(file), storeId, hasher)!;
    fs.writeFileSync(file, encodeTombstones(content(found), storeId, hasher));
    return dirOf(store);
  }

  test('finds nothing wrong with what was deleted', async () => {
    const store = await withDeleted();
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: 8, problems: [] });
    await store.close();
    const reader = await open({ dir: dirOf(store), readOnly: true });
    expect(await reader.verify({ deep: true })).toMatchObject({ ok: true, events: 8 });
  });

  test('tells of a file that is damaged', async () => {
    const store = await withDeleted();
    await store.close();
    const file = tombstonesOf(dirOf(store));
    fs.writeFileSync(file, fs.readFileSync(file).fill(0xff, 70, 71));
    const reader = await open({ dir: dirOf(store), readOnly: true });
    const { ok, problems } = await reader.verify();
    expect(ok).toBe(false);
    expect(problems).toMatchObject([
      { code: 'ERR_CORRUPT', file, message: expect.stringContaining('does not verify') },
    ]);
  });

  test.each<[string, TombstonesContent['tombstones'][number]]>([
    ['of an event that is none', ['b', 5]],
    ['of another stream', ['b', 7]],
  ])('tells of a tombstone %s', async (_, entry) => {
    const dir = await rewritten(({ sequence, tombstones }) => ({
      sequence,
      tombstones: [...tombstones.filter(([, own]) => own !== entry[1]), entry],
    }));
    const reader = await open({ dir, readOnly: true });
    const { problems } = await reader.verify();
    const [stream, firstSequence] = entry;
    const message = expect.stringContaining(`tombstone ${firstSequence} of ${stream}`);
    expect(problems).toMatchObject([{ code: 'ERR_CORRUPT', file: tombstonesOf(dir), firstSequence, message }]);
  });

  test('tells of a file that has not all that the log has', async () => {
    const dir = await rewritten(({ sequence, tombstones }) => ({
      sequence,
      tombstones: tombstones.filter(([stream]) => stream !== 'a'),
    }));
    const reader = await open({ dir, readOnly: true });
    const { problems } = await reader.verify();
    const message = expect.stringContaining('has not the tombstone 7 of a,');
    expect(problems).toMatchObject([{ code: 'ERR_CORRUPT', file: tombstonesOf(dir), firstSequence: 7, message }]);
  });

  test('finds nothing wrong with a file of before, which says how far it speaks', async () => {
    const dir = await rewritten(({ tombstones }) => ({
      sequence: 7,
      tombstones: tombstones.filter(([stream]) => stream !== 'c'),
    }));
    const reader = await open({ dir, readOnly: true });
    expect((await reader.verify()).problems).toEqual([]);
  });
});
