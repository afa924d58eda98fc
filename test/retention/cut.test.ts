/** Who begins while the manifest is about to say that the log begins later: for them it does already. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Engine, EngineEvents, EngineOptions } from '../../dist/main/runtime.js';
import { openStoreOn } from '../../dist/main/store.js';
import { readManifest } from '../../dist/shared/inspect.js';
import type { ToWriter } from '../../dist/shared/messages.js';
import type { SharedBuffers } from '../../dist/shared/ring/layout.js';
import { COMPACTING } from '../crash/compaction.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { DIR } from '../crash/session.js';

/** The writer hears of a cut when it is told to. */
class Holding extends InlineRuntime {
  letGo: (() => void) | undefined;

  override start(options: EngineOptions, shared: SharedBuffers, events: EngineEvents): Engine {
    const engine = super.start(options, shared, events);
    const post = (message: ToWriter): void => {
      if (message.kind !== 'prune') return engine.link.post(message);
      this.letGo = () => engine.link.post(message);
    };
    return intercept(engine, { link: intercept(engine.link, { post }) });
  }
}

/** A store with a stream that was deleted, of which most is about to go, and where its log begins then. */
async function aboutToGo(deletedAt: number) {
  const disk = new MemoryDisk(EMPTY_DISK);
  const runtime = new Holding(disk);
  const store = await openStoreOn({ ...COMPACTING, retention: { maxBytes: 131_072 } }, runtime);
  onTestFinished(async () => {
    if (runtime.letGo === undefined) return; // it is dead
    runtime.letGo();
    await store.close();
  });
  for (let i = 0; i < 60; i++) {
    if (i === deletedAt) await store.deleteStream('s1');
    await store.append(i < deletedAt ? `s${i % 2}` : 's0', { type: 'Said', data: 'x'.repeat(5000) });
  }
  if (deletedAt === 60) await store.deleteStream('s1');
  const reading = store.read()[Symbol.asyncIterator]();
  await reading.next();
  await store.seal();
  await reading.return?.();
  await vi.waitFor(() => expect(runtime.letGo).toBeDefined());
  const { floor } = store.stats();
  expect(floor).toBeGreaterThan(20);
  return { disk, runtime, store, floor };
}

test('verify and compact leave alone what is about to go', async () => {
  const { disk, runtime, store, floor } = await aboutToGo(60);
  const { problems, events } = await store.verify({ deep: true });
  expect(problems).toEqual([]);
  expect(events).toBe(62 - floor);
  const compacted = await store.compact();
  expect(compacted.segments).toBeGreaterThan(0);
  expect(compacted.segments).toBeLessThan(4);
  const rows = await store.read().toArray();
  expect(rows.filter(({ stream }) => stream === 's1')).toMatchObject([{ type: '$tombstone' }]);
  runtime.letGo!();
  await vi.waitFor(() => expect(readManifest(disk, DIR)?.floor).toBe(floor));
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  expect(await store.read().toArray()).toEqual(rows);
});

test('what was deleted stays so where the process dies before anything has gone', async () => {
  const { disk, runtime, store, floor } = await aboutToGo(12);
  await store.deleteStream('s0');
  expect((await store.read().toArray()).map(({ type }) => type)).toEqual(['$tombstone']);
  runtime.letGo = undefined;
  runtime.kill();
  const after = new MemoryDisk(disk.image());
  const again = await openStoreOn(COMPACTING, new InlineRuntime(after));
  onTestFinished(() => again.close());
  expect(again.stats().floor).toBeLessThan(floor);
  const rows = await again.read().toArray();
  expect(rows.map(({ stream, type }) => `${stream} ${type}`)).toEqual(['s1 $tombstone', 's0 $tombstone']);
});
