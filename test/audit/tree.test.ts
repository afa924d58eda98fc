/** The tree on the disk: its tiles, its file and its keys; growing, resuming, and being tampered with. */
import fs from 'node:fs';
import path from 'node:path';
import { verifyCheckpoint, verifyProof } from 'keeperlog/proof';
import { describe, expect, test } from 'vitest';
import { AuditTree, LOST_DIGEST } from '../../dist/shared/audit/audit-tree.js';
import { Prover } from '../../dist/shared/audit/prover.js';
import { KEY_FILE, TREE_FILE } from '../../dist/shared/format/file-names.js';
import { decodeKeyFile } from '../../dist/shared/format/signing-key.js';
import { tilePath } from '../../dist/shared/format/tile.js';
import { isKeeperError } from '../../dist/shared/portable/errors.js';
import { toBase64 } from '../../dist/shared/portable/proof/base64.js';
import { nodeStorage, storageError } from '../../dist/shared/storage.js';
import { intercept } from '../crash/intercept.js';
import type { MemoryDisk } from '../crash/memory-disk.js';
import { flipped } from '../support/bytes.js';
import { failure } from '../support/errors.js';
import { temporaryDir } from '../support/stores.js';
import {
  contentOf,
  DIR,
  digests,
  filesOf,
  newDisk,
  ORIGIN,
  openProver,
  openTree,
  STORE_ID,
  treeOf,
  withContent,
} from './kit.js';
import { leafHash, mth } from './reference.js';

const DATA = digests(1200);
const upTo = (end: number, from = 0): Buffer => Buffer.concat(DATA.slice(from, end));
const rootOf = (size: number): string => toBase64(mth(DATA.slice(0, size)));
const tilesOf = (disk: MemoryDisk): string[] => filesOf(disk).filter((file) => file.startsWith('tile/'));
const codeOf = (error: unknown): string => (isKeeperError(error) ? error.code : String(error));

describe('the path of a tile', () => {
  test.each([
    [0, 0, 256, 'tile/0/000'],
    [0, 67, 256, 'tile/0/067'],
    [1, 999, 256, 'tile/1/999'],
    [0, 1000, 256, 'tile/0/x001/000'],
    [0, 1234067, 256, 'tile/0/x001/x234/067'],
    [2, 1234067, 17, 'tile/2/x001/x234/067.p/17'],
    [5, 0, 1, 'tile/5/000.p/1'],
  ])('on level %i, number %i, of %i hashes is %s', (level, index, width, expected) => {
    expect(tilePath(level, index, width)).toBe(expected);
  });
});

