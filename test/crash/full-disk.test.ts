import { expect, it } from 'vitest';
import { crashStates } from './crash-states.js';
import { DEEP } from './fates.js';
import { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';
import { type Disk, Session } from './session.js';

/** Check every cut behind a disk's last step. */
async function checkEnd({ base, journal }: Disk): Promise<void> {
  for (const { image, note } of crashStates(base, journal, DEEP, { from: journal.length })) {
    await checkRecovery(image, note);
  }
}

it.each(['no-space', 'space-for-half'] as const)(
  'what was refused for lack of space is not there after a power cut, whatever of it was written: %s',
  async (space) => {
    const session = new Session();
    await session.open();
    await session.refuseAppending(space, 'a', 2000);
    await checkEnd(session.disk);
  },
);

it('a frame for which there is space, but not for all of the zeros behind it, is not refused', async () => {
  const session = new Session();
  await session.open();
  // The first frame of a segment: zeros go out with it.
  await expect(session.appendIntoLastSpace('a', 2000)).resolves.toMatchObject({ durability: 'synced' });
  await session.refuseAppending('no-space', 'a', 70_000);
  await checkEnd(session.disk);
});

it('what a process was cutting off when it died does not come back once the store was opened without it', async () => {
  const session = new Session();
  await session.open();
  await session.refuseAppending('space-for-half', 'a', 2000);
  const { base, journal } = session.disk;
  const cutOff = journal.findLastIndex(({ kind }) => kind === 'truncate') + 1;
  expect(cutOff).toBeGreaterThan(0);
  const disk: Disk = new MemoryDisk(base, journal.slice(0, cutOff));
  await new Session('at-once', disk).open();
  await checkEnd(disk);
});

it('the first frame of a segment that was cut off does not come back behind a log that has gone on before it', async () => {
  const session = new Session();
  await session.open();
  await session.append('a', 50_000);
  await session.refuseAppending('space-for-half', 'a', 20_000);
  await session.close();
  await session.open();
  // There is room for this one before the end of the first segment.
  await session.append('a', 100);
  await checkEnd(session.disk);
});
