/** Threads of the pool that end while they work for retention. */
import { expect, onTestFinished, test, vi } from 'vitest';
import { type Pool, threadEnded } from '../../dist/main/seal/pool.js';
import { openStoreOn } from '../../dist/main/store.js';
import { readManifest } from '../../dist/shared/inspect.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { COMPACTING } from '../crash/compaction.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';

/** The thread of a task ends with it: twice for each of retention's own, once before it was done and once after. */
class Ending extends InlineRuntime {
  readonly ended: string[] = [];

  override pool(): Pool {
    const pool = super.pool();
    const run = async (task: SealTask): Promise<any> => {
      const before = this.ended.filter((kind) => kind === task.kind).length;
      if ((task.kind !== 'fold' && task.kind !== 'remove') || before === 2) return pool.run(task);
      this.ended.push(task.kind);
      if (before === 1) await pool.run(task);
      throw threadEnded(new Error('out of memory'));
    };
    return { ...pool, run };
  }
}

test('what retention asks of the pool is begun anew', async () => {
  const disk = new MemoryDisk(EMPTY_DISK);
  const runtime = new Ending(disk);
  const warnings: unknown[] = [];
  const silent = (): void => {};
  const logger = { debug: silent, info: silent, warn: (...line: unknown[]) => warnings.push(line), error: silent };
  const store = await openStoreOn({ ...COMPACTING, retention: { maxBytes: 131_072 }, logger }, runtime);
  onTestFinished(() => store.close());
  for (let i = 0; i < 60; i++) await store.append(`s${i % 2}`, { type: 'Said', data: 'x'.repeat(5000) });
  await store.seal();
  await vi.waitFor(() => expect(runtime.ended).toEqual(['fold', 'fold', 'remove', 'remove']));
  await vi.waitFor(() => expect(store.stats().floor).toBeGreaterThan(20));
  const { firstSegment } = readManifest(disk, DIR)!;
  const first = `segment-${String(firstSegment - 1).padStart(10, '0')}.sealed`;
  await vi.waitFor(() => expect(disk.list(DIR)).not.toContain(first));
  expect(warnings).toEqual([]);
  expect((await store.head('s0'))?.revision).toBe(29);
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
});
