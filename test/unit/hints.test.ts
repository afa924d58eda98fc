/** What errors of the file system say is to be done. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openStore, restoreStore } from 'keeperlog';
import { expect, onTestFinished, test } from 'vitest';
import { PlaceHasher } from '#dist/shared/format/checksum.js';
import type { SealTask } from '#dist/shared/seal-tasks.js';
import { nodeStorage, storageError } from '#dist/shared/storage.js';
import { runSealTask } from '#dist/workers/seal/seal.js';

function failed(errno: string, syscall: string): Error & { hint: string } {
  return storageError(Object.assign(new Error(errno), { code: errno }), syscall);
}

test.each([
  ['ENOSPC', 'write', 'Free space'],
  ['EDQUOT', 'open', 'Free space'],
  ['EFBIG', 'ftruncate', 'Free space'],
  ['EIO', 'read', 'could not be read'],
  ['EIO', 'readdir', 'could not be read'],
  ['EACCES', 'open', 'who may read and write'],
  ['ENOENT', 'mkdir', 'Look at the path'],
  ['EIO', 'write', 'open it again'],
  ['EIO', 'fdatasync', 'open it again'],
  // What was written may be lost, however much space there is by then.
  ['ENOSPC', 'fsync', 'open it again'],
])('%s of %s', (errno, syscall, hint) => {
  expect(failed(errno, syscall).hint).toContain(hint);
});

const STORE_ID = Buffer.alloc(16, 7);

function task(dir: string): SealTask {
  return { kind: 'begin', dir, number: 1, storeId: STORE_ID, codec: 0, holes: [] };
}

test.each([
  ['ENOSPC', 'write', 'Free space on the disk, and try again'],
  ['EIO', 'write', 'Look at the disk and its mount, and try again'],
  ['EIO', 'read', 'Look at the disk and its mount, and try again'],
  ['EIO', 'fdatasync', 'open it again'],
])('%s of %s in a task of the pool', async (errno, syscall, hint) => {
  await PlaceHasher.create(STORE_ID);
  const exists = (): never => {
    throw failed(errno, syscall);
  };
  const running = runSealTask({ ...nodeStorage, exists }, task('/nowhere'));
  await expect(running).rejects.toMatchObject({
    code: 'ERR_STORAGE',
    errno,
    syscall,
    hint: expect.stringContaining(hint),
  });
});

test('a directory in which no backup can be made, and no store', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-hints-'));
  onTestFinished(() => fs.rmSync(dir, { recursive: true }));
  const store = await openStore(path.join(dir, 'store'));
  try {
    await store.append('a', { type: 'Said' });
    await store.backup(path.join(dir, 'backup'));
    const hint = expect.stringContaining('Choose another directory for the backup');
    await expect(store.backup('/proc/keeperlog')).rejects.toMatchObject({ code: 'ERR_STORAGE', hint });
  } finally {
    await store.close();
  }
  const hint = expect.stringContaining('Look at both paths');
  const restoring = restoreStore(path.join(dir, 'backup'), '/proc/keeperlog');
  await expect(restoring).rejects.toMatchObject({ code: 'ERR_STORAGE', hint });
});
