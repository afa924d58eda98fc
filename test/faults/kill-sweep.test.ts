import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { effort, progress, TIMEOUT_MS, tally } from '../support/effort.js';
import { cannot, orSkip } from './kit.js';
import { expectRecovered } from './oracle.js';
import { GROUPS, isSure, makeBase, nameOf, type Place, placesOf, runWithFault, spread } from './sweep.js';

const skip = orSkip(cannot('strace'));

describe.skipIf(skip)('kill -9 at a system call', () => {
  it(
    'keeps what was acknowledged, whichever call on a file of the store it is',
    async () => {
      let tried = 0;
      let kills = 0;
      const missed: string[] = [];
      for (const end of ['killed', 'closed'] as const) {
        const places = await placesOf(await makeBase(end));
        for (const [at, group] of GROUPS.entries()) {
          const ofGroup = places.filter((place) => place.group === group);
          expect(ofGroup.length, group).toBeGreaterThan(4);
          const some = at % 2 === (end === 'killed' ? 0 : 1) ? 1 : 0;
          for (const place of effort(spread(ofGroup.filter(isSure), some), ofGroup)) {
            tried++;
            const killed = await killAt(place);
            if (killed) kills++;
            else missed.push(nameOf(place));
            progress(`kill -9 at ${nameOf(place)}${killed ? '' : ': the program came to its end before'}`);
          }
        }
      }
      // The last calls of a kind may be fewer in a run whose threads come to work in another order.
      expect(kills, `not met: ${missed.join('; ')}`).toBeGreaterThanOrEqual(tried * 0.9);
      tally('processes', 'kill -9 at a system call, by strace', kills);
    },
    TIMEOUT_MS,
  );
});

async function killAt(place: Place): Promise<boolean> {
  const run = await runWithFault(place, 'signal=KILL');
  try {
    await expectRecovered(run.dir, run.told);
  } catch (error) {
    throw new Error(`kill -9 at ${nameOf(place)}: ${(error as Error).message}`, { cause: error });
  }
  fs.rmSync(run.dir, { recursive: true });
  return run.killed;
}
