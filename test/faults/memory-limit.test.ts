import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { effort, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { cannot, expectWhole, opened, orSkip, Program, temporaryDir } from './kit.js';

const MiB = 1024 * 1024;
const ROUNDS = effort(1, 10);

/** Memory that a process has asked for, in bytes: what RLIMIT_AS limits. */
function addressSpaceOf(pid: number): number {
  return Number(/^VmSize:\s+(\d+) kB/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

describe('a program that runs out of memory under load', () => {
  for (const [limit, nodeArgs, skip] of [
    ['of the heap of V8', ['--max-old-space-size=64'], false],
    ['of the address space', [], orSkip(cannot('prlimit'))],
  ] as const) {
    it.skipIf(skip)(
      `keeps what was acknowledged, at a limit ${limit}`,
      async () => {
        for (let round = 0; round < ROUNDS; round++) {
          const dir = temporaryDir();
          const program = new Program({ nodeArgs });
          await program.call('open', { dir, segmentBytes: 65_536 });
          const load = { run: 'load', seed: SEED + round };
          const loadEnds = program.call('load', load).catch(() => {}); // it may fail before the program dies
          await program.acknowledged(20);
          const outside = nodeArgs.length === 0;
          if (outside) {
            const pid = await program.pid;
            execFileSync('prlimit', ['--pid', String(pid), `--as=${addressSpaceOf(pid) + 64 * MiB}`]);
          }
          program.call('hoard', { outside });
          // A heap that is full ends the process; memory that is refused may only fail the calls that ask for it.
          const refused = program.tells(({ failed }) => failed === 'hoard');
          await (outside ? Promise.race([program.ended, refused]) : program.ended);
          if (outside) await Promise.race([program.acknowledged(program.acks.length + 5), loadEnds]);
          await program.kill();
          expect(program.acks.length).toBeGreaterThanOrEqual(20);
          const store = await opened({ dir, segmentBytes: 65_536 });
          await expectWhole(store, program.acks).catch((error) => {
            throw new Error(`FAULTS_SEED=${SEED}, round ${round}: ${error.message}`, { cause: error });
          });
        }
        tally('processes', 'out of memory', ROUNDS);
      },
      TIMEOUT_MS,
    );
  }
});
