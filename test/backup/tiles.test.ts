/** The hashes of the audit tree on their way into a backup: full tiles of two levels, and a tree that grows. */
import { describe, expect, it } from 'vitest';
import { Prover } from '../../dist/shared/audit/prover.js';
import { readTreeFile } from '../../dist/shared/audit/stored-tree.js';
import { beginsWith, copyTiles, removePartialTiles, removeTiles } from '../../dist/workers/backup/tiles.js';
import { openTree as openSigned } from '../../dist/workers/backup/tree.js';
import { DIR, newDisk, openProver, openTree, STORE_ID } from '../audit/kit.js';
import { MemoryDisk } from '../crash/memory-disk.js';

const BACKUP = '/backup';
const FULL = 256 * 256;

/** Leaves whose data are their numbers: hashing the records is another matter. */
function leaves(from: number, end: number): Buffer {
  const data = Buffer.alloc((end - from) * 32);
  for (let i = from; i < end; i++) data.writeUInt32LE(i, (i - from) * 32);
  return data;
}

function tilesIn(disk: MemoryDisk, dir: string): string[] {
  const { names, contents } = disk.image();
  const files = [...names].filter(([name, inode]) => name.startsWith(`${dir}/tile/`) && contents.has(inode));
  return files.map(([name]) => name.slice(dir.length)).sort();
}

describe('the tiles of a tree', () => {
  it('are copied as the tree grows, those that are new, and prove what they proved', async () => {
    const disk = newDisk();
    disk.makeDir(BACKUP);
    let have = 0;
    for (const size of [0, 1, 255, 256, 257, 300, 512, FULL - 1, FULL, FULL + 1, FULL + 700]) {
      const tree = openTree(disk);
      tree.append(tree.size + 1, leaves(tree.size, size));
      tree.checkpoint();
      const { edge, file } = openSigned(disk, DIR, STORE_ID)!;
      expect(beginsWith(disk, DIR, edge, file)).toBe(true);
      const before = tilesIn(disk, BACKUP).length;
      const written = disk.journal.length;
      await copyTiles({ storage: disk, from: DIR, edge, to: BACKUP, have, pause() {} });
      removePartialTiles(disk, BACKUP, have, size);
      const copied = disk.journal.slice(written).filter(({ kind }) => kind === 'write').length;
      expect(copied).toBeLessThanOrEqual(Math.ceil((size - have) / 256) + 4);
      expect(tilesIn(disk, BACKUP).length).toBeGreaterThanOrEqual(Math.min(before, 1));
      have = size;

      // The copies and the checkpoint alone.
      const alone = new MemoryDisk(disk.image());
      removeTiles(alone, DIR);
      for (const name of tilesIn(disk, BACKUP)) {
        const to = `${DIR}${name}`;
        alone.makeDir(to.slice(0, to.lastIndexOf('/')));
        alone.rename(`${BACKUP}${name}`, to);
      }
      if (size === 0) continue;
      const prover = Prover.open(alone, DIR, STORE_ID)!;
      for (const sequence of new Set([1, Math.ceil(size / 2), size])) {
        expect(prover.prove(sequence)).toEqual(openProver(disk).prove(sequence));
      }
    }
    // As in the store, where each size had a checkpoint.
    expect(tilesIn(disk, BACKUP)).toEqual(tilesIn(disk, DIR));
  }, 60_000);

  it('of another tree are told apart from those of an older one', () => {
    const [one, other] = [newDisk(), newDisk()];
    const tree = openTree(one);
    tree.append(1, leaves(0, 300));
    tree.checkpoint();
    const older = readTreeFile(one, DIR, STORE_ID)!;
    tree.append(301, leaves(300, 700));
    tree.checkpoint();
    expect(beginsWith(one, DIR, openSigned(one, DIR, STORE_ID)!.edge, older)).toBe(true);
    const apart = openTree(other);
    apart.append(1, leaves(1, 701));
    apart.checkpoint();
    expect(beginsWith(other, DIR, openSigned(other, DIR, STORE_ID)!.edge, older)).toBe(false);
    const shorter = newDisk();
    const short = openTree(shorter);
    short.append(1, leaves(0, 200));
    short.checkpoint();
    expect(beginsWith(shorter, DIR, openSigned(shorter, DIR, STORE_ID)!.edge, older)).toBe(false);
  });

  it('are removed with all of their directories', () => {
    const disk = newDisk();
    const tree = openTree(disk);
    tree.append(1, leaves(0, 700));
    tree.checkpoint();
    tree.append(701, leaves(700, 800));
    tree.checkpoint();
    removeTiles(disk, DIR);
    expect([...disk.image().names.keys()].filter((name) => name.includes('tile'))).toEqual([]);
    removeTiles(disk, DIR);
  });
});
