import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { segmentFile } from '../../dist/shared/format/file-names.js';
import { checkRecovery } from './recovered.js';
import { DIR, Session } from './session.js';

/** A session whose process has died after three appends, each of which took a segment. */
async function threeSegments(): Promise<Session> {
  const session = new Session();
  await session.open();
  for (let i = 0; i < 3; i++) await session.append('a', 60_000);
  session.kill();
  return session;
}

function segment(number: number): string {
  return path.join(DIR, segmentFile(number));
}

it('a store that was closed before its first append opens again', async () => {
  const session = new Session();
  await session.open();
  await session.close();
  await checkRecovery(session.disk.image(), session.promised);
});

it('so does one that was closed before the first append of its next segment, for which there had been no space', async () => {
  const session = new Session();
  await session.open();
  await session.append('a', 60_000);
  await session.refuseAppending('no-space', 'a', 60_000);
  // There is space again, and the writer finds it just before it is to close.
  await new Promise(setImmediate);
  session.idle();
  await session.close();
  await checkRecovery(session.disk.image(), session.promised);
});

describe('behind the last segment that was used', () => {
  it('a torn header is no hole, whatever was made ahead after it', async () => {
    const { disk, promised } = await threeSegments();
    disk.write(disk.openWrite(segment(4), 'existing'), [Buffer.from('KLsg, and then nothing')], 0);
    disk.openWrite(segment(5), 'create');
    await checkRecovery(disk.image(), promised);
  });

  it('a lost name is no hole', async () => {
    const { disk, promised } = await threeSegments();
    disk.remove(segment(4));
    disk.openWrite(segment(5), 'create');
    await checkRecovery(disk.image(), promised);
  });
});

describe('before a segment that was used', () => {
  it('a missing one is corruption', async () => {
    const { disk, promised } = await threeSegments();
    disk.remove(segment(2));
    await expect(checkRecovery(disk.image(), promised)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
  });

  it('one without a valid header is corruption', async () => {
    const { disk, promised } = await threeSegments();
    disk.write(disk.openWrite(segment(2), 'existing'), [Buffer.alloc(128)], 0);
    await expect(checkRecovery(disk.image(), promised)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
  });
});
