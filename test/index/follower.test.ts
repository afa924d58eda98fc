/** Readers beside a writer that seals and indexes: what they find is the same at any moment. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type RecordedEvent, type Store } from 'keeperlog';
import { expect, onTestFinished, test, vi } from 'vitest';
import { open, reopen } from '../support/stores.js';

const EVENTS = 9000;

async function fill(store: Store): Promise<void> {
  const text = 'what an agent has to say about its work, '.repeat(6);
  let before: readonly string[] = [];
  for (let i = 0; i < EVENTS; i += 500) {
    const batch = Array.from({ length: 500 }, (_, k) => ({
      type: k % 3 === 0 ? 'Said' : 'Done',
      data: { n: i + k, text },
      tags: [`task:${(i + k) % 700}`],
      causes: before.length > 0 ? [before[k]!] : [],
      metadata: { session: `session-${Math.floor((i + k) / 100)}` },
    }));
    before = (await store.append(`agent-${(i / 500) % 4}`, batch)).ids;
  }
}

async function found(store: Store): Promise<number[][]> {
  const cause = await store.get(3000);
  const of = (events: readonly RecordedEvent[]): number[] => events.map(({ sequence }) => sequence);
  return [
    of(await store.query({ where: { tags: { eq: 'task:7' } } }).toArray()),
    of(await store.query({ where: { causes: { eq: cause!.id } } }).toArray()),
    of(await store.query({ where: { session: { prefix: 'session-2' } }, direction: 'backwards' }).toArray()),
    of(await store.read({ streams: 'agent-*', tags: 'task:9', types: 'Said' }).toArray()),
    of(await store.readStream('agent-2', { fromRevision: 700, limit: 30 }).toArray()),
    (await store.streams().toArray()).map(({ lastSequence }) => lastSequence),
  ];
}

const files = (store: Store, ending: string): string[] =>
  fs
    .readdirSync(store.stats().dir)
    .filter((name) => name.endsWith(ending))
    .sort();

test('a reader beside a writer finds the same before, while and after segments are sealed and indexed', async () => {
  const store = await open({ cacheBytes: 0 });
  await fill(store);
  const wanted = await found(store);
  expect(wanted[0]!.length).toBeGreaterThan(10);
  expect(wanted[1]).toEqual([3500]);
  const reader = await openStore({ dir: store.stats().dir, readOnly: true });
  onTestFinished(() => reader.close());
  // What the watermark does not tell yet is not read beside the writer.
  await vi.waitFor(() => expect(reader.stats().durable).toBe(EVENTS));
  expect(await found(reader)).toEqual(wanted);
  let isSealed = false;
  const sealing = store.seal().then(() => {
    isSealed = true;
  });
  let rounds = 0;
  for (; !isSealed || rounds < 2; rounds++) {
    const [one, other] = await Promise.all([found(store), found(reader)]);
    expect(one).toEqual(wanted);
    expect(other).toEqual(wanted);
  }
  await sealing;
  const indexes = files(store, '.index');
  expect(indexes).toEqual(files(store, '.sealed').map((name) => name.replace('.sealed', '.index')));
  expect(files(store, '.tmp')).toEqual([]);
  const late = await openStore({ dir: store.stats().dir, readOnly: true });
  onTestFinished(() => late.close());
  expect(await found(late)).toEqual(wanted);
  // From index files, section by section: what is in memory is less than a postings list of every record.
  expect(late.stats().memory.index.bytes).toBeLessThan(1_000_000);
  expect(await late.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
});

test('an index file that is gone under a store that is open is made again when a query wants it', async () => {
  const store = await open({ cacheBytes: 0 });
  await fill(store);
  const wanted = await found(store);
  await store.seal();
  const again = await reopen(store, { cacheBytes: 0 });
  const indexes = files(again, '.index');
  const { dir } = again.stats();
  for (const name of indexes) fs.rmSync(path.join(dir, name));
  expect(await found(again)).toEqual(wanted);
  await vi.waitFor(() => expect([files(again, '.index'), files(again, '.tmp')]).toEqual([indexes, []]), 20_000);
  expect(await found(again)).toEqual(wanted);
  expect(await again.verify()).toMatchObject({ ok: true });
});

test('a get, and a condition of an append, are told by the index where their events are', async () => {
  const store = await open({ cacheBytes: 0 });
  await fill(store);
  await store.seal();
  const again = await reopen(store, { cacheBytes: 0 });
  const event = (await again.get(4321))!;
  expect(await again.get(event.id)).toMatchObject({ sequence: 4321, data: { n: 4320 } });
  expect(await again.get(event.id.replace(/^\d{19}/, '1700000000000000000'))).toBeUndefined();
  const match = { tags: ['task:7'], types: 'Done' };
  const { firstSequence } = await again.append(
    'agent-1',
    { type: 'Done' },
    { condition: { match, after: EVENTS - 100 } },
  );
  expect(firstSequence).toBe(EVENTS + 1);
  await expect(again.append('agent-1', { type: 'Done' }, { condition: { match } })).rejects.toMatchObject({
    code: 'ERR_CONDITION_FAILED',
  });
  // Nothing but sections of index files is held, and no postings had to be built.
  expect(again.stats().memory.index.bytes).toBeLessThan(300_000);
});
