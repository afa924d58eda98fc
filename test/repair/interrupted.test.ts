import { beforeAll, describe, expect, it } from 'vitest';
import type { RepairReport } from '../../dist/main/index.js';
import { withCallSites } from '../crash/call-site.js';
import { type CrashState, crashStates } from '../crash/crash-states.js';
import { cutOf, DEPTH } from '../crash/explore.js';
import { LIGHT } from '../crash/fates.js';
import type { Image, Step } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { linesThatSync } from '../crash/sites.js';
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

type Journal = readonly Step<never>[];

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

/** A repair on a disk of its own, whose journal says where each sync was asked for. */
async function recordRepair(image: Image): Promise<{ journal: Journal; lost: RepairReport['lost'] }> {
  const disk = new MemoryDisk<never>(image);
  const { lost } = await repair(withCallSites(disk));
  return { journal: disk.journal, lost };
}

/** What must hold after a power cut: another repair gives up the same; one that was done needs no other. */
async function checkState(state: CrashState<never>, journal: Journal, lost: RepairReport['lost']): Promise<void> {
  if (state.steps === journal.length) await checkRepaired(whole, state.image, lost);
  const disk = new MemoryDisk(state.image);
  await repair(disk);
  const manifest = contentOf(disk.image(), 'keeperlog.manifest').toString().split('\n')[0]!;
  const { holes } = JSON.parse(manifest) as { holes: [number, number][] };
  const given = holes
    .filter(([first, last]) => first <= last)
    .map(([firstSequence, lastSequence]) => ({ firstSequence, lastSequence }));
  expect(given, 'what is given up').toEqual(lost);
  await checkRepaired(whole, disk.image(), given);
}

describe('a power cut during a repair, and another repair, come to the same log', () => {
  it.each(Object.entries(DAMAGE))(
    'of %s',
    async (_, damage) => {
      const image = damage(whole.image);
      const { journal, lost } = await recordRepair(image);
      let states = 0;
      for (const state of crashStates(image, journal, DEPTH)) {
        try {
          await checkState(state, journal, lost);
        } catch (error) {
          const where = `FAULTS_SEED=${SEED}: cut ${cutOf(state)} of ${journal.length} steps`;
          throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
        }
        states++;
      }
      expect(states).toBeGreaterThan(20);
      tally('crash states', 'of a repair', states);
    },
    TIMEOUT_MS,
  );
});

/** Syncs without which nothing is lost, and why. */
const HINT =
  'the watermark is a hint: the manifest of the repair is of a new epoch, and says itself how far the log goes';
const NOT_NEEDED: Readonly<Record<string, string>> = {
  'sync@storage.replaceFile<repair.writeWatermark': HINT,
  'syncDir@storage.replaceFile<repair.writeWatermark': HINT,
};

describe('the syncs of a repair', () => {
  it(
    'are each missed when they are left out, but for those of which it is said why not',
    async () => {
      const missed = new Map<string, boolean>();
      const lines = new Set<string>();
      for (const damage of Object.values(DAMAGE)) {
        const image = damage(whole.image);
        const { journal, lost } = await recordRepair(image);
        for (const [site, line] of sitesIn(journal)) {
          lines.add(line);
          if (missed.get(site) !== true) missed.set(site, await isMissed(image, journal, lost, site));
        }
      }
      const notMissed = [...missed].filter(([, is]) => !is).map(([site]) => site);
      expect(notMissed.sort()).toEqual(Object.keys(NOT_NEEDED).sort());
      const inRepair = linesThatSync().filter((line) => line.startsWith('main/repair'));
      expect(inRepair.length).toBeGreaterThan(0);
      expect([...lines]).toEqual(expect.arrayContaining(inRepair));
    },
    TIMEOUT_MS,
  );
});

/** The call sites of the syncs in a journal, by name, with their lines. */
function sitesIn(journal: Journal): Map<string, string> {
  const syncs = journal.filter((step) => step.kind === 'sync' || step.kind === 'syncDir');
  return new Map(syncs.map(({ by }) => [by!.name, by!.line]));
}

/** Whether anything is lost in a state that this sync would rule out. */
async function isMissed(image: Image, journal: Journal, lost: RepairReport['lost'], site: string): Promise<boolean> {
  for (const state of crashStates(image, journal, LIGHT, { without: [site] })) {
    try {
      await checkState(state, journal, lost);
    } catch {
      return true; // whatever it is that fails: a wrong log, a refused opening, a repair that cannot go on
    }
  }
  return false;
}
