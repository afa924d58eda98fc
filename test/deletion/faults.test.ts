/** A disk that fails under the file of tombstones: what is deleted is so all the same, and who called is told. */
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Store } from '../../dist/main/index.js';
import { openStoreOn } from '../../dist/main/store.js';
import { TOMBSTONES_FILE } from '../../dist/shared/format/file-names.js';
import { type FileHandle, type Storage, storageError } from '../../dist/shared/storage.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR, OPTIONS } from '../crash/session.js';
import { logLines } from '../retention/kit.js';
import { failure } from '../support/errors.js';

const FILE = path.join(DIR, TOMBSTONES_FILE);
const failing = (code: string, call: string): Error => storageError(Object.assign(new Error(code), { code }), call);

/** A store with a stream of two events, on a disk whose calls about the file fail as long as they are told to. */
async function openFailing(call: 'write' | 'sync', code: string) {
  const disk = new MemoryDisk(EMPTY_DISK);
  const fault = { isOn: false };
  let file: FileHandle | undefined;
  const fail = (handle: FileHandle): void => {
    if (fault.isOn && handle === file) throw failing(code, call === 'sync' ? 'fdatasync' : 'write');
  };
  const storage: Storage = intercept(disk, {
    openWrite(name, mode) {
      const handle = disk.openWrite(name, mode);
      if (name.startsWith(FILE)) file = handle;
      else if (handle === file) file = undefined;
      return handle;
    },
    write(handle, parts, offset) {
      if (call === 'write') fail(handle);
      return disk.write(handle, parts, offset);
    },
    sync(handle) {
      if (call === 'sync') fail(handle);
      disk.sync(handle);
    },
  });
  const { logger, lines } = logLines();
  const store = await openStoreOn({ ...OPTIONS, logger }, new InlineRuntime(storage));
  onTestFinished(() => store.close());
  await store.append('a', [{ type: 'Noted' }, { type: 'Noted' }]);
  const reader = (): Promise<Store> => openStoreOn({ ...OPTIONS, readOnly: true }, new InlineRuntime(disk));
  const told = (): string[] => lines.filter(({ level }) => level === 'error').map(({ message }) => message);
  return { disk, store, fault, reader, told };
}

const sequencesOf = async (store: Store): Promise<number[]> =>
  (await store.read().toArray()).map(({ sequence }) => sequence);

test('where there is no space for it, it is written with what comes next', async () => {
  const { store, fault, reader, told, disk } = await openFailing('write', 'ENOSPC');
  const beside = await reader();
  fault.isOn = true;
  const error = await failure('ERR_STORAGE', () => store.deleteStream('a'));
  expect(error).toMatchObject({ errno: 'ENOSPC', outcome: 'unknown' });
  expect(await sequencesOf(store)).toEqual([3]);
  await failure('ERR_STORAGE', () => store.deleteStream('b', { expect: 'any' }));
  expect(told()).toEqual(['the file of deleted streams could not be written']);
  expect(disk.exists(FILE)).toBe(false);
  fault.isOn = false;
  await store.append('c', { type: 'Noted' });
  // Who opens the store to read it then finds the same, with the file or without.
  expect(await sequencesOf(await reader())).toEqual([3, 4, 5]);
  expect(await store.deleteStream('c')).toMatchObject({ firstSequence: 6 });
  expect(await sequencesOf(store)).toEqual([3, 4, 6]);
  expect(await sequencesOf(beside)).toEqual([3, 4, 6]);
});

test('after a failed sync nothing more is deleted before the store is opened again', async () => {
  const { store, fault, disk, told } = await openFailing('sync', 'EIO');
  fault.isOn = true;
  expect(await failure('ERR_STORAGE', () => store.deleteStream('a'))).toMatchObject({
    syscall: 'fdatasync',
    outcome: 'unknown',
  });
  fault.isOn = false;
  expect(await failure('ERR_STORAGE', () => store.deleteStream('a'))).toMatchObject({ outcome: 'not-appended' });
  expect(await store.append('b', { type: 'Noted' })).toMatchObject({ firstSequence: 4 });
  expect(await sequencesOf(store)).toEqual([3, 4]);
  expect(told()).toEqual(['the file of deleted streams could not be written']);
  await store.close();
  const again = await openStoreOn(OPTIONS, new InlineRuntime(disk));
  onTestFinished(() => again.close());
  expect(await sequencesOf(again)).toEqual([3, 4]);
  expect(await again.deleteStream('b')).toMatchObject({ firstSequence: 5 });
});
