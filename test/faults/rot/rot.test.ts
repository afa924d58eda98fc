/**
 * Damage of every kind to small stores, on disks in memory. Each is detected or harmless: never a wrong event, a silent
 * skip or an error that is none of ours. That no promise is rejected without anybody noticing is vitest's own check.
 *
 * FAULTS_ROT='closed: flip keeperlog.heads 17' tries the one damage that a failure names.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { seeded } from '../../crash/random.js';
import { effort, LONG, progress, SEED, TIMEOUT_MS, tally } from '../../support/effort.js';
import { type Base, closedBase, indexedBase, killedBase } from './bases.js';
import { type Damage, flips, misplaced, randomFlips, resized, stale, swapped, zeroed } from './damage.js';
import { judge } from './judge.js';

let closed: Base;
let killed: Base;
let indexed: Base;
beforeAll(async () => {
  closed = await closedBase();
  killed = await killedBase();
  indexed = await indexedBase();
});

/** Judge the damages, in the short form every so-manieth, and name those that are judged badly. */
async function sweep(what: string, base: Base, damages: Iterable<Damage>, every = 1): Promise<void> {
  const counts = { tried: 0, reading: 0, writing: 0 };
  const wrong: string[] = [];
  let place = 0;
  for (const damage of damages) {
    if (!LONG && place++ % every !== 0) continue;
    try {
      const { reading, writing } = await judge(base, damage);
      counts.reading += reading === 'detected' ? 1 : 0;
      counts.writing += writing === 'detected' ? 1 : 0;
    } catch (error) {
      wrong.push(`FAULTS_SEED=${SEED} ${LONG ? 'FAULTS=long ' : ''}${(error as Error).message}`);
      if (wrong.length === 10) break;
    }
    if (++counts.tried % 1000 === 0) progress(`${base.name}, ${what}: ${counts.tried} tried`);
  }
  expect(wrong).toEqual([]);
  expect(counts.tried).toBeGreaterThan(0);
  // A sweep of which nothing is detected has hit nothing.
  expect(counts.writing).toBeGreaterThan(0);
  progress(`${base.name}, ${what}: ${JSON.stringify(counts)}`);
  tally('bit rot', what, counts.tried);
}

for (const name of ['closed', 'killed'] as const) {
  const base = (): Base => (name === 'closed' ? closed : killed);
  describe(`a ${name} store`, () => {
    it(
      'detects each flipped byte',
      () => sweep('flipped bytes', base(), flips(base(), effort(733, 1), SEED)),
      TIMEOUT_MS,
    );

    it(
      'detects random flipped bits',
      () => sweep('random flipped bits', base(), randomFlips(base(), effort(25, 5000), seeded(SEED))),
      TIMEOUT_MS,
    );

    it(
      'detects zeroed sectors and blocks',
      () => sweep('zeroed sectors and blocks', base(), zeroed(base()), 3),
      TIMEOUT_MS,
    );

    it(
      'detects sectors and blocks in each other’s place',
      () => sweep('swapped sectors and blocks', base(), swapped(base()), 37),
      TIMEOUT_MS,
    );

    it(
      'detects sectors, blocks and files that are as they were earlier',
      () => sweep('stale sectors, blocks and files', base(), stale(base()), 5),
      TIMEOUT_MS,
    );

    it(
      'detects files that are missing, swapped, doubled and foreign',
      () =>
        sweep(
          'missing, swapped, doubled and foreign files',
          base(),
          misplaced(base(), name === 'closed' ? killed : closed),
          9,
        ),
      TIMEOUT_MS,
    );

    it(
      'detects files that are cut and extended',
      () => sweep('cut and extended files', base(), resized(base(), effort(211, 7), seeded(SEED)), 11),
      TIMEOUT_MS,
    );
  });
}

describe('a store that is read through its index', () => {
  it(
    'detects random flipped bits',
    () => sweep('random flipped bits', indexed, randomFlips(indexed, effort(3, 500), seeded(SEED))),
    TIMEOUT_MS,
  );
});