describe('a tree', () => {
  test('has the root of the definition at every size, however its leaves came', () => {
    for (const step of [1, 7, 256, 300]) {
      const tree = openTree(newDisk());
      for (let from = 0; from < 600; from += step) {
        tree.append(from + 1, upTo(Math.min(600, from + step), from));
        if (step > 1 || from % 51 === 0 || from > 590) {
          expect(tree.checkpoint()).toMatchObject({ size: tree.size, root: rootOf(tree.size) });
        }
      }
    }
  });

  test('of 70,000 leaves has the tiles that the specification says', () => {
    const { disk } = treeOf(digests(70_000));
    const tiles = tilesOf(disk);
    const full = Array.from({ length: 273 }, (_, i) => `tile/0/${String(i).padStart(3, '0')}`);
    const others = ['tile/0/273.p/112', 'tile/1/000', 'tile/1/001.p/17', 'tile/2/000.p/1'];
    expect(tiles).toEqual([...full, ...others].sort());
    expect(contentOf(disk, 'tile/0/000')).toHaveLength(8192);
    expect(contentOf(disk, 'tile/0/273.p/112')).toHaveLength(112 * 32);
    expect(contentOf(disk, 'tile/2/000.p/1')).toEqual(mth(digests(65_536)));
  });

  test('of 256 leaves has a full tile and the first hash of the one above', () => {
    const { disk } = treeOf(DATA.slice(0, 256));
    expect(tilesOf(disk)).toEqual(['tile/0/000', 'tile/1/000.p/1']);
    expect(contentOf(disk, 'tile/0/000')).toEqual(Buffer.concat(DATA.slice(0, 256).map(leafHash)));
    expect(contentOf(disk, 'tile/1/000.p/1')).toEqual(mth(DATA.slice(0, 256)));
  });

  test('keeps the partial tiles of every checkpoint until the whole tile is there, then removes them', () => {
    const { disk, tree } = treeOf(DATA.slice(0, 10));
    for (const end of [11, 200]) {
      tree.append(tree.size + 1, upTo(end, tree.size));
      tree.checkpoint();
    }
    expect(tilesOf(disk)).toEqual(['tile/0/000.p/10', 'tile/0/000.p/11', 'tile/0/000.p/200']);
    tree.append(201, upTo(300, 200));
    expect(tilesOf(disk)).toContain('tile/0/000.p/200');
    tree.checkpoint();
    expect(tilesOf(disk)).toEqual(['tile/0/000', 'tile/0/001.p/44', 'tile/1/000.p/1']);
    expect(disk.exists(`${DIR}/tile/0/000.p`)).toBe(false);
  });

  test('without a leaf can be signed', async () => {
    const { tree } = treeOf([]);
    const { size, root, publicKey, text } = tree.newest!;
    expect({ size, root }).toEqual({ size: 0, root: rootOf(0) });
    expect(await verifyCheckpoint(text, publicKey)).toMatchObject({ origin: ORIGIN, size: 0 });
  });

  test('writes only the tiles that have grown since the checkpoint before', () => {
    const { disk, tree } = treeOf(DATA.slice(0, 700));
    const steps = disk.journal.length;
    tree.append(701, DATA[700]!);
    tree.checkpoint();
    const renamed = disk.journal.slice(steps).flatMap((step) => (step.kind === 'rename' ? [step.to] : []));
    expect(renamed).toEqual([`${DIR}/tile/0/002.p/189`, `${DIR}/${TREE_FILE}`]);
  });

  test('gives the same checkpoint again, and writes nothing, where nothing is new', () => {
    const { disk, tree } = treeOf(DATA.slice(0, 5));
    const steps = disk.journal.length;
    expect(tree.checkpoint()).toEqual(tree.newest);
    expect(openTree(disk).checkpoint()).toEqual(tree.newest);
    expect(disk.journal).toHaveLength(steps);
  });

  test('takes leaves that it has again, if they are the same', async () => {
    const { disk, tree } = treeOf(DATA.slice(0, 300));
    tree.append(1, upTo(310));
    expect(tree.checkpoint()).toMatchObject({ size: 310, root: rootOf(310) });
    tree.append(250, upTo(260, 249));
    expect(tree.size).toBe(310);
    for (const sequence of [1, 256, 257, 300, 310]) {
      const again = openTree(disk);
      const error = await failure('ERR_CORRUPT', () => again.append(sequence, DATA[999]!));
      expect(error).toMatchObject({ firstSequence: sequence, lastSequence: sequence });
      expect(error.offset).toBe(((sequence - 1) % 256) * 32);
    }
  });

  test('refuses leaves that do not follow, and parts of one', () => {
    const { tree } = treeOf(DATA.slice(0, 3));
    for (const first of [0, 5, -1, 1.5, Number.NaN]) expect(() => tree.append(first, DATA[0]!)).toThrow(RangeError);
    expect(() => tree.append(4, DATA[0]!.subarray(1))).toThrow(RangeError);
    tree.append(4, DATA[3]!);
    expect(tree.checkpoint().root).toBe(rootOf(4));
  });

  test('has a leaf of zeros where a record was lost before', async () => {
    const { disk } = treeOf([DATA[0]!, Buffer.from(LOST_DIGEST), DATA[2]!]);
    const prover = openProver(disk);
    const known = { keys: prover.checkpoint.publicKey, digest: new Uint8Array(32) };
    expect(await verifyProof(prover.prove(2), known)).toMatchObject({ sequence: 2 });
  });

  test('goes on where it is opened again, from its checkpoint', () => {
    const { disk, tree } = treeOf(DATA.slice(0, 260));
    tree.append(261, upTo(700, 260));
    const again = openTree(disk);
    expect(again.size).toBe(260);
    expect(again.newest).toEqual(tree.newest);
    again.append(261, upTo(1100, 260));
    expect(again.checkpoint().root).toBe(rootOf(1100));
  });
});

