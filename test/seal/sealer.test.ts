import { setImmediate as immediate } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Pool, threadEnded } from '../../dist/main/seal/pool.js';
import { Sealer } from '../../dist/main/seal/sealer.js';
import { withResolvers } from '../../dist/main/with-resolvers.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { storageError } from '../../dist/shared/storage.js';
import { runSealTask } from '../../dist/workers/seal/seal.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { contentOf, filesOf, flippedAt, open, pathOf, wholeStore } from '../repair/kit.js';
import { paceOf } from '../support/pace.js';

/** A slice that takes so long is followed by a rest of three quarters of an hour. Unit: milliseconds. */
const QUARTER_OF_AN_HOUR = 900_000;

/** A sealer over a store that nobody has open, whose pool does what it is told to before each task. */
async function sealerOf(
  before: (task: SealTask) => void | Promise<void>,
  durable = () => 0,
  tookMs = 0,
): Promise<{ sealer: Sealer; disk: MemoryDisk; moved: number[] }> {
  const { image } = await wholeStore();
  const disk = new MemoryDisk(image);
  const reader = await open(disk, { readOnly: true });
  const { storeId } = reader.stats();
  await reader.close();
  const moved: number[] = [];
  const pool: Pool = {
    async run(task, onDone) {
      await before(task);
      const result: any = await runSealTask(disk, task);
      onDone?.(tookMs);
      return result;
    },
    async close() {},
  };
  const catalog = { full: () => [1, 2], moved: (number: number) => void moved.push(number) };
  const work = { dir: DIR, storeId: Buffer.from(storeId, 'hex'), codec: 1, holes: [] };
  const indexer = { missing: () => [], make: async () => 0, async close() {} };
  return { sealer: new Sealer({ pool, catalog, work, nodeId: 'node', indexer, pace: paceOf(durable) }), disk, moved };
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
    expect(filesOf(disk.image()).filter((file) => /sealed|tmp/.test(file))).toEqual([]);
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
    let durable = 0;
    const packed = withResolvers<void>();
    const kinds: string[] = [];
    const { sealer, moved } = await sealerOf(
      ({ kind }) => {
        kinds.push(kind);
        if (kind === 'pack') packed.resolve();
      },
      () => durable++,
      QUARTER_OF_AN_HOUR,
    );
    sealer.sealSoon((error) => packed.reject(error as Error));
    await packed.promise;
    for (let turns = 0; turns < 20; turns++) await immediate();
    expect(kinds).toEqual(['begin', 'pack']);
    await sealer[call]({});
    expect(moved).toEqual(call === 'seal' ? [1, 2] : []);
    await sealer.close();
  });

  it('leaves the background for whoever waits, who may give up at once', async () => {
    const begun: number[] = [];
    const first = withResolvers<void>();
    const goOn = withResolvers<void>();
    const { sealer, moved } = await sealerOf(async (task) => {
      if (task.kind !== 'begin') return;
      begun.push(task.number);
      first.resolve();
      if (begun.length === 1) await goOn.promise;
    });
    sealer.sealSoon((error) => first.reject(error as Error));
    await first.promise;
    const controller = new AbortController();
    const sealed = sealer.seal({ signal: controller.signal });
    controller.abort(new Error('enough'));
    await expect(sealed).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    await expect(sealer.seal({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(begun).toEqual([1]);
    goOn.resolve();
    expect(await sealer.seal({})).toMatchObject({ segments: 1 });
    expect(moved).toEqual([1, 2]);
    await sealer.close();
  });

  it.each<[string, (bytes: Buffer) => Buffer, (name: string) => boolean]>([
    ['is not what was read', (bytes) => flippedAt(bytes, 1000), (name) => name.endsWith('.sealed.tmp')],
    ['is behind a raw file that is shorter', () => Buffer.alloc(0), (name) => name === 'segment-0000000001.log'],
  ])('replaces nothing where what is read back %s', async (_, change, isThat) => {
    const { sealer, disk, moved } = await sealerOf(({ kind, number }) => {
      if (kind !== 'compare' || number !== 1) return;
      const image = disk.image();
      const name = filesOf(image).find(isThat)!;
      const handle = disk.openWrite(pathOf(name), 'create');
      disk.write(handle, [change(contentOf(image, name))], 0);
      disk.close(handle);
    });
    await expect(sealer.seal({})).rejects.toMatchObject({ code: 'ERR_STORAGE', errno: 'EIO' });
    expect(moved).toEqual([]);
    expect(filesOf(disk.image()).filter((name) => /sealed|tmp/.test(name))).toEqual([]);
    expect(filesOf(disk.image())).toContain('segment-0000000001.log');
  });
});
