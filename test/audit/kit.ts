/** Audit trees on disks in memory. */
import { AuditTree } from '../../dist/shared/audit/audit-tree.js';
import { Prover } from '../../dist/shared/audit/prover.js';
import { EMPTY_DISK, type Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { sha256 } from './reference.js';

export const DIR = '/store';
export const STORE_ID = '000102030405060708090a0b0c0d0e0f';
export const ORIGIN = `keeperlog/${STORE_ID}`;

/** The digest of the record of each sequence up to `count`. */
export function digests(count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => sha256(Buffer.from(`record ${i + 1}`)));
}

/** A durable directory with nothing in it. */
export function emptyDir(): Image {
  const disk = new MemoryDisk(EMPTY_DISK);
  disk.makeDir(DIR);
  return disk.image();
}

export function newDisk<Note = unknown>(): MemoryDisk<Note> {
  return new MemoryDisk<Note>(emptyDir());
}

export function openTree(disk: MemoryDisk): AuditTree {
  return AuditTree.open(disk, DIR, STORE_ID);
}

export function openProver(disk: MemoryDisk): Prover {
  const prover = Prover.open(disk, DIR, STORE_ID);
  if (prover === undefined) throw new Error('there is no checkpoint');
  return prover;
}

/** A tree of so many leaves on a new disk, with a checkpoint. */
export function treeOf(data: readonly Buffer[]): { disk: MemoryDisk; tree: AuditTree } {
  const disk = newDisk();
  const tree = openTree(disk);
  tree.append(1, Buffer.concat(data));
  tree.checkpoint();
  return { disk, tree };
}

/** The bytes of a file of the store. */
export function contentOf(disk: MemoryDisk, file: string): Buffer {
  const { names, contents } = disk.image();
  const inode = names.get(`${DIR}/${file}`);
  if (inode === undefined) throw new Error(`${file} is not there`);
  return contents.get(inode)!;
}

/** The files of the store, by their paths in it. */
export function filesOf(disk: MemoryDisk): string[] {
  const { names, contents } = disk.image();
  const files = [...names].filter(([, inode]) => contents.has(inode)).map(([name]) => name.slice(DIR.length + 1));
  return files.sort();
}

/** The same disk with other bytes in a file. */
export function withContent(disk: MemoryDisk, file: string, content: Buffer): MemoryDisk {
  const { names, contents } = disk.image();
  const inode = names.get(`${DIR}/${file}`)!;
  return new MemoryDisk({ names, contents: new Map(contents).set(inode, content) });
}
