/** File systems of their own, and how they become full. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { Program, temporaryDir } from './kit.js';

/** A small file system of its own. */
export function smallDisk(options: string): string {
  const dir = temporaryDir();
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'keeperlog-faults', dir]);
  onTestFinished(() => {
    execFileSync('umount', ['-l', dir]);
  });
  return dir;
}

/** Take all the space there is, but for some bytes. Returns how to give it back. */
export function fill(disk: string, leave: number): () => void {
  const file = path.join(disk, 'ballast');
  const { bavail, bsize } = fs.statfsSync(disk);
  try {
    fs.writeFileSync(file, Buffer.alloc(bavail * bsize - leave));
  } catch (error) {
    // A program that writes meanwhile has taken the rest.
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  return () => fs.rmSync(file);
}

/** Take all the names there are, but for some. */
export function takeInodes(disk: string, leave: number): () => void {
  const dir = path.join(disk, 'names');
  fs.mkdirSync(dir);
  // Not counted before: the store may be making files at the same time.
  let taken = 0;
  try {
    for (;;) fs.writeFileSync(path.join(dir, `${taken++}`), '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
  for (let i = 0; i < leave; i++) fs.rmSync(path.join(dir, `${i}`));
  return () => fs.rmSync(dir, { recursive: true });
}

/** A store of small segments on a disk that has no name left for another one. */
export async function storeWithoutNames(event: object): Promise<{ dir: string; program: Program; giveBack(): void }> {
  // Room for what a fast machine appends until the writer looks again.
  const disk = smallDisk('size=2g,nr_inodes=200');
  const dir = path.join(disk, 'store');
  const program = new Program();
  await program.call('open', { dir, segmentBytes: 65_536 });
  await program.call('append', { stream: 'a', events: event });
  return { dir, program, giveBack: takeInodes(disk, 0) };
}
