/** A thread of the store that ends at any call to the file system; and kill -9 at those of the writer alone. */
import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LONG, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { Program, temporaryDir } from './kit.js';
import { expectRecovered, type Told } from './oracle.js';
import { type Base, makeBase } from './sweep.js';

type Thread = 'writer' | 'background';

/** Members of node:fs, each with the number of its call that the short form tries; of the calls, too, it tries some. */
const CALLS: Readonly<Record<Thread, readonly [call: string, when: number][]>> = {
  writer: [
    ['writevSync', 5],
    ['openSync', 6],
    ['readSync', 1],
    ['writeSync', 3],
    ['fdatasyncSync', 7],
    ['fsyncSync', 1],
    ['renameSync', 1],
  ],
  background: [
    ['openSync', 2],
    ['writeSync', 1],
    ['writevSync', 1],
    ['fdatasyncSync', 1],
    ['fsyncSync', 2],
    ['renameSync', 1],
  ],
};

/** Run the workload with a fault of preload.mjs. Returns what was told, and how the program ended: by itself or not. */
async function run(base: Base, fault: string): Promise<{ told: readonly Told[]; killed: boolean }> {
  const dir = temporaryDir();
  fs.cpSync(base.dir, dir, { recursive: true });
  const program = new Program({ fault });
  let killed = false;
  await program.call('steps', { dir, run: 'run' }).catch((error) => {
    killed = error.message.startsWith('the program has ended with SIGKILL');
    if (!killed) throw error;
  });
  await program.kill();
  await expectRecovered(dir, [...base.told, ...program.told]).catch((error) => {
    throw new Error(`FAULT=${fault}: ${error.message}`, { cause: error });
  });
  return { told: program.told, killed };
}

/** Every number of a call until there are no more; in the short form one. */
async function sweep(
  base: Base,
  fault: string,
  when: number,
  met: (result: Awaited<ReturnType<typeof run>>) => boolean,
): Promise<number> {
  if (!LONG) {
    expect(met(await run(base, `${fault}:${when}`))).toBe(true);
    return 1;
  }
  for (let n = 1; ; n++) {
    const was = met(await run(base, `${fault}:${n}`));
    progress(`${fault}:${n}${was ? '' : ': not met'}`);
    if (!was) return n - 1;
  }
}

describe('a thread that ends', () => {
  it(
    'leaves what was acknowledged, and the program hears of it, if it is the writer',
    async () => {
      let ends = 0;
      const base = await makeBase('killed');
      for (const [call, when] of LONG ? CALLS.writer : CALLS.writer.slice(0, 2)) {
        ends += await sweep(base, `exit:writer:${call}`, when, ({ told }) => {
          const failures = told.filter(({ code }) => code !== undefined);
          for (const { code, message } of failures)
            expect({ code, message }).toEqual({ code: 'ERR_STORAGE', message: expect.stringContaining('ended') });
          return failures.length > 0;
        });
      }
      tally('processes', 'ends of the writer thread at a system call', ends);
    },
    TIMEOUT_MS,
  );

  it(
    'stops nothing, if it is the one in the background',
    async () => {
      let ends = 0;
      const base = await makeBase('killed');
      for (const [call, when] of CALLS.background) {
        const fault = `exit:background:${call}:${when}`;
        const { told } = await run(base, fault);
        expect(
          told.filter(({ code }) => code !== undefined),
          fault,
        ).toEqual([]);
        ends++;
        if (!LONG) break;
      }
      tally('processes', 'ends of the background thread at a system call', ends);
    },
    TIMEOUT_MS,
  );
});

describe('kill -9 at a call of the writer', () => {
  it(
    'keeps what was acknowledged',
    async () => {
      let kills = 0;
      const base = await makeBase('killed');
      for (const [call, when] of LONG ? CALLS.writer : CALLS.writer.slice(1, 2)) {
        kills += await sweep(base, `kill:writer:${call}`, when, ({ killed }) => killed);
      }
      tally('processes', 'kill -9 at a call of the writer', kills);
    },
    TIMEOUT_MS,
  );
});
