/** A sample of the sweeps on real files, with the threads and system calls of every day. */
import { expect, it } from 'vitest';
import { seeded } from '../../crash/random.js';
import { effort, SEED, TIMEOUT_MS, tally } from '../../support/effort.js';
import { temporaryDir } from '../kit.js';
import { closedBase, killedBase } from './bases.js';
import { type Damage, flips, misplaced, randomFlips, resized, stale, swapped, zeroed } from './damage.js';
import { judge } from './judge.js';
import { onFiles } from './place.js';

it(
  'damage of every kind is detected or harmless on real files',
  async () => {
    const random = seeded(SEED);
    const closed = await closedBase();
    const killed = await killedBase();
    let tried = 0;
    for (const [base, other] of [
      [closed, killed],
      [killed, closed],
    ] as const) {
      const kinds: Iterable<Damage>[] = [
        flips(base, 97, SEED),
        randomFlips(base, 100, random),
        zeroed(base),
        swapped(base),
        stale(base),
        misplaced(base, other),
        resized(base, 211, random),
      ];
      for (const kind of kinds) {
        const damages = [...kind];
        for (let n = effort(1, 60); n > 0 && damages.length > 0; n--) {
          const [damage] = damages.splice(Math.floor(random() * damages.length), 1);
          await judge(base, damage!, (files) => onFiles(temporaryDir(), files));
          tried++;
        }
      }
    }
    expect(tried).toBeGreaterThan(10);
    tally('bit rot', 'damages on real files', tried);
  },
  TIMEOUT_MS,
);
