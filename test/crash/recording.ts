/**
 * A disk on whose journal cuts are made: of a scenario, or of what a store does when it is opened after one. A state has a name
 * from which it can be made again, whatever the seed:
 *
 *     rotation-late#57:+-(3.1)                      the scenario was cut after step 57, and so many changes came to these fates
 *     rotation-late#57:+-(3.1)/recover#4:-+         recovery from that was cut as well
 *     rotation-late#57:dead/open#4:-+               the process had died after step 57, with all of the page cache left
 *     rotation-late~sync@recovery.mend#57:+-        the syncs of one call site of the engine were left out
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { expect } from 'vitest';
import type { StoreOptions } from '../../dist/main/index.js';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { isTornFile, segmentFile } from '../../dist/shared/format/file-names.js';
import { inspectStore, readManifest } from '../../dist/shared/inspect.js';
import { readRange } from '../../dist/shared/storage.js';
import { unsealing } from '../../dist/shared/unsealing.js';
import { recover } from '../../dist/workers/writer/recovery.js';
import { withCallSites } from './call-site.js';
import type { CrashState } from './crash-states.js';
import { NOTHING, type Promised } from './history.js';
import { EMPTY_DISK, type Step } from './image.js';
import { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';
import type { Scenario } from './scenarios.js';
import { contentOf, DIR, type Disk, OPTIONS, Session } from './session.js';

export interface Recording {
  /** The first part of its states' names. */
  readonly name: string;
  readonly disk: Disk;
  /** The steps before which no cut is made: they are another recording's. */
  readonly from: number;
  readonly options: StoreOptions;
  /** @throws where a state has lost something */
  check(state: CrashState<Promised>): Promise<void>;
}

/** A disk as a crash has left it. */
export interface Crashed {
  readonly name: string;
  readonly disk: Disk;
  readonly promised: Promised;
  readonly options: StoreOptions;
  /** Of the recording that was cut. */
  readonly check: Recording['check'];
}

export async function recordScenario(scenario: Scenario): Promise<Recording> {
  const { id, pokes, start, options = OPTIONS } = scenario;
  const { image, promised } = (await start?.()) ?? { image: EMPTY_DISK, promised: NOTHING };
  const disk: Disk = new MemoryDisk(image);
  disk.note(promised);
  await scenario.run(new Session(pokes, disk, withCallSites, options), promised);
  const check = scenario.check ?? (({ image: left, note }) => checkRecovery(left, note, options));
  return { name: id, disk, from: 1, options, check };
}

/**
 * What opening a store does on a disk; what had been promised must hold, and what it shows from then on. Where no calls were
 * promised, as some of what was in the log may be gone, what must hold is what the recording says that was cut.
 */
export async function recordOpening({ name, disk, promised, options, check }: Crashed): Promise<Recording> {
  const from = disk.journal.length + 1;
  disk.note(promised);
  const session = new Session('at-once', disk, withCallSites, options);
  const opening = { name: `${name}/open`, disk, from, options };
  if (promised.calls.length === 0) {
    await session.openAsItIs();
    return { ...opening, check };
  }
  await session.open(promised);
  return { ...opening, check: (state) => checkRecovery(state.image, state.note, options) };
}

/** What recovery does on a disk: interrupted and repeated, it must come to the same. */
export async function recordRecovery({ name, disk, options }: Omit<Crashed, 'check'>): Promise<Recording> {
  const from = disk.journal.length + 1;
  const whole = await recovered(withCallSites(disk), disk);
  return {
    name: `${name}/recover`,
    disk,
    from,
    options,
    async check({ image }) {
      const repeated = new MemoryDisk<Promised>(image);
      expect(await recovered(repeated, repeated), 'the log and its torn tails').toEqual(whole);
    },
  };
}

/** A power cut has left a disk in some state. */
export function afterCut(
  { name, options, check }: Recording,
  { image, note }: CrashState<Promised>,
  cut: string,
): Crashed {
  return { name: `${name}${cut}`, disk: new MemoryDisk(image), promised: note ?? NOTHING, options, check };
}

/** The process has died after a step; the page cache has everything. */
export function afterDeath({ name, disk, options, check }: Recording, steps: number): Crashed {
  const journal = disk.journal.slice(0, steps);
  return {
    name: `${name}#${steps}:dead`,
    disk: new MemoryDisk(disk.base, journal),
    promised: promisedBy(journal),
    options,
    check,
  };
}

function promisedBy(journal: readonly Step<Promised>[]): Promised {
  const step = journal.findLast(({ kind }) => kind === 'note');
  return step?.kind === 'note' ? step.note : NOTHING;
}

/** Recover, and return a digest of every segment up to the log's end, and of each torn tail. */
async function recovered(storage: Disk, disk: Disk): Promise<Record<string, string>> {
  await recover(storage, DIR, undefined, 0);
  const { segments, active, storeId } = await inspectStore(disk, DIR, readManifest(disk, DIR)!);
  expect(active?.tail.kind ?? 'clean').toBe('clean');
  const image = disk.image();
  // Sealed ones are held against each other as the raw ones that they were.
  const log = unsealing(disk, storeId, await PlaceHasher.create(storeId));
  const digests: Record<string, string> = {};
  for (const { number } of segments) {
    const bytes = number === active?.header.number ? active.endOffset : Number.MAX_SAFE_INTEGER;
    digests[segmentFile(number)] = digestOf(readRange(log, path.join(DIR, segmentFile(number)), 0, bytes));
  }
  for (const file of disk.list(DIR)) if (isTornFile(file)) digests[file] = digestOf(contentOf(image, file));
  return digests;
}

function digestOf(content: Buffer): string {
  return createHash('sha1').update(content).digest('hex');
}