describe('a failure', () => {
  test('of a sync is final for the tree, and for nothing else', async () => {
    const disk = newDisk();
    let fails = false;
    const faulty = intercept(disk, {
      sync(handle) {
        if (fails) disk.failSync(handle);
        disk.sync(handle);
      },
    });
    const tree = openTree(faulty);
    tree.append(1, upTo(10));
    fails = true;
    const first = await failure('ERR_STORAGE', () => tree.checkpoint());
    fails = false;
    for (const call of [() => tree.checkpoint(), () => tree.append(11, DATA[10]!), () => tree.rotateKey()]) {
      expect(call).toThrow(first);
    }
    const again = openTree(disk);
    again.append(1, upTo(10));
    expect(again.checkpoint().root).toBe(rootOf(10));
  });

  test('of any call leaves what can be opened and gone on with', async () => {
    /** A disk that fails at one of its calls. */
    const failing = (disk: MemoryDisk, at: number): { storage: MemoryDisk; calls: () => number } => {
      let calls = 0;
      const members = ['openWrite', 'write', 'sync', 'rename', 'syncDir', 'makeDir', 'remove', 'removeDir'] as const;
      const wrapped = members.map((name) => [
        name,
        (...args: never[]) => {
          if (calls++ === at) throw storageError(Object.assign(new Error('full'), { code: 'ENOSPC' }), name);
          return (disk[name] as (...args: never[]) => unknown)(...args);
        },
      ]);
      return { storage: intercept(disk, Object.fromEntries(wrapped)), calls: () => calls };
    };
    for (let at = 0, done = false; !done; at++) {
      const { disk, tree: before } = treeOf(DATA.slice(0, 250));
      const { storage, calls } = failing(disk, at);
      try {
        const tree = openTree(storage);
        tree.append(251, upTo(300, 250));
        tree.rotateKey();
        done = calls() <= at;
      } catch (error) {
        expect(codeOf(error)).toBe('ERR_STORAGE');
      }
      const again = openTree(disk);
      expect(again.size).toBeGreaterThanOrEqual(250);
      again.append(1, upTo(310));
      again.checkpoint();
      expect(tilesOf(disk).filter((file) => file.endsWith('.tmp'))).toEqual([]);
      again.append(311, upTo(520, 310));
      expect(again.checkpoint().root).toBe(rootOf(520));
      const prover = openProver(disk);
      expect(prover.publicKeys[0]).toBe(before.newest!.publicKey);
      const known = { keys: prover.publicKeys, checkpoint: before.newest!.text };
      expect(await verifyProof(prover.proveConsistency(250), known)).toMatchObject({ newer: { size: 520 } });
    }
  });
});

describe('a rotation', () => {
  test('has the next checkpoint signed by both keys, later ones by the new one, and old ones verifiable', async () => {
    const { disk, tree } = treeOf(DATA.slice(0, 3));
    const old = tree.newest!;
    const between = tree.rotateKey();
    expect(between.publicKey).not.toBe(old.publicKey);
    const both = [old.publicKey, between.publicKey];
    expect(await verifyCheckpoint(between.text, both)).toMatchObject({ size: 3, keys: both });
    expect(await verifyCheckpoint(between.text, old.publicKey)).toMatchObject({ size: 3 });
    tree.append(4, DATA[3]!);
    const newer = tree.checkpoint();
    expect(await verifyCheckpoint(newer.text, both)).toMatchObject({ keys: [between.publicKey] });
    expect(await failure('ERR_UNVERIFIED', () => verifyCheckpoint(newer.text, old.publicKey))).toMatchObject({
      reason: 'key',
    });
    const prover = openProver(disk);
    expect(prover.publicKeys).toEqual(both);
    const known = { keys: prover.publicKeys, checkpoint: old.text };
    expect(await verifyProof(prover.proveConsistency(3), known)).toMatchObject({ older: { size: 3 } });
    expect(decodeKeyFile(contentOf(disk, KEY_FILE), ORIGIN)).toHaveLength(1);
  });

  test('before there is a checkpoint makes two keys', async () => {
    const disk = newDisk();
    const { text } = openTree(disk).rotateKey();
    expect(await verifyCheckpoint(text, openProver(disk).publicKeys)).toMatchObject({ size: 0 });
    expect(openProver(disk).publicKeys).toHaveLength(2);
  });

  test('happens by itself where the key is not there any more, as in a backup', async () => {
    const { disk, tree } = treeOf(DATA.slice(0, 3));
    disk.remove(`${DIR}/${KEY_FILE}`);
    const { publicKey, text } = openTree(disk).checkpoint();
    expect(publicKey).not.toBe(tree.newest!.publicKey);
    expect(await verifyCheckpoint(text, publicKey)).toMatchObject({ size: 3, keys: [publicKey] });
    expect(openProver(disk).publicKeys).toEqual([tree.newest!.publicKey, publicKey]);
  });
});

