import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { MANIFEST_FILE, segmentFile } from '../../dist/shared/format/file-names.js';
import { inspectStore, readManifest } from '../../dist/shared/inspect.js';
import { recover } from '../../dist/workers/writer/recovery.js';
import { sample, TIMEOUT_MS } from '../support/effort.js';
import type { CrashState } from './crash-states.js';
import { checkAll, statesOf } from './explore.js';
import { NOTHING, type Promised } from './history.js';
import type { Image, Step } from './image.js';
import { MemoryDisk } from './memory-disk.js';
import { record, SCENARIOS } from './scenarios.js';
import { DIR, type Disk, Session } from './session.js';

const recorded: { name: string; disk: Disk }[] = [];
beforeAll(async () => {
  for (const name of ['rotation while', 'processes that die']) {
    const scenario = SCENARIOS.find((candidate) => candidate.name.startsWith(name))!;
    recorded.push({ name, disk: await record(scenario) });
  }
});

/** Open the store on a disk, note what it shows, and check every cut that may come meanwhile. */
async function checkCutRecovery(disk: Disk, promised: Promised): Promise<void> {
  const from = disk.journal.length;
  disk.note(promised);
  const session = new Session('at-once', disk);
  await session.open(promised);
  await checkAll(disk, from);
}

function promisedBy(journal: readonly Step<Promised>[]): Promised {
  const step = journal.findLast(({ kind }) => kind === 'note');
  return step?.kind === 'note' ? step.note : NOTHING;
}

describe('a power cut during recovery leaves a store that opens with everything that was acknowledged or shown', () => {
  it(
    'where a power cut had made it necessary',
    async () => {
      for (const { disk } of recorded) {
        for (const { image, note } of sample(statesWorthMending(disk), 89)) {
          await checkCutRecovery(new MemoryDisk<Promised>(image), note ?? NOTHING);
        }
      }
    },
    TIMEOUT_MS,
  );

  it(
    'where the process had died, and nothing but the page cache had what it had written last',
    async () => {
      for (const { disk } of recorded) {
        const steps = Array.from(disk.journal.keys()).filter((step) => disk.journal[step]!.kind === 'sync');
        for (const step of sample(steps, 7)) {
          const journal = disk.journal.slice(0, step);
          await checkCutRecovery(new MemoryDisk(disk.base, journal), promisedBy(journal));
        }
      }
    },
    TIMEOUT_MS,
  );
});

describe('recovery that is interrupted by a power cut and repeated', () => {
  it(
    'comes to the same log',
    async () => {
      for (const { disk } of recorded) {
        for (const { image } of sample(statesWorthMending(disk), 41)) {
          const recovering = new MemoryDisk<Promised>(image);
          const log = await logAfterRecovery(recovering);
          for (const interrupted of statesOf(recovering)) {
            expect(await logAfterRecovery(new MemoryDisk(interrupted.image))).toEqual(log);
          }
        }
      }
    },
    TIMEOUT_MS,
  );
});

/** States of a store that was made, each log once. */
function statesWorthMending(disk: Disk): CrashState<Promised>[] {
  return [...statesOf(disk)].filter(({ image }) => image.names.has(`${DIR}/${MANIFEST_FILE}`));
}

/** Recover, and return a digest of every segment up to the log's end. */
async function logAfterRecovery(disk: Disk): Promise<string[]> {
  await recover(disk, DIR, undefined, 0);
  const { segments, active } = await inspectStore(disk, DIR, readManifest(disk, DIR)!);
  expect(active?.tail.kind ?? 'clean').toBe('clean');
  const image: Image = disk.image();
  return segments.map(({ number }) => {
    const content = image.contents.get(image.names.get(`${DIR}/${segmentFile(number)}`)!)!;
    const log = number === active?.header.number ? content.subarray(0, active.endOffset) : content;
    return createHash('sha1').update(log).digest('hex');
  });
}
