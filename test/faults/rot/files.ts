/** The files of a store as values: taken from a disk in memory, changed, and put onto another one. */
import path from 'node:path';
import { DIRECTORY } from '../../crash/image.js';
import { MemoryDisk } from '../../crash/memory-disk.js';
import { DIR } from '../../crash/session.js';

/** Contents by name. None is ever changed in place. */
export type Files = ReadonlyMap<string, Buffer>;

/** A disk whose store directory holds just these files. */
export function diskOf(files: Files): MemoryDisk {
  const names = new Map<string, number>([
    ['/', DIRECTORY],
    [path.dirname(DIR), DIRECTORY],
    [DIR, DIRECTORY],
  ]);
  const contents = new Map<number, Buffer>();
  for (const [name, bytes] of files) {
    const inode = DIRECTORY + 1 + contents.size;
    const file = path.join(DIR, name);
    for (let dir = path.dirname(file); dir !== DIR; dir = path.dirname(dir)) names.set(dir, DIRECTORY);
    names.set(file, inode);
    contents.set(inode, bytes);
  }
  return new MemoryDisk({ names, contents });
}

/** What a store's directory holds, and those in it. */
export function filesOf(disk: MemoryDisk): Files {
  const { names, contents } = disk.image();
  const files = [...names].filter(([name, inode]) => inode !== DIRECTORY && name.startsWith(`${DIR}/`));
  return new Map(files.map(([name, inode]) => [path.relative(DIR, name), contents.get(inode)!]));
}

/** Whether both have the same names and bytes. */
export function sameFiles(a: Files, b: Files): boolean {
  if (a.size !== b.size) return false;
  return [...a].every(([name, bytes]) => b.get(name)?.equals(bytes) === true);
}

/** The same files with some of them replaced, or taken away. */
export function withFiles(files: Files, changes: Iterable<readonly [string, Buffer | undefined]>): Files {
  const changed = new Map(files);
  for (const [name, bytes] of changes) {
    if (bytes === undefined) changed.delete(name);
    else changed.set(name, bytes);
  }
  return changed;
}

/** A file with some bytes replaced. What would come behind its end is left out. */
export function patched(file: Buffer, offset: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(file);
  copy.set(bytes.subarray(0, Math.max(0, file.length - offset)), offset);
  return copy;
}
