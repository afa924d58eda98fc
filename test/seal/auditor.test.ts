import { describe, expect, it } from 'vitest';
import { Auditor } from '../../dist/main/seal/auditor.js';
import { type Pool, threadEnded } from '../../dist/main/seal/pool.js';
import { Holes } from '../../dist/shared/holes.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { storageError } from '../../dist/shared/storage.js';
import { runSealTask } from '../../dist/workers/seal/seal.js';
import type { Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';
import { open, wholeStore } from '../repair/kit.js';

/** What the first call of the store has appended. */
const LAST = 3;

/** An auditor over the first events of a store that nobody has open, whose pool is interrupted before or after its tasks. */
async function auditorOf(
  image: Image,
  interrupt: (when: 'before' | 'after', task: SealTask) => void,
): Promise<Auditor> {
  const disk = new MemoryDisk(image);
  const reader = await open(disk, { readOnly: true });
  const { storeId } = reader.stats();
  await reader.close();
  const pool: Pool = {
    async run(task) {
      interrupt('before', task);
      const result: any = await runSealTask(disk, task);
      interrupt('after', task);
      return result;
    },
    async close() {},
  };
  const segment = { number: 1, firstSequence: 1 };
  const catalog = { start: { floor: 1 }, segments: [segment], holding: () => segment, lastSequenceOf: () => LAST };
  const work = { dir: DIR, storeId: Buffer.from(storeId, 'hex'), codec: 1, holes: [] };
  return new Auditor({ pool, catalog, work, holes: new Holes([]), durable: () => LAST, onKeyExposed() {} });
}

describe('an audit', () => {
  it.each(['before', 'after'] as const)(
    'goes on where a thread of the pool has ended %s it had done its part',
    async (when) => {
      const { image } = await wholeStore();
      const undisturbed = await (await auditorOf(image, () => {})).checkpoint();
      expect(undisturbed.size).toBe(LAST);
      let ends = 0;
      const auditor = await auditorOf(image, (now, task) => {
        if (now === when && task.kind === 'audit' && task.part !== undefined && ends++ === 0) {
          throw threadEnded(new Error('out of memory'));
        }
      });
      expect(await auditor.checkpoint()).toMatchObject({ root: undisturbed.root, size: LAST });
      expect(ends).toBe(2);
    },
  );

  it('signs nothing more once a sync has failed, of which a second one would not tell the truth', async () => {
    const { image } = await wholeStore();
    let tasks = 0;
    const auditor = await auditorOf(image, (when) => {
      if (when !== 'after') return;
      tasks++;
      throw storageError(Object.assign(new Error(), { code: 'EIO' }), 'fsync');
    });
    for (const call of [() => auditor.checkpoint(), () => auditor.cover(LAST), () => auditor.checkpoint()]) {
      await expect(call()).rejects.toMatchObject({ code: 'ERR_STORAGE', syscall: 'fsync' });
    }
    expect(tasks).toBe(1);
  });

  it('does not make a second key where nobody knows whether there is a first', async () => {
    const { image } = await wholeStore();
    let tasks = 0;
    const auditor = await auditorOf(image, () => {
      tasks++;
      throw threadEnded(new Error('out of memory'));
    });
    await expect(auditor.rotateKey()).rejects.toMatchObject({ code: 'ERR_STORAGE', syscall: 'worker' });
    expect(tasks).toBe(1);
  });
});
