/** The audit tree whose file is lost, or does not verify: signed again by a repair, of records and tiles, or said why not. */
import fs from 'node:fs';
import path from 'node:path';
import { repairStore } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, it } from 'vitest';
import { rootOver } from '../../dist/shared/format/tree-hash.js';
import { compactedDir, EVENTS, flip, proven, prunedDir, signedDir, verify } from '../seal/signed.js';
import { failure } from '../support/errors.js';
import { open } from '../support/stores.js';

const TREE = 'keeperlog.tree';
const KEY = 'keeperlog.key';

const remove = (dir: string, ...files: string[]): void => {
  for (const file of files) fs.rmSync(path.join(dir, file), { recursive: true });
};

/** What a reader, which signs nothing, proves. */
async function provenByReader(dir: string, sequence: number): Promise<string> {
  const store = await open({ dir, readOnly: true });
  const proof = await store.prove(sequence);
  const [, size, root] = proof.checkpoint.split('\n');
  const keys = keysOf(dir);
  expect(await verifyProof(proof, { keys, digest: await store.digest(sequence) })).toMatchObject({ sequence });
  await store.close();
  return `${size} ${root}`;
}

function keysOf(dir: string): string[] {
  const lines = fs.readFileSync(path.join(dir, TREE), 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('key ')).map((line) => line.slice(4));
}

const HIT = [
  ['is missing', (dir: string) => remove(dir, TREE)],
  ['does not verify', (dir: string) => flip(dir, TREE, 200)],
] as const;

const STORES = [
  ['nothing was removed', () => signedDir()],
  ['compaction has removed events', compactedDir],
  ['retention has removed events', prunedDir],
] as const;

describe.each(HIT)('the file of the tree that %s', (how, hit) => {
  it.each(STORES)('is signed again by a repair, to the same root and by the same key, where %s', async (_, make) => {
    const dir = await make();
    const before = await provenByReader(dir, 650);
    const keys = keysOf(dir);
    hit(dir);
    const file = path.join(dir, TREE);
    const damaged = fs.existsSync(file) ? fs.readFileSync(file) : undefined;
    const found = { damaged: true, rewritten: [file], unrepaired: [], problems: [], lost: [] };
    expect(await repairStore({ dir, dryRun: true })).toMatchObject({ ...found, repaired: false, kept: [] });
    expect(fs.existsSync(file) ? fs.readFileSync(file) : undefined).toEqual(damaged);
    const report = await repairStore(dir);
    expect(report).toMatchObject({ ...found, repaired: true });
    expect(report.kept.map((name) => path.basename(name))).toEqual(
      how === 'is missing' ? [] : [expect.stringMatching(/^keeperlog\.tree\.\d+\.damaged$/)],
    );
    expect(await verify(dir)).toMatchObject({ ok: true });
    expect(await provenByReader(dir, 650)).toBe(before);
    expect(keysOf(dir)).toEqual(keys);
    expect(await repairStore(dir)).toMatchObject({ damaged: false, rewritten: [] });
  });

  it.each(STORES.slice(1))(
    'stays as it is where its tiles are gone too, and %s, and it is said why',
    async (_, make) => {
      const dir = await make();
      hit(dir);
      remove(dir, 'tile');
      const before = fs.readdirSync(dir).sort();
      const report = await repairStore(dir);
      const file = path.join(dir, TREE);
      expect(report).toMatchObject({ damaged: true, repaired: false, rewritten: [], kept: [], unrepaired: [file] });
      expect(report.problems).toMatchObject([{ code: 'ERR_CORRUPT', file, firstSequence: 1 }]);
      expect(report.problems[0]!.message).toContain('from a backup');
      expect(fs.readdirSync(dir).sort()).toEqual(before);
    },
  );

  it('is not signed by a key that a repair would have to make', async () => {
    const dir = await compactedDir();
    hit(dir);
    remove(dir, KEY);
    await repairStore(dir);
    expect(fs.existsSync(path.join(dir, TREE))).toBe(false);
    expect(fs.existsSync(path.join(dir, KEY))).toBe(false);
  });
});

describe('beside the lost file of the tree', () => {
  it.each([
    ['one of records', 'tile/0/001'],
    ['the edge', 'tile/0/002.p/188'],
    ['one above others', 'tile/1/000.p/2'],
  ])('a tile that is not what the records give is set aside: %s', async (_, file) => {
    const dir = await signedDir();
    const signed = await proven(dir);
    remove(dir, TREE);
    const damaged = flip(dir, file, 40);
    expect((await failureOfCheckpoint(dir)).file).toBe(damaged);
    const report = await repairStore(dir);
    expect(report).toMatchObject({ repaired: true, unrepaired: [] });
    expect(report.kept).toEqual([expect.stringContaining(`${damaged}.`)]);
    expect(await verify(dir)).toMatchObject({ ok: true });
    expect(await proven(dir)).toMatchObject({ size: EVENTS, root: signed.root, publicKey: signed.publicKey });
  });

  it('a tile that alone has digests of removed records stays, and is named', async () => {
    const dir = await compactedDir();
    remove(dir, TREE);
    const other = flip(dir, 'tile/0/000', 33);
    const report = await repairStore(dir);
    expect(report).toMatchObject({ damaged: true, repaired: false, unrepaired: [other], kept: [] });
    expect(report.problems).toMatchObject([{ file: other, firstSequence: 1, lastSequence: 256 }]);
  });

  it('nothing is signed where the tiles agree, and the records are not theirs', async () => {
    const dir = await signedDir();
    remove(dir, TREE);
    const tile = flip(dir, 'tile/0/001', 40);
    const above = path.join(dir, 'tile/1/000.p/2');
    const hashes = fs.readFileSync(above);
    rootOver(fs.readFileSync(tile), 0, 256).copy(hashes, 32);
    fs.writeFileSync(above, hashes);
    const report = await repairStore(dir);
    expect(report).toMatchObject({ damaged: true, repaired: false, unrepaired: [tile], kept: [] });
    expect(report.problems[0]!.message).toContain('the records are not those');
    expect(fs.existsSync(path.join(dir, TREE))).toBe(false);
  });

  it('what a checkpoint could not go on with is made anew, though it has signed a tree by then', async () => {
    const dir = await prunedDir();
    const before = await provenByReader(dir, 650);
    const tiles = path.join(dir, 'tile');
    remove(dir, TREE);
    fs.renameSync(tiles, `${tiles}-elsewhere`);
    expect(await failureOfCheckpoint(dir)).toMatchObject({ firstSequence: 1 });
    expect((await repairStore(dir)).unrepaired).toEqual([path.join(dir, TREE)]);
    fs.rmSync(tiles, { recursive: true, force: true });
    fs.renameSync(`${tiles}-elsewhere`, tiles);
    expect(await repairStore(dir)).toMatchObject({ repaired: true, unrepaired: [] });
    expect(await provenByReader(dir, 650)).toBe(before);
  });
});

async function failureOfCheckpoint(
  dir: string,
): Promise<{ readonly file: string; readonly hint?: string | undefined }> {
  const store = await open({ dir });
  const error = await failure('ERR_CORRUPT', () => store.checkpoint());
  await store.close();
  return error;
}

describe('a store that was never signed', () => {
  it('has no tree to be repaired', async () => {
    const store = await open();
    await store.append('a', { type: 'Said' });
    const { dir } = store.stats();
    await store.close();
    expect(await repairStore(dir)).toMatchObject({ damaged: false });
    expect(fs.existsSync(path.join(dir, TREE))).toBe(false);
  });
});
