import os from 'node:os';
import { expect, it } from 'vitest';
import { smallDisk } from '../faults/disk.js';
import { cannot, orSkip } from '../faults/kit.js';
import { effort, progress, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { campaign } from './run.js';
import { ThreadWorld } from './thread-world.js';

const RUNS = effort(12, 600);
/** Runs from one seed. */
const AT_ONCE = 6;

/** Campaigns over real files, one after the other. */
async function runOn(name: string, disk: () => string, isSmall: boolean, from: number): Promise<void> {
  for (let runs = 0; runs < RUNS / 2; runs += AT_ONCE) {
    const place = disk();
    const outcome = await campaign({
      file: 'test/model/threads.test.ts',
      runs: AT_ONCE,
      maxCommands: 60,
      seed: SEED * 100_000 + from + runs,
      world: () => new ThreadWorld(place, isSmall),
      dispose: async (world) => (world as ThreadWorld).remove(),
    });
    if ('failure' in outcome) throw outcome.failure;
    expect(outcome.commands).toBeGreaterThan(AT_ONCE);
    tally('model', 'runs on threads and files', AT_ONCE);
    tally('model', 'commands on threads and files', outcome.commands);
    tally('model', 'times that a log has lost its beginning, on threads and files', outcome.prunings);
    progress(`model: ${runs + AT_ONCE} of ${RUNS / 2} runs ${name}`);
  }
}

it(
  'whatever is done to a store on threads and files, it does what the model does, however its threads end',
  () => runOn('on files', os.tmpdir, false, 0),
  TIMEOUT_MS,
);

it.skipIf(orSkip(cannot('root', 'mount')))(
  'and where the disk becomes full and has space again',
  async () => {
    const disk = smallDisk('size=16m');
    await runOn('on a small disk', () => disk, true, 50_000);
  },
  TIMEOUT_MS,
);
