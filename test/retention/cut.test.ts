/** Who begins while the manifest is about to say that the log begins later: for them it does already. */
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Engine, EngineEvents, EngineOptions } from '../../dist/main/runtime.js';
import { openStoreOn } from '../../dist/main/store.js';
import type { ToWriter } from '../../dist/shared/messages.js';
import type { SharedBuffers } from '../../dist/shared/ring/layout.js';
import { COMPACTING } from '../crash/compaction.js';
import { EMPTY_DISK } from '../crash/image.js';
import { InlineRuntime } from '../crash/inline-runtime.js';
import { intercept } from '../crash/intercept.js';
import { MemoryDisk } from '../crash/memory-disk.js';

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

test('verify and compact leave alone what is about to go', async () => {
  const runtime = new Holding(new MemoryDisk(EMPTY_DISK));
  const store = await openStoreOn({ ...COMPACTING, retention: { maxBytes: 131_072 } }, runtime);
  onTestFinished(() => {
    runtime.letGo?.();
    return store.close();
  });
  for (let i = 0; i < 60; i++) {
    await store.append(`s${i % 2}`, { type: 'Said', data: 'x'.repeat(5000) });
  }
  await store.deleteStream('s1');
  const { segments } = store.stats();
  const reading = store.read()[Symbol.asyncIterator]();
  await reading.next();
  await store.seal();
  await reading.return?.();
  await vi.waitFor(() => expect(runtime.letGo).toBeDefined());
  const { floor } = store.stats();
  expect(floor).toBeGreaterThan(20);

  const { problems, events } = await store.verify({ deep: true });
  expect(problems).toEqual([]);
  expect(events).toBe(62 - floor);
  const compacted = await store.compact();
  expect(compacted.segments).toBeGreaterThan(0);
  expect(compacted.segments).toBeLessThan(4);
  const rows = await store.read().toArray();
  expect(rows.filter(({ stream }) => stream === 's1')).toMatchObject([{ type: '$tombstone' }]);
  runtime.letGo!();
  await vi.waitFor(() => expect(store.stats().segments).toBeLessThan(segments));
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  expect(await store.read().toArray()).toEqual(rows);
});
