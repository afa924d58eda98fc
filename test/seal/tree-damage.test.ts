/** Damage of the audit tree: what finds it, and what becomes of it. */
import fs from 'node:fs';
import path from 'node:path';
import { repairStore } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, it, vi } from 'vitest';
import { logLines, openWith, untilWithin } from '../retention/kit.js';
import { failure } from '../support/errors.js';
import { open } from '../support/stores.js';
import { compactedDir, EVENTS, fill, flip, proven, prunedDir, signedDir, TINY, verify } from './signed.js';

describe('verify({ deep: true })', () => {
  it('finds nothing in a tree that is whole, signed or not', async () => {
    expect(await verify(await signedDir())).toMatchObject({ ok: true, problems: [] });
    const store = await open();
    await fill(store, 100);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it.each([
    ['a full tile', 'tile/0/001', { firstSequence: 257, lastSequence: 512 }],
    ['a tile of the edge', 'tile/0/002.p/188', { firstSequence: 513, lastSequence: 700 }],
    ['a tile above others', 'tile/1/000.p/2', { firstSequence: 1, lastSequence: 512 }],
  ])('names %s that does not verify, with its sequences', async (_, file, range) => {
    const dir = await signedDir();
    const damaged = flip(dir, file, 40);
    const { ok, problems } = await verify(dir);
    expect({ ok, problems }).toMatchObject({ ok: false, problems: [{ code: 'ERR_CORRUPT', file: damaged, ...range }] });
    expect(problems).toHaveLength(1);
    expect(await verify(dir, false)).toMatchObject({ ok: true });
  });

  it('names one that is missing, and the file of the tree', async () => {
    const dir = await signedDir();
    const tile = path.join(dir, 'tile/0/000');
    fs.rmSync(tile);
    expect((await verify(dir)).problems).toMatchObject([{ file: tile, message: 'the tile is missing' }]);
    const tree = flip(dir, 'keeperlog.tree', 200);
    expect((await verify(dir)).problems).toMatchObject([{ file: tree, code: 'ERR_CORRUPT' }]);
  });

  it('looks at the parts of the edge that earlier checkpoints had, and a repair makes them anew', async () => {
    const store = await open();
    await fill(store, 600);
    await store.checkpoint();
    await fill(store, 60);
    await store.checkpoint();
    const { dir } = store.stats();
    await store.close();
    expect(fs.readdirSync(path.join(dir, 'tile/0/002.p')).sort()).toEqual(['148', '88']);
    const part = path.join(dir, 'tile/0/002.p/88');
    const whole = fs.readFileSync(part);
    for (const damage of [() => flip(dir, 'tile/0/002.p/88', 40), () => fs.truncateSync(part, 100)]) {
      damage();
      const { problems } = await verify(dir);
      expect(problems).toMatchObject([{ code: 'ERR_CORRUPT', file: part, firstSequence: 513, lastSequence: 600 }]);
      expect(problems).toHaveLength(1);
      expect(await repairStore(dir)).toMatchObject({ repaired: true, rewritten: [part], unrepaired: [] });
      expect(fs.readFileSync(part)).toEqual(whole);
      expect(await verify(dir)).toMatchObject({ ok: true });
    }
  });

  it('looks at the tiles of what was removed as well', async () => {
    const dir = await compactedDir();
    expect(await verify(dir)).toMatchObject({ ok: true });
    const tile = flip(dir, 'tile/0/000', 33);
    expect((await verify(dir)).problems).toMatchObject([{ file: tile }]);
  });

  it('says that the tree is lost that had what was removed', async () => {
    const dir = await compactedDir();
    const tree = path.join(dir, 'keeperlog.tree');
    fs.rmSync(tree);
    expect((await verify(dir)).problems).toMatchObject([{ file: tree, firstSequence: 1, lastSequence: 100 }]);
  });
});

describe('a repair', () => {
  it.each([
    ['a full tile', ['tile/0/001']],
    ['a tile of the edge', ['tile/0/002.p/188']],
    ['a tile above others', ['tile/1/000.p/2']],
    ['a tile, and the one above it', ['tile/0/001', 'tile/1/000.p/2']],
  ])('makes %s anew of the records, to the root that was signed', async (_, files) => {
    const dir = await signedDir();
    const signed = await proven(dir);
    const damaged = files.map((file) => flip(dir, file, 40));
    expect(await repairStore({ dir, dryRun: true })).toMatchObject({ damaged: true, repaired: false, unrepaired: [] });
    expect(await verify(dir)).toMatchObject({ ok: false });
    const report = await repairStore(dir);
    expect(report).toMatchObject({ damaged: true, repaired: true, unrepaired: [], kept: [], lost: [] });
    expect([...report.rewritten].sort()).toEqual(damaged.sort());
    expect(await verify(dir)).toMatchObject({ ok: true });
    expect(await repairStore(dir)).toMatchObject({ damaged: false });
    expect(await proven(dir)).toEqual(signed);
  });

  it('makes all tiles anew where none is left', async () => {
    const dir = await signedDir();
    const signed = await proven(dir);
    fs.rmSync(path.join(dir, 'tile'), { recursive: true });
    expect(await repairStore(dir)).toMatchObject({ repaired: true, unrepaired: [] });
    expect(await verify(dir)).toMatchObject({ ok: true });
    expect(await proven(dir)).toEqual(signed);
  });

  it('mends the hashes of records that are there beside those of removed ones', async () => {
    const dir = await compactedDir();
    const signed = await proven(dir);
    flip(dir, 'tile/0/000', 32 * 200);
    expect(await repairStore(dir)).toMatchObject({ repaired: true, unrepaired: [] });
    expect(await proven(dir)).toEqual(signed);
  });

  it('says what cannot be made anew: the hashes of removed records', async () => {
    const dir = await compactedDir();
    const tile = flip(dir, 'tile/0/000', 33);
    const other = flip(dir, 'tile/0/001', 33);
    const report = await repairStore(dir);
    expect(report).toMatchObject({ damaged: true, repaired: true, rewritten: [other], unrepaired: [tile], lost: [] });
    expect((await verify(dir)).problems).toMatchObject([{ file: tile }]);
  });
});

/** The same, with a stream that is deleted and not yet removed. */
async function deletedDir(): Promise<string> {
  const store = await open(TINY);
  await fill(store, EVENTS);
  await store.checkpoint();
  await store.deleteStream('agent-0');
  const { dir } = store.stats();
  await store.close();
  return dir;
}

describe('a compaction', () => {
  it.each([
    ['a full tile', ['tile/0/000']],
    ['the edge', ['tile/0/002.p/188', 'tile/1/000.p/2']],
  ])('makes %s anew first, as long as the records are there', async (_, files) => {
    const dir = await deletedDir();
    const whole = files.map((file) => fs.readFileSync(path.join(dir, file)));
    for (const file of files) flip(dir, file, 40);
    const store = await open({ ...TINY, dir });
    expect(await store.compact()).toMatchObject({ events: 100 });
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
    for (const sequence of [150, 256, 600]) expect(await store.prove(sequence)).toMatchObject({ sequence });
    if (files[0] === 'tile/0/000') expect(fs.readFileSync(path.join(dir, files[0]))).toEqual(whole[0]);
  });

  it('removes nothing beside a tile that cannot be made anew', async () => {
    const dir = await compactedDir();
    const tile = flip(dir, 'tile/0/000', 33);
    const store = await open({ ...TINY, dir });
    await store.deleteStream('agent-1');
    const error = await failure('ERR_CORRUPT', () => store.compact());
    expect(error).toMatchObject({ file: tile, firstSequence: 1, lastSequence: 256 });
    expect(error.message).toContain('cannot be made anew');
    for (const step of ['from a backup', 'verify --deep', 'keeperlog.tree, tile/ and keeperlog.key']) {
      expect(error.hint).toContain(step);
    }
    expect(await store.verify({ deep: true })).toMatchObject({ problems: [{ file: tile }] });
    await store.close();
    fs.writeFileSync(
      tile,
      fs.readFileSync(tile).map((byte, i) => (i === 33 ? byte ^ 1 : byte)),
    );
    const again = await open({ ...TINY, dir });
    expect(await again.compact()).toMatchObject({ events: 100 });
  });
});

/** What the hint says where there is no backup. */
function beginAnew(dir: string): void {
  const kept = `${dir}-kept`;
  fs.mkdirSync(kept);
  for (const name of ['keeperlog.tree', 'tile', 'keeperlog.key']) {
    fs.renameSync(path.join(dir, name), path.join(kept, name));
  }
}

describe('a tree begun anew, where a tile is lost for good,', () => {
  it('lets a compaction go on, under a new key', async () => {
    const dir = await compactedDir();
    const { publicKey } = await proven(dir);
    flip(dir, 'tile/0/000', 33);
    const blocked = await open({ ...TINY, dir });
    await blocked.deleteStream('agent-1');
    await failure('ERR_CORRUPT', () => blocked.compact());
    await blocked.close();
    expect((await repairStore(dir)).unrepaired).toHaveLength(1);
    beginAnew(dir);
    const store = await open({ ...TINY, dir });
    expect(await store.compact()).toMatchObject({ events: 100 });
    expect((await store.checkpoint()).publicKey).not.toBe(publicKey);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
    await store.close();
    await proven(dir, [257, 600]);
  });

  it('lets retention go on', async () => {
    const dir = await compactedDir();
    flip(dir, 'tile/0/000', 33);
    beginAnew(dir);
    const store = await openWith({ maxBytes: 65_536 }, { dir });
    await untilWithin(store, 2 * 65_536);
    expect(store.stats().floor).toBeGreaterThan(100);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
  });
});

describe('retention', () => {
  it('makes a damaged tile anew before the records below it go', async () => {
    const dir = await signedDir(TINY);
    const tile = flip(dir, 'tile/0/000', 40);
    const store = await openWith({ maxBytes: 65_536 }, { dir });
    await untilWithin(store, 2 * 65_536);
    expect(store.stats().floor).toBeGreaterThan(100);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
    expect(await store.prove(2)).toMatchObject({ sequence: 2 });
    expect(fs.existsSync(tile)).toBe(true);
  });

  it('removes nothing beside one that cannot be made anew, and says so', async () => {
    const dir = await compactedDir();
    const tile = flip(dir, 'tile/0/000', 33);
    const { logger, lines } = logLines();
    const store = await openWith({ maxBytes: 65_536 }, { dir, logger });
    const told = (): unknown =>
      lines.find(({ message }) => message === 'retention could not remove the oldest segments');
    await vi.waitFor(() => expect(told()).toBeDefined(), { timeout: 20_000, interval: 20 });
    expect(told()).toMatchObject({
      level: 'warn',
      fields: { err: { code: 'ERR_CORRUPT', file: tile, hint: expect.stringContaining('from a backup') } },
    });
    expect(store.stats().floor).toBe(1);
  });
});

describe('a lost file of the tree', () => {
  it.each([
    ['nothing was removed', () => signedDir()],
    ['compaction has removed events', compactedDir],
    ['retention has removed events', prunedDir],
  ])('is made anew to the same root where tiles are there, and %s', async (_, make) => {
    const dir = await make();
    const before = await open({ dir });
    const signed = await before.checkpoint();
    await before.close();
    fs.rmSync(path.join(dir, 'keeperlog.tree'));
    const store = await open({ dir });
    expect(await store.checkpoint()).toMatchObject({
      size: signed.size,
      root: signed.root,
      publicKey: signed.publicKey,
    });
    expect(await store.prove(650)).toMatchObject({ sequence: 650 });
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it('is made anew of the records alone where all of them are there', async () => {
    const dir = await signedDir();
    const { root, publicKey } = await proven(dir);
    for (const name of ['keeperlog.tree', 'tile']) fs.rmSync(path.join(dir, name), { recursive: true });
    expect(await proven(dir)).toMatchObject({ root, publicKey });
  });

  it.each([
    ['compaction', compactedDir],
    ['retention', prunedDir],
  ])('is not made up by its key where the tiles are lost too that had what %s has removed', async (_, make) => {
    const dir = await make();
    for (const name of ['keeperlog.tree', 'tile']) fs.rmSync(path.join(dir, name), { recursive: true });
    const tree = path.join(dir, 'keeperlog.tree');
    for (let opened = 0; opened < 2; opened++) {
      const store = await open({ dir });
      const error = await failure('ERR_CORRUPT', () => store.checkpoint());
      expect(error).toMatchObject({ file: tree, firstSequence: 1 });
      expect(error.hint).toContain('keeperlog.key');
      await failure('ERR_CORRUPT', () => store.prove(650));
      expect((await store.verify({ deep: true })).problems).toMatchObject([{ file: tree, firstSequence: 1 }]);
      expect((await store.append('a', { type: 'Said' })).durability).toBe('synced');
      await store.close();
    }
    for (const name of ['keeperlog.tree', 'keeperlog.key']) fs.rmSync(path.join(dir, name), { force: true });
    const store = await open({ dir });
    const { publicKey: keys } = await store.checkpoint();
    const proof = await store.prove(650);
    expect(await verifyProof(proof, { keys, digest: await store.digest(650) })).toMatchObject({ sequence: 650 });
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it('is not made anew of a tile that the one above it does not know', async () => {
    const dir = await compactedDir();
    const tile = flip(dir, 'tile/0/000', 33);
    fs.rmSync(path.join(dir, 'keeperlog.tree'));
    const store = await open({ dir });
    await failure('ERR_CORRUPT', () => store.checkpoint()).then(({ file }) => expect(file).toBe(tile));
  });
});