describe('on a real disk', () => {
  test('the key is for the store alone, whatever lay in its way, and tiles are as in memory', async () => {
    const dir = temporaryDir();
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, `${KEY_FILE}.tmp`), 'left over', { mode: 0o666 });
    const mask = process.umask(0);
    try {
      const tree = AuditTree.open(nodeStorage, dir, STORE_ID);
      tree.append(1, upTo(700));
      tree.checkpoint();
      expect(fs.statSync(path.join(dir, KEY_FILE)).mode & 0o777).toBe(0o600);
      tree.rotateKey();
      expect(fs.statSync(path.join(dir, KEY_FILE)).mode & 0o777).toBe(0o600);
      tree.append(701, upTo(1100, 700));
      tree.checkpoint();
    } finally {
      process.umask(mask);
    }
    const files = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) => /\/\d+$/.test(file));
    const { disk, tree } = treeOf(DATA.slice(0, 700));
    tree.append(701, upTo(1100, 700));
    tree.checkpoint();
    const tiles = files.filter((file) => fs.statSync(path.join(dir, file)).isFile()).sort();
    expect(tiles).toEqual(tilesOf(disk));
    for (const file of tiles) expect(fs.readFileSync(path.join(dir, file))).toEqual(contentOf(disk, file));
    const prover = Prover.open(nodeStorage, dir, STORE_ID)!;
    const known = { keys: prover.checkpoint.publicKey, digest: DATA[600]! };
    expect(await verifyProof(prover.prove(601), known)).toMatchObject({ sequence: 601 });
    expect(fs.readdirSync(dir).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  test('a secret file is never one that is there already', async () => {
    const dir = temporaryDir();
    fs.mkdirSync(dir);
    fs.symlinkSync(path.join(dir, 'elsewhere'), path.join(dir, 'link'));
    const { errno } = await failure('ERR_STORAGE', () => nodeStorage.openWrite(path.join(dir, 'link'), 'secret'));
    expect(errno).toBe('EEXIST');
  });
});

