import { expect, it } from 'vitest';
import { effort, progress, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { campaign } from './run.js';
import { MemoryWorld } from './worlds.js';

const RUNS = effort(120, 20_000);
/** Runs from one seed. */
const AT_ONCE = effort(120, 200);

it(
  'whatever is done to a store, it does what the model does: appends, reads, followers, full disks, crashes',
  async () => {
    for (let runs = 0; runs < RUNS; runs += AT_ONCE) {
      const seed = SEED * 100_000 + runs;
      const outcome = await campaign({
        file: 'test/model/memory.test.ts',
        runs: AT_ONCE,
        maxCommands: 60,
        seed,
        world: () => new MemoryWorld(),
      });
      if ('failure' in outcome) throw outcome.failure;
      expect(outcome.commands).toBeGreaterThan(AT_ONCE);
      tally('model', 'runs in memory', AT_ONCE);
      tally('model', 'commands in memory', outcome.commands);
      tally('model', 'times that a log has lost its beginning, in memory', outcome.prunings);
      progress(`model: ${runs + AT_ONCE} of ${RUNS} runs in memory`);
    }
  },
  TIMEOUT_MS,
);
