import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { effort, LONG, progress, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { fill, smallDisk, takeInodes } from './disk.js';
import { cannot, orSkip, Program, temporaryDir } from './kit.js';
import { expectRecovered } from './oracle.js';
import { cannotCut, loopDisk } from './power.js';

const skip = orSkip(cannot('root', 'mount', 'prlimit'));
const CYCLES = effort(2, 30);
const KiB = 1024;

/** A disk, or a limit, that becomes full and has room again, as often as is wanted. */
interface Resource {
  readonly dir: string;
  /** Take what there is; returns how to give it back. */
  take(program: Program): Promise<() => void>;
}

const RESOURCES: Readonly<Record<string, { skip: boolean; make(): Resource }>> = {
  'the space of a tmpfs': { skip: false, make: () => fillable(smallDisk('size=512m')) },
  'the space of an ext4': { skip: skip || !LONG || cannotCut('ext4'), make: () => fillable(loopDisk('ext4').dir) },
  'the space of an XFS': { skip: skip || !LONG || cannotCut('xfs'), make: () => fillable(loopDisk('xfs').dir) },
  'the size that a file may have': {
    skip: false,
    make: () => ({
      dir: temporaryDir(),
      async take(program) {
        const limit = (bytes: string): void => {
          execFileSync('prlimit', ['--pid', pid, `--fsize=${bytes}:unlimited`]);
        };
        const pid = String(await program.pid);
        limit(String(16 * KiB));
        return () => limit('unlimited');
      },
    }),
  },
};

function fillable(disk: string): Resource {
  return { dir: path.join(disk, 'store'), take: async () => fill(disk, 0) };
}

describe.skipIf(skip)('a program that appends all the time', () => {
  for (const [what, { skip: without, make }] of Object.entries(RESOURCES)) {
    it.skipIf(without)(
      `goes on by itself each time that it has run out of ${what}, and keeps what was acknowledged`,
      async () => {
        const { dir, take } = make();
        const program = new Program();
        program.call('steps', { dir, run: 'cycles', seed: SEED, steps: 1_000_000 }).catch(() => {}); // it is killed
        for (let cycle = 0; cycle < CYCLES; cycle++) {
          await program.tells(({ outcome }) => outcome === 'acknowledged');
          const full = program.tells(({ code }) => code === 'ERR_DEGRADED');
          const giveBack = await take(program);
          await full;
          const resumed = program.tells(({ outcome }) => outcome === 'acknowledged');
          giveBack();
          await resumed;
          progress(`${what}: cycle ${cycle}`);
        }
        await program.kill();
        const degraded = program.told.filter(({ code }) => code === 'ERR_DEGRADED');
        expect(degraded.length).toBeGreaterThanOrEqual(CYCLES);
        for (const { outcome, mode } of degraded) expect({ outcome, mode }).toMatchObject({ outcome: 'not-appended' });
        const others = program.told.filter(({ code }) => code !== undefined && code !== 'ERR_DEGRADED');
        expect(others).toEqual([]);
        await expectRecovered(dir, program.told);
        tally('disks', `times that ${what} ran out and came back`, CYCLES);
      },
      TIMEOUT_MS,
    );
  }

  it(
    'goes on in the segment it has each time that there is no name for the next one',
    async () => {
      const disk = smallDisk('size=256m,nr_inodes=2000');
      const dir = path.join(disk, 'store');
      const program = new Program();
      program.call('steps', { dir, run: 'names', seed: SEED, steps: 1_000_000 }).catch(() => {}); // it is killed
      const pid = await program.pid;
      // While names are taken and given back it stands still: the disk's space is not to run out as well.
      const whileStopped = <T>(work: () => T): T => {
        process.kill(pid, 'SIGSTOP');
        try {
          return work();
        } finally {
          process.kill(pid, 'SIGCONT');
        }
      };
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        await program.tells(({ outcome }) => outcome === 'acknowledged');
        const giveBack = whileStopped(() => takeInodes(disk, 0));
        // Several segments' worth.
        let acknowledged = 0;
        await program.tells(({ outcome }) => outcome === 'acknowledged' && ++acknowledged === 100);
        whileStopped(giveBack);
      }
      await program.kill();
      expect(program.told.filter(({ code }) => code !== undefined)).toEqual([]);
      await expectRecovered(dir, program.told);
      tally('disks', 'times that the names of a tmpfs ran out and came back', CYCLES);
    },
    TIMEOUT_MS,
  );
});
