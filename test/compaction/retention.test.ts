/** Segments that are compacted, and removed, at the same time. */
import { setImmediate } from 'node:timers/promises';
import type { Store, StoreOptions } from 'keeperlog';
import { expect, onTestFinished, test } from 'vitest';
import { openStoreOn } from '../../dist/main/store.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { logLines, SEGMENT_BYTES, untilWithin } from '../retention/kit.js';
import { effort, TIMEOUT_MS } from '../support/effort.js';
import { temporaryDir } from '../support/stores.js';
import { type Between, threadsWith } from '../support/watched.js';

const OPTIONS = { segmentBytes: SEGMENT_BYTES, compression: 'none', idempotency: { maxKeys: 0 } } as const;

async function openBetween(options: Partial<StoreOptions>, between: Between = {}): Promise<Store> {
  const store = await openStoreOn({ ...OPTIONS, ...options, dir: temporaryDir() }, threadsWith(between));
  onTestFinished(() => store.close());
  return store;
}

/** Events of four streams in turns, some ten calls a segment. */
async function fill(store: Store, calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) {
    const events = Array.from({ length: 20 }, (_, n) => ({
      type: 'Said',
      data: `${i}.${n} what an agent says, ${'. '.repeat(120)}`,
    }));
    await store.append(`s${i % 4}`, events);
  }
}

/** What a promise resolves with is decided elsewhere. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

interface Going {
  readonly store: Store;
  readonly segments: number;
  /** By tasks of the kind. */
  readonly touched: readonly number[];
  /** Have the writer's answer come. */
  answer(): void;
}

/**
 * A store whose oldest segments are about to go: all is done but for the writer's answer.
 * @param kind of the tasks that have what they work on taken away
 */
async function going(kind?: SealTask['kind']): Promise<Going> {
  const [asked, answer, removed] = [gate(), gate(), gate()];
  const touched: number[] = [];
  const store = await openBetween(
    { sealing: 'on-demand', retention: { maxBytes: 4 * SEGMENT_BYTES } },
    {
      onWriter(message) {
        if (message.kind !== 'pruned') return undefined;
        asked.open();
        return answer.opened;
      },
      before(task) {
        if (task.kind !== kind) return undefined;
        touched.push(task.number);
        answer.open();
        return removed.opened;
      },
      async after(task) {
        if (task.kind === 'remove') removed.open();
      },
    },
  );
  await fill(store, 100);
  await store.deleteStream('s1');
  // Held until all of it is sealed: what goes, goes at once.
  const rows = store.read()[Symbol.asyncIterator]();
  await rows.next();
  await store.seal();
  const { segments } = store.stats();
  await rows.return?.(undefined);
  await asked.opened;
  return { store, segments, touched, answer: answer.open };
}

function expectNoneGone(store: Store, before: number, touched: readonly number[]): void {
  const gone = before - store.stats().segments;
  expect(gone).toBeGreaterThan(1);
  expect(Math.min(...touched)).toBe(gone + 1);
}

test('a segment that is going, though not gone yet, is not compacted any more', async () => {
  const { store, segments, touched } = await going('compact');
  expect((await store.compact()).segments).toBeGreaterThan(0);
  expectNoneGone(store, segments, touched);
  const rest = await store.read().toArray();
  expect(rest[0]!.sequence).toBe(store.stats().floor);
  expect(rest.some(({ stream, type }) => stream === 's1' && type === 'Said')).toBe(false);
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
});

test('a segment that is going, though not gone yet, is not verified any more', async () => {
  const { store, segments, touched } = await going('verify');
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  expectNoneGone(store, segments, touched);
});

test('a verification begins behind what is going', async () => {
  const { store, answer } = await going();
  const report = await store.verify({ deep: true });
  answer();
  expect(report).toMatchObject({ ok: true, problems: [] });
});

test('a verification by another process goes on behind what goes meanwhile', async () => {
  const store = await openBetween({ sealing: 'on-demand', retention: { maxBytes: 4 * SEGMENT_BYTES } });
  await fill(store, 100);
  const { dir, durable } = store.stats();
  let reached = 0;
  const readOnly = threadsWith({
    async before(task) {
      if (task.kind !== 'verify' || task.number <= reached) return;
      reached = task.number;
      if (reached !== 3) return;
      await store.seal();
      await untilWithin(store, 4 * SEGMENT_BYTES);
    },
  });
  const reader = await openStoreOn({ dir, readOnly: true, poolThreads: 1 }, readOnly);
  onTestFinished(() => reader.close());
  const report = await reader.verify({ deep: true });
  expect(report).toMatchObject({ ok: true, problems: [] });
  expect(store.stats().floor).toBeGreaterThan(durable / 2);
  expect(reached).toBeGreaterThan(10);
});

test('a segment that was sealed this moment counts with its bytes: retention goes on', async () => {
  const { logger, lines } = logLines();
  let commits = 0;
  let leave: (() => Promise<unknown>) | undefined;
  const store = await openBetween(
    { sealing: 'on-demand', retention: { maxBytes: 4 * SEGMENT_BYTES }, logger },
    {
      // The raw file has gone, and nobody in this thread knows.
      async after(task) {
        if (task.kind !== 'commit' || ++commits !== 6) return;
        await leave?.();
        await setImmediate();
      },
    },
  );
  await fill(store, 100);
  const rows = store.read()[Symbol.asyncIterator]();
  await rows.next();
  leave = async () => rows.return?.(undefined);
  const { segments } = await store.seal();
  expect(segments).toBeGreaterThan(6);
  expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
});

test(
  'compaction, retention, checkpoints and verification go on beside each other, and beside appends',
  async () => {
    const { logger, lines } = logLines();
    const store = await openBetween({ retention: { maxBytes: 2 * SEGMENT_BYTES }, logger });
    const rounds = effort(16, 100);
    let [compactions, floors] = [0, 0];
    for (let round = 0; round < rounds; round++) {
      const { floor } = store.stats();
      await fill(store, 40);
      await store.deleteStream(`s${round % 4}`);
      const verified = round % 4 === 0 ? store.verify() : undefined;
      const proved = round % 3 === 0 ? store.checkpoint() : undefined;
      const filled = round % 2 === 0 ? fill(store, 20) : undefined;
      compactions += (await store.compact()).segments;
      await Promise.all([proved, filled]);
      const report = await verified;
      if (report !== undefined) expect(report.problems).toEqual([]);
      if (store.stats().floor > floor) floors++;
    }
    expect(compactions).toBeGreaterThan(rounds / 4);
    expect(floors).toBeGreaterThan(rounds / 4);
    expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  },
  TIMEOUT_MS,
);
