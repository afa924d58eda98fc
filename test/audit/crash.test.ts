/**
 * Power cuts and dead processes at each step of growing, signing and rotating: what a checkpoint covered that was returned is
 * there, and the tree that goes on from what is left never contradicts it.
 */
import { verifyProof } from 'keeperlog/proof';
import { beforeAll, describe, expect, test } from 'vitest';
import { toBase64 } from '../../dist/shared/portable/proof/base64.js';
import type { Checkpoint } from '../../dist/shared/portable/proof/checkpoint.js';
import { withCallSites } from '../crash/call-site.js';
import { crashStates } from '../crash/crash-states.js';
import { type Depth, LIGHT, NORMAL } from '../crash/fates.js';
import { DIRECTORY, type Image, type Step } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { effort, sample, TIMEOUT_MS, tally } from '../support/effort.js';
import { digests, emptyDir, newDisk, openProver, openTree } from './kit.js';
import { mth } from './reference.js';

const DATA = digests(540);
const ROOT = toBase64(mth(DATA));
const upTo = (end: number, from = 0): Buffer => Buffer.concat(DATA.slice(from, end));

/** The checkpoints that were returned, the newest one last. */
type Returned = readonly Checkpoint[];
type Disk = MemoryDisk<Returned>;

/** What is done to a tree. Each checkpoint is promised the moment it is returned. */
type Work = (storage: Disk, promise: (checkpoint: Checkpoint) => void) => void;

const SCENARIOS: Readonly<Record<string, { readonly start: () => Image; readonly work: Work }>> = {
  'the first checkpoint and its key': {
    start: emptyDir,
    work(storage, promise) {
      const tree = openTree(storage);
      tree.append(1, upTo(3));
      promise(tree.checkpoint());
      tree.append(4, upTo(5, 3));
      promise(tree.checkpoint());
    },
  },
  'tiles that become full': {
    start: () => treeAt(250),
    work(storage, promise) {
      const tree = openTree(storage);
      for (const end of [254, 260, 515]) {
        tree.append(tree.size + 1, upTo(end, tree.size));
        promise(tree.checkpoint());
      }
    },
  },
  'a rotation': {
    start: () => treeAt(10),
    work(storage, promise) {
      const tree = openTree(storage);
      promise(tree.newest!);
      tree.append(11, upTo(12, 10));
      promise(tree.rotateKey());
      tree.append(13, upTo(14, 12));
      promise(tree.checkpoint());
    },
  },
};

/** A durable tree of so many leaves. */
function treeAt(size: number): Image {
  const disk = newDisk();
  const tree = openTree(disk);
  tree.append(1, upTo(size));
  tree.checkpoint();
  return disk.image();
}

interface Recorded {
  readonly name: string;
  readonly disk: Disk;
  /** The steps before which no cut is made. */
  readonly from: number;
}

function record(
  name: string,
  base: Image,
  journal: readonly Step<Returned>[],
  promised: Returned,
  work: Work,
): Recorded {
  const disk: Disk = new MemoryDisk(base, journal);
  let returned = promised;
  disk.note(returned);
  work(withCallSites(disk), (checkpoint) => {
    returned = [...returned, checkpoint];
    disk.note(returned);
  });
  return { name, disk, from: journal.length + 1 };
}

/** Going on after a crash: everything is appended again from where the tree is, as a store does that finds it behind its log. */
const GO_ON: Work = (storage, promise) => {
  const tree = openTree(storage);
  tree.append(Math.max(1, tree.size - 3), upTo(DATA.length, Math.max(0, tree.size - 4)));
  promise(tree.checkpoint());
};

/** Whether what was returned holds on a disk, and goes on holding. */
async function check(image: Image, returned: Returned = []): Promise<void> {
  const disk: Disk = new MemoryDisk(image);
  const promised = returned.at(-1);
  const before = openTree(disk);
  expect(before.size, 'leaves that a returned checkpoint covers').toBeGreaterThanOrEqual(promised?.size ?? 0);
  GO_ON(disk, () => {});
  const prover = openProver(disk);
  expect(prover.checkpoint.root, 'the root').toBe(ROOT);
  for (const { size, text, publicKey } of returned) {
    expect(prover.publicKeys, 'keys of returned checkpoints').toContain(publicKey);
    await verifyProof(prover.proveConsistency(size), { keys: prover.publicKeys, checkpoint: text });
  }
  for (const sequence of [1, 256, 257, DATA.length]) {
    await verifyProof(prover.prove(sequence), { keys: prover.checkpoint.publicKey, digest: DATA[sequence - 1]! });
  }
}

