/**
 * Damage of every kind to a store that was tended, in the files that the other bases do not have: sealed and compacted segments, index
 * files, the base, tombstones, the audit tree with its tiles and its key. None is ever served: it is found out by who meets it and by
 * verify, or does no harm, as what is derived is made again.
 */
import { beforeAll, describe, expect, it } from 'vitest';
import { seeded } from '../../crash/random.js';
import { effort, LONG, progress, SEED, TIMEOUT_MS, tally } from '../../support/effort.js';
import { type Damage, flips, misplaced, randomFlips, resized, stale, swapped, zeroed } from './damage.js';
import { type Tended, tendedBase } from './tended.js';
import { judgeTended } from './tended-judge.js';

/** What the other bases have, and say: how the log ends. */
const ELSEWHERE = /^(segment-\d+\.log|keeperlog\.watermark)$/;
/** Every kind of file that is to be hit. */
const KINDS = [
  /^keeperlog\.manifest$/,
  /^keeperlog\.heads$/,
  /^keeperlog\.tombstones$/,
  /^keeperlog\.\d+\.base$/,
  /^keeperlog\.tree$/,
  /^keeperlog\.key$/,
  /^tile\//,
  /\.sealed$/,
  /\.index$/,
];

let tended: Tended;
let other: Tended;
beforeAll(async () => {
  tended = await tendedBase('tended');
  other = await tendedBase('other');
}, TIMEOUT_MS);

it('has every kind of file, and is judged as whole', async () => {
  const names = [...tended.files.keys()];
  for (const kind of KINDS)
    expect(
      names.some((name) => kind.test(name)),
      String(kind),
    ).toBe(true);
  expect(names.filter((name) => !ELSEWHERE.test(name) && !KINDS.some((kind) => kind.test(name)))).toEqual([]);
  expect(tended.floor).toBeGreaterThan(1);
  expect(tended.gone).toContain('gone');
  const whole: Damage = { what: 'nothing', files: tended.files, hit: new Set() };
  expect(await judgeTended(tended, whole)).toEqual({ reading: 'harmless', writing: 'harmless' });
});

/** Judge the damages, in the short form every so-manieth, and name those that are judged badly. */
async function sweep(what: string, damages: Iterable<Damage>, every: number): Promise<void> {
  const counts = { tried: 0, reading: 0, writing: 0 };
  const wrong: string[] = [];
  let place = 0;
  for (const damage of damages) {
    if ([...damage.hit].some((name) => ELSEWHERE.test(name))) continue;
    if (!LONG && place++ % every !== 0) continue;
    try {
      const { reading, writing } = await judgeTended(tended, damage);
      counts.reading += reading === 'detected' ? 1 : 0;
      counts.writing += writing === 'detected' ? 1 : 0;
    } catch (error) {
      wrong.push(`FAULTS_SEED=${SEED} ${LONG ? 'FAULTS=long ' : ''}${(error as Error).message}`);
      if (wrong.length === 10) break;
    }
    if (++counts.tried % 500 === 0) progress(`tended, ${what}: ${counts.tried} tried`);
  }
  expect(wrong).toEqual([]);
  expect(counts.reading).toBeGreaterThan(0);
  progress(`tended, ${what}: ${JSON.stringify(counts)}`);
  tally('bit rot', `${what}, of a tended store`, counts.tried);
}

describe('a tended store', () => {
  it('detects flipped bytes', () => sweep('flipped bytes', flips(tended, effort(1499, 11), SEED), 1), TIMEOUT_MS);

  it(
    'detects random flipped bits',
    () => sweep('random flipped bits', randomFlips(tended, effort(20, 1500), seeded(SEED)), 1),
    TIMEOUT_MS,
  );

  it('detects zeroed sectors and blocks', () => sweep('zeroed sectors and blocks', zeroed(tended), 7), TIMEOUT_MS);

  it(
    'detects sectors and blocks in each other’s place',
    () => sweep('swapped sectors and blocks', swapped(tended), 997),
    TIMEOUT_MS,
  );

  it(
    'detects sectors, blocks and files that are as they were earlier',
    () => sweep('stale sectors, blocks and files', stale(tended), 11),
    TIMEOUT_MS,
  );

  it(
    'detects files that are missing, swapped, doubled and foreign',
    () => sweep('missing, swapped, doubled and foreign files', misplaced(tended, other), 67),
    TIMEOUT_MS,
  );

  it(
    'detects files that are cut and extended',
    () => sweep('cut and extended files', resized(tended, effort(1499, 97), seeded(SEED)), 11),
    TIMEOUT_MS,
  );
});
