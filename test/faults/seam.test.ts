/** Single failures that no program under strace meets at will, through the storage seam. */
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Store } from '../../dist/main/index.js';
import { type Runtime, threadRuntime } from '../../dist/main/runtime.js';
import { openStoreOn } from '../../dist/main/store.js';
import { type FileHandle, nodeStorage, type Storage, storageError } from '../../dist/shared/storage.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { expectWhole, failure, opened, segmentsOf, temporaryDir } from './kit.js';

type Failing = 'openRead' | 'write' | 'syncDir';
/** The errno with which a call on a file is to fail. */
type Fault = (call: Failing, file: string) => string | undefined;

const event = { type: 'work.done', data: { pad: 'x'.repeat(20_000) } };

/** The file system of this machine, but for what `fault` says. */
function failing(fault: Fault): Storage {
  const names = new Map<FileHandle, string>();
  const check = (call: Failing, syscall: string, file: string): void => {
    const code = fault(call, path.basename(file));
    if (code !== undefined) throw storageError(Object.assign(new Error('injected'), { code }), syscall, file);
  };
  return intercept(nodeStorage, {
    openRead: (file) => {
      check('openRead', 'open', file);
      return nodeStorage.openRead(file);
    },
    openWrite: (file, mode) => {
      const handle = nodeStorage.openWrite(file, mode);
      names.set(handle, file);
      return handle;
    },
    write: (handle, parts, offset) => {
      check('write', 'write', names.get(handle) ?? '');
      return nodeStorage.write(handle, parts, offset);
    },
    syncDir: (dir) => {
      check('syncDir', 'fsync', dir);
      nodeStorage.syncDir(dir);
    },
  });
}

const inline = (storage: Storage): Runtime => new InlineRuntime(storage);
/** With threads: the caller's alone meets the faults, outside of any promise. */
const threads = (storage: Storage): Runtime => ({ ...threadRuntime, storage });

/** A store of small segments, and a switch for its faults. */
async function storeWith(fault: Fault, runtime = inline): Promise<{ dir: string; store: Store; begin(): void }> {
  const dir = temporaryDir();
  let begun = false;
  const storage = failing((call, file) => (begun ? fault(call, file) : undefined));
  const store = await openStoreOn({ dir, segmentBytes: 65_536, sealing: 'on-demand' }, runtime(storage));
  onTestFinished(() => store.close());
  return { dir, store, begin: () => (begun = true) };
}

async function appendSome(store: Store, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n++) ids.push(...(await store.append('a', event)).ids);
  return ids;
}

describe('a single failure', () => {
  for (const errno of ['EIO', 'ENOSPC']) {
    it(`of the sync of a segment's name (${errno}) is final at the rotation into it: no second sync is asked`, async () => {
      let failures = 0;
      const { dir, store, begin } = await storeWith((call) =>
        call === 'syncDir' && failures++ === 0 ? errno : undefined,
      );
      begin(); // the next one is that of segment 2, made ahead
      const ids: string[] = [];
      const error = await failure(
        (async () => {
          for (;;) ids.push(...(await store.append('a', event)).ids);
        })(),
      );
      expect(error).toMatchObject({ code: 'ERR_STORAGE', errno, syscall: 'fsync' });
      expect(store.stats().mode).toBe('failed');
      expect(failures).toBe(1);
      await store.close();
      await expectWhole(await opened({ dir, segmentBytes: 65_536 }), [{ call: 'a', ids }]);
      expect(ids).toHaveLength(3);
    });
  }

  it('for lack of space in the watermark file stops nothing: a full disk ends by itself', async () => {
    const { dir, store, begin } = await storeWith((call, file) =>
      call === 'write' && file === 'keeperlog.watermark' ? 'ENOSPC' : undefined,
    );
    begin();
    const ids = await appendSome(store, 8);
    expect(store.stats().mode).toBe('open');
    await store.close();
    await expectWhole(await opened({ dir, segmentBytes: 65_536 }), [{ call: 'a', ids }]);
  });

  it('to open the checkpoint that was just made stops nothing', async () => {
    let failures = 0;
    const { dir, store, begin } = await storeWith((call, file) => {
      if (call !== 'openRead' || file !== 'keeperlog.heads') return undefined;
      failures++;
      return 'EMFILE';
    }, threads);
    begin();
    const ids = await appendSome(store, 12);
    await store.close();
    expect(failures).toBeGreaterThan(0);
    await expectWhole(await opened({ dir, segmentBytes: 65_536 }), [{ call: 'a', ids }]);
  });

  it('to tell the size of a segment does not make closing fail, which has done its work', async () => {
    const { dir, store, begin } = await storeWith((call, file) =>
      call === 'openRead' && file.startsWith('segment-') ? 'EMFILE' : undefined,
    );
    const ids = await appendSome(store, 8);
    expect(segmentsOf(dir).length).toBeGreaterThan(2);
    begin();
    await store.close();
    await expectWhole(await opened({ dir, segmentBytes: 65_536 }), [{ call: 'a', ids }]);
  });
});