async function checkAll(
  { disk, name, from }: Recorded,
  depth: Depth,
  without: readonly string[] = [],
): Promise<number> {
  let count = 0;
  for (const { image, note, steps } of crashStates(disk.base, disk.journal, depth, { from, without })) {
    try {
      await check(image, note);
    } catch (error) {
      throw new Error(`${name}, cut after step ${steps}: ${(error as Error).message}`, { cause: error });
    }
    count++;
  }
  tally('audit', 'crash states', count);
  return count;
}

const recorded: Recorded[] = [];

beforeAll(() => {
  for (const [name, { start, work }] of Object.entries(SCENARIOS)) recorded.push(record(name, start(), [], [], work));
});

describe('after a power cut', () => {
  test.each(Object.keys(SCENARIOS))(
    'during %s, every returned checkpoint holds',
    async (name) => {
      const recording = recorded.find((one) => one.name === name)!;
      expect(await checkAll(recording, effort(LIGHT, NORMAL))).toBeGreaterThan(20);
    },
    TIMEOUT_MS,
  );
});

/** What the process had returned when it died after so many steps. */
function returnedBy(journal: readonly Step<Returned>[]): Returned {
  const step = journal.findLast(({ kind }) => kind === 'note');
  return step?.kind === 'note' ? step.note : [];
}

/** The same tree gone on with by a new process, after the first one has died, with all of the page cache left. */
function afterDeath({ disk, name }: Recorded, steps: number): Recorded {
  const journal = disk.journal.slice(0, steps);
  return record(`${name}, dead after step ${steps}`, disk.base, journal, returnedBy(journal), GO_ON);
}

describe('after the death of a process', () => {
  test.each(Object.keys(SCENARIOS))(
    'during %s, a power cut while the next one goes on loses nothing either',
    async (name) => {
      const one = recorded.find((one) => one.name === name)!;
      const deaths = sample(
        Array.from({ length: one.disk.journal.length }, (_, i) => i + 1),
        effort(11, 1),
      );
      for (const steps of deaths) {
        const recording = afterDeath(one, steps);
        await check(recording.disk.image(), returnedBy(recording.disk.journal));
        await checkAll(recording, LIGHT);
      }
    },
    TIMEOUT_MS,
  );
});

/** Without these nothing is lost, for the reason that stands beside them. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  'syncDir@keys.#replace<keys.inUse':
    'the file of the tree is replaced in the same directory before a signature is returned',
  'syncDir@keys.#replace<keys.rotate': 'the same',
  'syncDir@keys.#replace<keys.retire': 'an old key that comes back signs one more checkpoint beside the new one',
};

describe('the syncs of the tree', () => {
  test(
    'are each missed when they are left out, but for those of which it is said why not',
    async () => {
      const sites = new Map<string, Recorded[]>();
      const first = recorded[0]!;
      // A process may die over directories that it has made, and not have come to sync their names.
      const dirs = Array.from(first.disk.journal.keys()).filter((i) => {
        const step = first.disk.journal[i]!;
        return step.kind === 'create' && step.inode === DIRECTORY;
      });
      for (const recording of [...recorded, ...dirs.map((step) => afterDeath(first, step + 1))]) {
        for (const step of recording.disk.journal.slice(recording.from)) {
          if ((step.kind !== 'sync' && step.kind !== 'syncDir') || step.by === undefined) continue;
          const { name } = step.by;
          if (sites.get(name)?.at(-1) !== recording) sites.set(name, [...(sites.get(name) ?? []), recording]);
        }
      }
      const notMissed: string[] = [];
      for (const [site, recordings] of sites) if (!(await isMissed(site, recordings))) notMissed.push(site);
      expect(notMissed.sort()).toEqual(Object.keys(NOT_NEEDED).sort());
      expect(sites.size).toBeGreaterThanOrEqual(6);
    },
    TIMEOUT_MS,
  );
});

async function isMissed(site: string, recordings: readonly Recorded[]): Promise<boolean> {
  for (const recording of recordings) {
    try {
      await checkAll(recording, LIGHT, [site]);
    } catch {
      return true;
    }
  }
  return false;
}
