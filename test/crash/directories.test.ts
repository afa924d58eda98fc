import { openStore } from 'keeperlog';
import { expect, it } from 'vitest';
import { storageError } from '../../dist/shared/storage.js';
import { failure } from '../support/errors.js';
import { onlyDurable } from './crash-states.js';
import { EMPTY_DISK } from './image.js';
import { intercept } from './intercept.js';
import { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';
import { type Disk, Session } from './session.js';

/** A directory that may be gone through, but not opened. */
function withoutAccess(inner: Disk, refused: string): Disk {
  return intercept(inner, {
    syncDir(dir) {
      if (dir === refused) throw storageError(Object.assign(new Error('refused'), { code: 'EACCES' }), 'fsync', dir);
      inner.syncDir(dir);
    },
  });
}

async function appendOn(disk: Disk): Promise<Session> {
  const session = new Session('at-once', disk);
  await session.open();
  await session.append('a', 10);
  return session;
}

it('every directory that opening has made is durable once an append is acknowledged', async () => {
  const { disk, promised } = await appendOn(new MemoryDisk(EMPTY_DISK));
  await checkRecovery(onlyDurable(disk.base, disk.journal), promised);
});

it('so are those that a process had made which died over it', async () => {
  const { journal } = (await appendOn(new MemoryDisk(EMPTY_DISK))).disk;
  const made = journal.findIndex((step) => step.kind === 'create' && step.name.endsWith('.tmp'));
  expect(made).toBeGreaterThan(0);
  for (let steps = 0; steps < made; steps++) {
    const { disk, promised } = await appendOn(new MemoryDisk(EMPTY_DISK, journal.slice(0, steps)));
    await checkRecovery(onlyDurable(disk.base, disk.journal), promised);
  }
});

it('a directory above that may not be read is left to whoever made it', async () => {
  const disk: Disk = new MemoryDisk(EMPTY_DISK);
  disk.makeDir('/volume/store');
  const session = new Session('at-once', disk, (inner) => withoutAccess(inner, '/volume'));
  await session.open();
  await expect(session.append('a', 10)).resolves.toMatchObject({ firstSequence: 1 });
});

it('one that cannot be made is refused, and not tried for ever', async () => {
  // The file system says that /proc is not there when it is asked to make something in it.
  for (const dir of ['/proc/keeperlog', '/proc/keeperlog/store']) {
    const error = await failure('ERR_STORAGE', () => openStore({ dir }));
    expect(error).toMatchObject({ syscall: 'mkdir', errno: 'ENOENT' });
  }
});
