import { beforeAll, describe, expect, it } from 'vitest';
import { effort, TIMEOUT_MS } from '../support/effort.js';
import type { CrashState } from './crash-states.js';
import { checkAll, everyNth, ONE_STATE, statesOf } from './explore.js';
import { LIGHT, NORMAL } from './fates.js';
import type { Promised } from './history.js';
import { intercept } from './intercept.js';
import { afterDeath, type Recording, recordOpening, recordRecovery, recordScenario } from './recording.js';
import { checkRecovery } from './recovered.js';
import { SCENARIOS } from './scenarios.js';
import { type Disk, Session } from './session.js';
import { linesThatSync, NOT_NEEDED, sitesOf } from './sites.js';

const DEPTH = effort(LIGHT, NORMAL);
/** Of the states that a sync which is not needed would rule out, every so-manieth. */
const EVERY = effort(31, 1);
/** Recoveries that set a torn tail aside. */
const RECOVERIES = 3;
const SET_ASIDE = 'sync@storage.replaceFile<recovery.setAside';

/** What is told where something is lost; anything else is a fault of the tests. */
const LOSSES = [
  'acknowledged calls that are there',
  'events of a call',
  'events of calls that were made and not refused',
  'does not continue the one before it',
  'does not tell of the tombstone',
  'what is left of deleted streams',
  'has no valid header',
  'is there, and whole',
  'a segment in the middle of the log is missing',
  'the log and its torn tails',
  'the base does not verify',
  'the base is missing, which the manifest names',
  'the manifest does not verify',
  'the manifest is missing beside segments',
  'the sealed segment cannot be read',
  'of the sealed segment does not verify',
  'the index does not verify',
  'what does not verify',
  'what was removed is in',
  'is that of an older one',
];

/** Syncs of the audit tree, which grows before segments go: each is left out in test/audit. */
const OF_THE_TREE = /[@<](audit-tree|tile-files|keys)\./;

/** Recoveries by themselves, which are short, then the scenarios. */
const recordings: Recording[] = [];

if (ONE_STATE === undefined) {
  beforeAll(async () => {
    for (const scenario of SCENARIOS) recordings.push(await recordScenario(scenario));
    // A new segment was cut back to nothing for lack of space, and the process died before that was synced.
    const fullDisk = recordings.find(({ name }) => name === 'full-disk')!;
    const { journal } = fullDisk.disk;
    const cutBack = Array.from(journal.keys()).filter((step) => journal[step]!.kind === 'truncate');
    for (const step of cutBack) recordings.unshift(await recordOpening(afterDeath(fullDisk, step + 1)));
    const deaths = recordings.find(({ name }) => name === 'process-deaths')!;
    for (
      let steps = deaths.disk.journal.length;
      recordings.length < SCENARIOS.length + cutBack.length + RECOVERIES;
      steps--
    ) {
      const recovery = await recordRecovery(afterDeath(deaths, steps));
      if (sitesOf(recovery).has(SET_ASIDE)) recordings.unshift(recovery);
    }
  }, TIMEOUT_MS);
}

function recordingsWith(site: string): Recording[] {
  return recordings.filter((recording) => sitesOf(recording).has(site));
}

/** What is lost first without the syncs of some call sites; undefined where nothing is. */
async function firstLoss(sites: readonly string[]): Promise<string | undefined> {
  for (const recording of recordingsWith(sites[0]!)) {
    try {
      await checkAll(recording, { without: sites, depth: DEPTH });
    } catch (error) {
      return LOSSES.find((loss) => (error as Error).message.includes(loss)) ?? Promise.reject(error);
    }
  }
  return undefined;
}

describe.runIf(ONE_STATE === undefined)('the syncs of the engine', () => {
  it('are all come by: each line that asks for one', () => {
    const reached = recordings.flatMap((recording) => [...sitesOf(recording).values()].map(({ line }) => line));
    // A repair is cut off in test/repair, the audit tree in test/audit, a backup in test/backup.
    const isHere = (line: string): boolean => !/^(main\/repair|shared\/audit|workers\/backup)/.test(line);
    expect([...new Set(reached)].filter(isHere).sort()).toEqual(linesThatSync().filter(isHere).sort());
  });

  it(
    'are each missed when they are left out, but for those of which it is said why not',
    async () => {
      const sites = new Set(recordings.flatMap((recording) => [...sitesOf(recording).keys()]));
      const notMissed: string[] = [];
      for (const site of sites) {
        if (OF_THE_TREE.test(site)) continue;
        if (NOT_NEEDED[site] === undefined && (await firstLoss([site])) === undefined) notMissed.push(site);
      }
      expect(notMissed).toEqual([]);
      expect(sites.size - Object.keys(NOT_NEEDED).length).toBeGreaterThanOrEqual(12);
    },
    TIMEOUT_MS,
  );

  it.each(Object.entries(NOT_NEEDED))(
    'are not missed, as it is said: %s',
    async (site, { otherwise }) => {
      const withSite = recordingsWith(site);
      expect(withSite.length).toBeGreaterThan(0);
      let count = 0;
      for (const recording of withSite) {
        const exploring = { without: [site], depth: DEPTH };
        count += await checkAll(recording, exploring, everyNth(statesOf(recording, exploring), EVERY));
      }
      expect(count).toBeGreaterThan(0);
      if (otherwise !== undefined) expect(await firstLoss([site, otherwise])).toBeDefined();
    },
    TIMEOUT_MS,
  );
});

/** Of the first one it takes long to find that it is missed. */
const OF_RETENTION = [
  'sync@base-writer.writeContent<base-writer.writeBase',
  'syncDir@base-writer.writeBase<background.#try',
  'sync@storage.replaceFile<manifest-edit.#replace',
].slice(effort(1, 0));

it.runIf(ONE_STATE === undefined).each(OF_RETENTION)(
  'what retention leaves of deleted streams is lost without %s',
  async (site) => {
    const recording = recordings.find(({ name }) => name === 'retention-deleted')!;
    expect(sitesOf(recording).has(site)).toBe(true);
    await expect(checkAll(recording, { without: [site], depth: DEPTH })).rejects.toThrow(
      /the base (does not verify|is missing)|the manifest does not verify/,
    );
  },
  TIMEOUT_MS,
);

/** A disk that takes a write of what is there already for done. */
function withoutSecondWrites(inner: Disk): Disk {
  return intercept(inner, {
    write(handle, parts, offset) {
      const bytes = Buffer.concat(parts);
      const present = Buffer.alloc(bytes.length);
      const length = inner.read(handle, present, offset);
      return present.subarray(0, length).equals(bytes) ? length : inner.write(handle, parts, offset);
    },
  });
}

it.runIf(ONE_STATE === undefined)(
  'the second write of frames whose sync has failed is missed when it is left out',
  async () => {
    const session = new Session('at-once', undefined, withoutSecondWrites);
    await session.open();
    await session.failAppending('a', 900);
    await session.close();
    await session.open();
    expect(session.promised).toMatchObject({ acknowledged: 1 });
    const { disk } = session;
    const check = ({ image, note }: CrashState<Promised>): Promise<void> => checkRecovery(image, note);
    await expect(checkAll({ name: 'second-writes', disk, from: 0, options: {} as never, check })).rejects.toThrow(
      'no valid header',
    );
  },
);
