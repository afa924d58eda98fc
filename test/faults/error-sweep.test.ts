/** Every system call of a workload fails once, with each errno: what the program sees is in one table. */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { cannot, fingerprint, orSkip, Program, temporaryDir } from './kit.js';
import { manifestOf } from './layout.js';
import { expectRecovered, type Told } from './oracle.js';
import {
  type Call,
  type Group,
  isSure,
  makeBase,
  nameOf,
  type Place,
  placesOf,
  type Run,
  runWithFault,
  spread,
} from './sweep.js';

const skip = orSkip(cannot('strace'));

/**
 * - goes on: every call is acknowledged, and the closing works;
 * - suspends: some calls are not appended, for want of space, and then it goes on by itself;
 * - ends: what is pending is unknown, all later calls are not appended, what was acknowledged is read, the closing works;
 * - refuses: the store is not opened, and a second try says the same or works;
 * - read fails: that read alone, the writing goes on;
 * - append fails: that append alone, whose stream's head could not be looked up: it is not appended, the others are.
 */
type Outcome = 'goes on' | 'suspends' | 'ends' | 'refuses' | 'read fails' | 'append fails';
type Errno = 'EIO' | 'ENOSPC' | 'EINTR';

const INTERRUPTED = ['goes on'] as const;

/** What may come of a failure. Which of several depends on whose call it is: of the opening, the writer or the background. */
const MUST: readonly [Group, Call, Readonly<Record<Errno, readonly Outcome[]>>][] = [
  // Frames. A frame without space for zeros behind it is written without them.
  ['segments', 'pwritev', { EIO: ['ends'], ENOSPC: ['suspends', 'goes on'], EINTR: INTERRUPTED }],
  // Recovery writes the doubtful end again; in suspension the writer probes.
  ['segments', 'pwrite64', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['segments', 'fdatasync', { EIO: ['ends', 'refuses'], ENOSPC: ['ends', 'refuses'], EINTR: INTERRUPTED }],
  // What the background cannot make ahead, the writer makes; without space it goes on in the old segment.
  [
    'segments',
    'openat',
    {
      EIO: ['refuses', 'ends', 'read fails', 'goes on'],
      ENOSPC: ['refuses', 'read fails', 'goes on'],
      EINTR: INTERRUPTED,
    },
  ],
  ['segments', 'pread64', { EIO: ['refuses', 'read fails'], ENOSPC: ['refuses', 'read fails'], EINTR: INTERRUPTED }],
  [
    'directory',
    'fsync',
    { EIO: ['refuses', 'ends', 'goes on'], ENOSPC: ['refuses', 'ends', 'goes on'], EINTR: INTERRUPTED },
  ],
  ['directory', 'openat', { EIO: ['refuses', 'ends', 'goes on'], ENOSPC: ['refuses', 'goes on'], EINTR: INTERRUPTED }],
  // It only narrows what recovery has to guess, but a disk with such errors is not to be relied on.
  [
    'watermark',
    'pwrite64',
    { EIO: ['refuses', 'ends', 'goes on'], ENOSPC: ['refuses', 'goes on'], EINTR: INTERRUPTED },
  ],
  [
    'watermark',
    'fdatasync',
    { EIO: ['refuses', 'ends', 'goes on'], ENOSPC: ['refuses', 'ends', 'goes on'], EINTR: INTERRUPTED },
  ],
  ['watermark', 'openat', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['watermark', 'pread64', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['watermark', 'rename', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['manifest', 'openat', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['manifest', 'pread64', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['manifest', 'pwrite64', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['manifest', 'fdatasync', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  ['manifest', 'rename', { EIO: ['refuses'], ENOSPC: ['refuses'], EINTR: INTERRUPTED }],
  // The checkpoint is derived: without a new one the log goes on.
  ['heads', 'openat', { EIO: ['refuses', 'goes on'], ENOSPC: ['refuses', 'goes on'], EINTR: INTERRUPTED }],
  [
    'heads',
    'pread64',
    {
      EIO: ['refuses', 'append fails', 'goes on'],
      ENOSPC: ['refuses', 'append fails', 'goes on'],
      EINTR: INTERRUPTED,
    },
  ],
  ['heads', 'pwrite64', { EIO: ['goes on'], ENOSPC: ['goes on'], EINTR: INTERRUPTED }],
  ['heads', 'pwritev', { EIO: ['goes on'], ENOSPC: ['goes on'], EINTR: INTERRUPTED }],
  ['heads', 'fdatasync', { EIO: ['goes on'], ENOSPC: ['goes on'], EINTR: INTERRUPTED }],
  ['heads', 'rename', { EIO: ['goes on'], ENOSPC: ['goes on'], EINTR: INTERRUPTED }],
];

/** What has come of a run, by what it was told. Fails on what is not documented. */
function outcomeOf(told: readonly Told[], errno: string): Outcome {
  const failures = told.filter(({ code }) => code !== undefined);
  const refused = failures.filter(({ failed }) => failed === 'open');
  for (const failure of [...refused, ...failures.filter(({ failed }) => failed === 'read')]) {
    expect(failure).toMatchObject({ code: 'ERR_STORAGE', errno });
  }
  expect(failures.filter(({ failed }) => failed === 'close')).toEqual([]);
  if (refused.length === 2) return 'refuses';
  const all = told.filter(({ outcome }) => outcome !== undefined);
  const alone = all.filter(({ code, mode }) => code === 'ERR_STORAGE' && mode === 'open');
  for (const failure of alone) expect(failure).toMatchObject({ errno, outcome: 'not-appended' });
  expect(alone.length).toBeLessThanOrEqual(1);
  const calls = all.filter((one) => !alone.includes(one));
  const first = calls.findIndex(({ code }) => code === 'ERR_STORAGE');
  if (first !== -1) {
    const [after, last] = [calls.slice(first), calls.at(-1)];
    for (const failure of after) expect(failure).toMatchObject({ code: 'ERR_STORAGE', errno, mode: 'failed' });
    expect(last).toMatchObject({ outcome: 'not-appended' });
    return 'ends';
  }
  const degraded = calls.filter(({ code }) => code === 'ERR_DEGRADED');
  for (const failure of degraded) expect(failure).toMatchObject({ outcome: 'not-appended' });
  // Each of them was repeated, and then appended.
  const acknowledged = new Set(calls.filter(({ outcome }) => outcome === 'acknowledged').map(({ call }) => call));
  expect(new Set(calls.map(({ call }) => call))).toEqual(acknowledged);
  if (alone.length > 0) return 'append fails';
  if (degraded.length > 0) return 'suspends';
  if (refused.length > 0) return 'refuses';
  return failures.length > 0 ? 'read fails' : 'goes on';
}

/** Reading has changed nothing where it was refused before the new epoch began. */
function expectUnchanged({ base }: Place, run: Run): void {
  if (manifestOf(run.dir).epoch > manifestOf(base.dir).epoch) return;
  expect(fingerprint(run.dir)).toEqual(fingerprint(base.dir));
}

async function tryPlace(place: Place, errno: Errno, allowed: readonly Outcome[]): Promise<boolean> {
  const name = `${errno} of ${nameOf(place)}`;
  try {
    const run = await runWithFault(place, `error=${errno}`);
    const outcome = outcomeOf(run.ofRun, errno);
    progress(`${name}: ${run.hits.length === 0 ? 'not met' : outcome}`);
    if (run.hits.length > 0) expect(allowed).toContain(outcome);
    else expect(outcome).toBe('goes on');
    if (place.call === 'pread64' && outcome === 'refuses') expectUnchanged(place, run);
    await expectRecovered(run.dir, run.told);
    fs.rmSync(run.dir, { recursive: true });
    return run.hits.length > 0;
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

describe.skipIf(skip)('a system call that fails', () => {
  it(
    'has an outcome that is documented, after which the store opens and has kept everything',
    async () => {
      const places = [...(await placesOf(await makeBase('killed'))), ...(await placesOf(await makeBase('closed')))];
      // In the short form some of the calls, each with one errno.
      const cells = MUST.flatMap(([group, call, must], row) => {
        const errnos = effort([(['EIO', 'ENOSPC', 'EINTR'] as const)[(row / 4) % 3]!], [
          'EIO',
          'ENOSPC',
          'EINTR',
        ] as const);
        const own = places.filter((place) => place.group === group && place.call === call);
        expect(own.length, `${call} of the ${group}`).toBeGreaterThan(0);
        return errnos.flatMap((errno) =>
          effort(row % 4 === 0 ? spread(own.filter(isSure), 1) : [], spread(own, 8)).map((place) => ({
            place,
            errno,
            allowed: must[errno],
          })),
        );
      });
      let met = 0;
      for (const { place, errno, allowed } of cells) if (await tryPlace(place, errno, allowed)) met++;
      expect(met).toBeGreaterThan(cells.length * 0.8);
      tally('processes', 'system calls that failed (EIO, ENOSPC, EINTR)', met);
    },
    TIMEOUT_MS,
  );

  it('may be the emptying of the lock file: closing lets go of the lock all the same', async () => {
    const dir = temporaryDir();
    const lock = path.join(dir, 'keeperlog.lock');
    const inject = ['-e', 'trace=ftruncate', '-e', 'inject=ftruncate:error=EIO:when=2'];
    const program = new Program({ strace: ['-o', '/dev/null', '-P', lock, ...inject] });
    await program.call('open', { dir });
    await program.call('close');
    expect(fs.readFileSync(lock, 'utf8'), 'what was not emptied').toContain('"pid"');
    await program.call('open', { dir });
    await program.call('close');
    expect(fs.readFileSync(lock, 'utf8')).toBe('');
  });
});

describe('writes that take half of the bytes', () => {
  it('are continued, whatever is written', async () => {
    const dir = temporaryDir();
    const program = new Program({ fault: 'half-writes' });
    await program.call('steps', { dir, run: 'half' });
    await program.kill();
    expect(outcomeOf(program.told, '')).toBe('goes on');
    await expectRecovered(dir, program.told);
  });
});
