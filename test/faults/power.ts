/** Power loss on a real file system: an image that is mounted, and cut off without its journal being flushed. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { cannot, type Program, temporaryDir } from './kit.js';

const MiB = 1024 * 1024;

export const FILE_SYSTEMS = {
  /** No commit of the journal but by syncs: what was not synced is gone, however slow the machine is. */
  ext4: { bytes: 256 * MiB, make: ['mkfs.ext4', '-q', '-F', '-m', '0'], options: 'loop,commit=300' },
  xfs: { bytes: 320 * MiB, make: ['mkfs.xfs', '-q', '-f'], options: 'loop' },
} as const;

export type FileSystem = keyof typeof FILE_SYSTEMS;

/** FS_IOC_SHUTDOWN of ext4, XFS_IOC_GOINGDOWN of XFS, with the flag not to flush the log. Perl is on every Debian. */
const SHUTDOWN = `my $flags = pack('L', 2); sysopen(my $dir, $ARGV[0], 0) or die; ioctl($dir, 0x8004587d, $flags) or die $!`;

/** Why power cannot be cut here; undefined where it can. Tells it loudly; unlike other faults, CI may not have loop devices. */
export function cannotCut(kind: FileSystem): boolean {
  const why = cannot('root', 'mount', 'perl', FILE_SYSTEMS[kind].make[0]) ?? mountFailure(kind);
  if (why !== undefined) console.warn(`SKIPPED: power loss on ${kind} cannot be tried: ${why}`);
  return why !== undefined;
}

function mountFailure(kind: FileSystem): string | undefined {
  const scratch = fs.mkdtempSync(path.join(fs.realpathSync('/tmp'), 'keeperlog-faults-'));
  try {
    const disk = new LoopDisk(kind, scratch);
    disk.unmount();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    fs.rmSync(scratch, { recursive: true });
  }
}

/** Have a program do nothing more: no thread of it goes on, but for the system call that it is in. */
export async function freeze(program: Program): Promise<void> {
  const pid = await program.pid;
  const tasks = `/proc/${pid}/task`;
  process.kill(pid, 'SIGSTOP');
  const goesOn = (task: string): boolean => !/\) [TD] /.test(fs.readFileSync(`${tasks}/${task}/stat`, 'utf8'));
  while (fs.readdirSync(tasks).some(goesOn)) await new Promise(setImmediate);
}

export class LoopDisk {
  readonly dir: string;
  readonly #image: string;
  readonly #options: string;

  constructor(kind: FileSystem, scratch: string) {
    const { bytes, make, options } = FILE_SYSTEMS[kind];
    this.dir = path.join(scratch, 'disk');
    this.#image = path.join(scratch, 'image');
    this.#options = options;
    fs.mkdirSync(this.dir);
    fs.writeFileSync(this.#image, '');
    fs.truncateSync(this.#image, bytes);
    run(make[0], [...make.slice(1), this.#image]);
    this.#mount();
  }

  /** Cut the power: what is not on the disk by a sync is gone. Nothing can be written until {@link comeBack}. */
  cut(): void {
    run('perl', ['-e', SHUTDOWN, this.dir]);
  }

  /** Begin anew with what is on the disk. No program may have a file open. */
  comeBack(): void {
    this.unmount();
    this.#mount();
  }

  unmount(): void {
    run('umount', [this.dir]);
  }

  #mount(): void {
    run('mount', ['-o', this.#options, this.#image, this.dir]);
  }
}

/** A disk that is gone after the test. */
export function loopDisk(kind: FileSystem): LoopDisk {
  const disk = new LoopDisk(kind, temporaryDir());
  onTestFinished(() => {
    run('umount', ['-l', disk.dir]);
  });
  return disk;
}

function run(command: string, args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