describe('tampering', () => {
  const DISK = treeOf(DATA.slice(0, 700)).disk;
  const sequences = [1, 256, 257, 512, 513, 700];

  /** Every proof of these, and growing on. */
  function useAll(disk: MemoryDisk): void {
    const prover = openProver(disk);
    for (const sequence of sequences) prover.prove(sequence);
    for (const size of sequences) prover.proveConsistency(size);
    const tree = openTree(disk);
    tree.append(1, upTo(800));
    tree.checkpoint();
  }

  test('with nothing is not found', () =>
    expect(() => useAll(withContent(DISK, TREE_FILE, contentOf(DISK, TREE_FILE)))).not.toThrow());

  test.each(tilesOf(DISK))('with %s is found, at any hash, and where it is cut off, longer or gone', async (file) => {
    const content = contentOf(DISK, file);
    const bad = [
      content.subarray(1),
      content.subarray(32),
      Buffer.concat([content, content.subarray(0, 32)]),
      Buffer.alloc(0),
    ];
    for (const { at, bytes } of flipped(content)) if (at % 32 === at % 29 || at < 32) bad.push(bytes);
    for (const bytes of bad) {
      const error = await failure('ERR_CORRUPT', () => useAll(withContent(DISK, file, bytes)));
      expect(error.file).toBe(`${DIR}/${file}`);
    }
    const gone = withContent(DISK, file, content);
    gone.remove(`${DIR}/${file}`);
    expect(codeOf(await thrown(() => useAll(gone)))).toMatch(/^ERR_(CORRUPT|STORAGE)$/);
  });

  test('with two tiles that are both good, but not there', async () => {
    for (const [one, other] of [['tile/0/000', 'tile/0/001']] as const) {
      const error = await failure('ERR_CORRUPT', () => useAll(withContent(DISK, one, contentOf(DISK, other))));
      expect(error).toMatchObject({ file: `${DIR}/${one}`, firstSequence: 1, lastSequence: 256 });
    }
  });

  test('with any byte of the file of the tree is found', async () => {
    for (const { at, bytes } of flipped(contentOf(DISK, TREE_FILE))) {
      const error = await thrown(() => openTree(withContent(DISK, TREE_FILE, bytes)));
      expect(codeOf(error), `byte ${at}`).toMatch(/^ERR_(CORRUPT|UNSUPPORTED_FORMAT)$/);
      if (isKeeperError(error, 'ERR_CORRUPT')) expect(error.file, `byte ${at}`).toBe(`${DIR}/${TREE_FILE}`);
    }
  });

  test('with a tile and the frontier alike is found by the root that was signed', async () => {
    const { disk } = treeOf(DATA.slice(0, 1));
    const forged = leafHash(DATA[1]!);
    const file = contentOf(disk, TREE_FILE)
      .toString()
      .replace(toBase64(leafHash(DATA[0]!)), toBase64(forged));
    const both = withContent(withContent(disk, 'tile/0/000.p/1', forged), TREE_FILE, Buffer.from(file));
    const error = await failure('ERR_CORRUPT', () => openTree(both));
    expect(error.file).toBe(`${DIR}/${TREE_FILE}`);
    expect(error.message).toContain('frontier does not lead to the root');
  });

  test('with any byte of the key is found', async () => {
    for (const { at, bytes } of flipped(contentOf(DISK, KEY_FILE))) {
      const error = await failure('ERR_CORRUPT', () => openTree(withContent(DISK, KEY_FILE, bytes)));
      expect(error.file, `byte ${at}`).toBe(`${DIR}/${KEY_FILE}`);
    }
  });

  test('with the file of the tree of another store, though that is whole', async () => {
    const error = await failure('ERR_CORRUPT', () => Prover.open(DISK, DIR, `${STORE_ID.slice(1)}0`));
    expect(error.message).toContain('a key is none of this store');
  });

  test('with a frontier that leads to the root, but is not the one of its size, is found', async () => {
    const { disk, tree } = treeOf(DATA.slice(0, 3));
    const file = contentOf(disk, TREE_FILE).toString();
    const short = file.replace(/(^frontier .*\n)+/m, `frontier ${tree.newest!.root}\n`);
    const error = await failure('ERR_CORRUPT', () => openTree(withContent(disk, TREE_FILE, Buffer.from(short))));
    expect(error.message).toContain('not that of its size');
  });

  test('with a newer format is not damage', async () => {
    const newer = Buffer.from(contentOf(DISK, TREE_FILE).toString().replace('keeperlog-tree 1', 'keeperlog-tree 2'));
    const error = await failure('ERR_UNSUPPORTED_FORMAT', () => openTree(withContent(DISK, TREE_FILE, newer)));
    expect(error).toMatchObject({ found: '2', supported: '1' });
  });

  test('with a tile that no checkpoint covers is found when it is to be written, and not written over', async () => {
    const { disk, tree } = treeOf(DATA.slice(0, 250));
    tree.append(251, upTo(260, 250));
    const changed = Buffer.from(contentOf(disk, 'tile/0/000'));
    changed[9]! ^= 1;
    const tampered = withContent(disk, 'tile/0/000', changed);
    const again = openTree(tampered);
    const error = await failure('ERR_CORRUPT', () => again.append(251, upTo(260, 250)));
    expect(error).toMatchObject({ file: `${DIR}/tile/0/000`, offset: 9, firstSequence: 1, lastSequence: 256 });
    expect(contentOf(tampered, 'tile/0/000')).toEqual(changed);
  });
});

describe('a record', () => {
  test('is told from any other one, as the store does that verifies all of its log', () => {
    const prover = openProver(treeOf(DATA.slice(0, 300)).disk);
    for (const sequence of [1, 256, 257, 300]) {
      expect(prover.has(sequence, DATA[sequence - 1]!)).toBe(true);
      expect(prover.has(sequence, DATA[sequence]!)).toBe(false);
      expect(prover.has(sequence, DATA[sequence - 1]!.subarray(1))).toBe(false);
    }
    expect(() => prover.has(301, DATA[300]!)).toThrow(RangeError);
  });
});

describe('a reader beside a writer', () => {
  test('finds the whole tile where the part of it has just been removed', () => {
    const { disk } = treeOf(DATA.slice(0, 250));
    let removed = false;
    const beside = intercept(disk, {
      openRead(file) {
        if (file.endsWith('.p/250') && !removed) {
          removed = true;
          const tree = openTree(disk);
          tree.append(251, upTo(300, 250));
          tree.checkpoint();
        }
        return disk.openRead(file);
      },
    });
    const prover = Prover.open(beside, DIR, STORE_ID)!;
    expect(removed).toBe(true);
    expect(prover.checkpoint.size).toBe(250);
    expect(prover.prove(1).hashes).toHaveLength(8);
  });
});

async function thrown(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  expect.fail('nothing was thrown');
}
