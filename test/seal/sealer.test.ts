import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Pool, threadEnded } from '../../dist/main/seal/pool.js';
import { Sealer } from '../../dist/main/seal/sealer.js';
import { withResolvers } from '../../dist/main/with-resolvers.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { storageError } from '../../dist/shared/storage.js';
import { runSealTask } from '../../dist/workers/seal/seal.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { filesOf, open, wholeStore } from '../repair/kit.js';

/** A sealer over a store that nobody has open, whose pool does what it is told to before each task. */
async function sealerOf(
  before: (task: SealTask) => void,
  durable = () => 0,
): Promise<{ sealer: Sealer; disk: MemoryDisk; moved: number[] }> {
  const { image } = await wholeStore();
  const disk = new MemoryDisk(image);
  const reader = await open(disk, { readOnly: true });
  const { storeId } = reader.stats();
  await reader.close();
  const moved: number[] = [];
  const pool: Pool = {
    async run(task) {
      before(task);
      return runSealTask(disk, task) as Promise<any>;
    },
    async close() {},
  };
  const catalog = { full: () => [1, 2], moved: (number: number) => void moved.push(number) };
  const work = { dir: DIR, storeId: Buffer.from(storeId, 'hex'), codec: 1, holes: [] };
  const indexer = { missing: () => [], async make() {}, async close() {} };
  return { sealer: new Sealer({ pool, catalog, work, indexer, durable }), disk, moved };
}

describe('sealing', () => {
  it('begins a segment anew where a thread of the pool has ended over it', async () => {
    let ends = 2;
    const begun: number[] = [];
    const { sealer, moved } = await sealerOf((task) => {
      if (task.kind === 'begin') begun.push(task.number);
      if (task.kind === 'compare' && ends-- > 0) throw threadEnded(new Error('out of memory'));
    });
    expect(await sealer.seal({})).toMatchObject({ segments: 2 });
    expect(begun).toEqual([1, 1, 1, 2]);
    expect(moved).toEqual([1, 2]);
  });

  it('gives up with an error that has a code, and leaves nothing behind', async () => {
    const { sealer, disk, moved } = await sealerOf((task) => {
      if (task.kind === 'compare') throw threadEnded(new Error('out of memory'));
    });
    await expect(sealer.seal({})).rejects.toMatchObject({ code: 'ERR_STORAGE', syscall: 'worker' });
    expect(moved).toEqual([]);
    expect(filesOf(disk.image()).filter((file) => /sealed/.test(file))).toEqual([]);
  });

  it('does not ask a second time for a sync that has failed', async () => {
    let commits = 0;
    const { sealer } = await sealerOf((task) => {
      if (task.kind !== 'commit') return;
      commits++;
      throw storageError(Object.assign(new Error('failed'), { code: 'EIO' }), 'fsync', DIR);
    });
    for (let i = 0; i < 2; i++) {
      await expect(sealer.seal({})).rejects.toMatchObject({ code: 'ERR_STORAGE', syscall: 'fsync' });
    }
    expect(commits).toBe(1);
  });

  it.each(['seal', 'close'] as const)('ends a rest in the background when it is told to %s', async (call) => {
    // Each slice takes a quarter of an hour, and the rest behind it three.
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => (now += 1e6));
    onTestFinished(() => void vi.restoreAllMocks());
    let durable = 0;
    const digested = withResolvers<void>();
    const { sealer, moved } = await sealerOf(
      ({ kind }) => {
        if (kind === 'digest') digested.resolve();
      },
      () => durable++,
    );
    sealer.sealSoon((error) => digested.reject(error as Error));
    await digested.promise;
    await immediate();
    await sealer[call]({});
    expect(moved).toEqual(call === 'seal' ? [1, 2] : []);
    await sealer.close();
  });
});
