import { beforeAll, describe, expect, it } from 'vitest';
import type { RepairReport } from '../../dist/main/index.js';
import { crashStates } from '../crash/crash-states.js';
import { cutOf, DEPTH } from '../crash/explore.js';
import type { Image } from '../crash/image.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import {
  changed,
  checkRepaired,
  contentOf,
  flippedAt,
  repair,
  segmentsOf,
  type Whole,
  wholeStore,
  withFiles,
} from './kit.js';

let whole: Whole;
beforeAll(async () => {
  whole = await wholeStore();
});

/** Damage that a repair has different things to do about. */
const DAMAGE: Record<string, (image: Image) => Image> = {
  'an event that is lost, in the middle': (image) => flipped(image, 1, 900),
  'frame headers, of which nothing is lost': (image) => flipped(flipped(image, 0, 140), 1, 140),
  'the last event': (image) => {
    const last = segmentsOf(image).findLast((file) => contentOf(image, file).some((byte) => byte !== 0))!;
    const content = contentOf(image, last);
    const end = content.findLastIndex((byte) => byte !== 0);
    return withFiles(image, { [last]: flippedAt(content, end) });
  },
  'two files under each other’s names': (image) => {
    const [, second, third] = segmentsOf(image);
    const [a, b] = [contentOf(image, second!), contentOf(image, third!)];
    return withFiles(image, { [second!]: b, [third!]: a });
  },
  'a sector in the place of another one of another file': (image) => {
    const [first, second] = segmentsOf(image);
    const [a, b] = [contentOf(image, first!), contentOf(image, second!)];
    const swap = (into: Buffer, from: Buffer): Buffer =>
      changed(into, (bytes) => void from.copy(bytes, 6144, 6144, 9216));
    return withFiles(image, { [first!]: swap(a, b), [second!]: swap(b, a) });
  },
};

function flipped(image: Image, place: number, at: number): Image {
  const file = segmentsOf(image)[place]!;
  return withFiles(image, { [file]: flippedAt(contentOf(image, file), at, 0x5a) });
}

/** What is given up after a repair that was cut short, and another one. */
async function lostAfter(state: Image): Promise<RepairReport['lost']> {
  const disk = new MemoryDisk(state);
  await repair(disk);
  const manifest = contentOf(disk.image(), 'keeperlog.manifest').toString().split('\n')[0]!;
  const { holes } = JSON.parse(manifest) as { holes: [number, number][] };
  const lost = holes
    .filter(([first, last]) => first <= last)
    .map(([firstSequence, lastSequence]) => ({ firstSequence, lastSequence }));
  await checkRepaired(whole, disk.image(), lost);
  return lost;
}

describe('a power cut during a repair, and another repair, come to the same log', () => {
  it.each(Object.entries(DAMAGE))(
    'of %s',
    async (_, damage) => {
      const image = damage(whole.image);
      const disk = new MemoryDisk(image);
      const { lost } = await repair(disk);
      let states = 0;
      for (const state of crashStates(image, disk.journal, DEPTH)) {
        try {
          expect(await lostAfter(state.image)).toEqual(lost);
        } catch (error) {
          const where = `FAULTS_SEED=${SEED}: cut ${cutOf(state)} of ${disk.journal.length} steps`;
          throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
        }
        states++;
      }
      expect(states).toBeGreaterThan(20);
      tally('crash states', 'of a repair', states);
    },
    TIMEOUT_MS,
  );

  it(
    'which needs the directory to be synced before old files are replaced',
    async () => {
      const image = DAMAGE['two files under each other’s names']!(whole.image);
      const disk = new MemoryDisk(image);
      await repair(intercept(disk, { syncDir() {} }));
      const found = async (): Promise<void> => {
        for (const state of crashStates(image, disk.journal, DEPTH)) expect(await lostAfter(state.image)).toEqual([]);
      };
      await expect(found()).rejects.toThrow();
    },
    TIMEOUT_MS,
  );
});
