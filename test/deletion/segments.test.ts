/** Deleted streams in segments that are sealed and indexed, in raw ones, and in what the cache does not have. */
import type { Store, StoreOptions } from 'keeperlog';
import { expect, test, vi } from 'vitest';
import { failure } from '../support/errors.js';
import { open, reopen } from '../support/stores.js';

const FILL = 'x'.repeat(100);
/** Of so many events, in turn in streams s0 to s4, so many segments. */
const EVENTS = 6000;

/** Stream s1 is deleted in the middle, s2 at the end; s1 goes on. Returns the place of the first tombstone. */
async function filled(options: Partial<StoreOptions>): Promise<{ store: Store; middle: number; end: number }> {
  const store = await open({ segmentBytes: 256 * 1024, cacheBytes: 0, ...options });
  const fill = async (from: number, to: number): Promise<void> => {
    for (let i = from; i < to; i += 500) {
      const appends = Array.from({ length: 5 }, (_, s) => ({
        stream: `s${s}`,
        events: Array.from({ length: 100 }, (_, n) => ({
          type: `T${n % 2}`,
          data: { fill: FILL, s },
          tags: [`n:${n}`],
          ...(n === 0 && { metadata: { agent: `agent ${s}` } }),
        })),
      }));
      await store.appendMany(appends);
    }
  };
  await fill(0, EVENTS / 2);
  const { lastSequence: middle } = await store.deleteStream('s1');
  await fill(EVENTS / 2, EVENTS);
  const { lastSequence: end } = await store.deleteStream('s2');
  return { store, middle, end };
}

/** What is left, found by going through everything. */
async function expectAnswers(store: Store, middle: number, end: number): Promise<void> {
  const all = await store.read().toArray();
  const sequences = all.map(({ sequence }) => sequence);
  expect(all).toHaveLength(EVENTS + 2 - EVENTS / 10 - EVENTS / 5);
  expect(all.filter(({ stream, sequence }) => stream === 's1' && sequence < middle)).toEqual([]);
  expect(all.filter(({ stream, sequence }) => stream === 's2' && sequence < end)).toEqual([]);
  const backwards = await store.read({}, { direction: 'backwards' }).toArray();
  expect(backwards.map(({ sequence }) => sequence)).toEqual(sequences.toReversed());

  for (const [where, selector, keeps] of [
    ['stream == "s1"', { streams: 's1' }, (e: any) => e.stream === 's1'],
    ['type == "T1"', { types: 'T1' }, (e: any) => e.type === 'T1'],
    ['"n:7" in tags', { tags: 'n:7' }, (e: any) => e.tags.includes('n:7')],
    ['agent == "agent 1"', { agent: 'agent 1' }, (e: any) => e.metadata.agent === 'agent 1'],
    [`sequence > ${middle - 700}`, undefined, (e: any) => e.sequence > middle - 700],
    ['data.s == 1.0', undefined, (e: any) => e.data?.s === 1],
    ['true', {}, () => true],
  ] as const) {
    const kept = all.filter(keeps);
    const found = (await store.query(where).toArray()).map(({ sequence }: any) => sequence);
    expect(found, where).toEqual(kept.map(({ sequence }) => sequence));
    if (selector !== undefined) {
      const read = await store.read(selector as object).toArray();
      expect(read.map(({ sequence }) => sequence)).toEqual(found);
    }
    const aggregate = { count: true, min: 'sequence', max: ['sequence'] } as const;
    const [whole] = await store.query(where, { aggregate }).toArray();
    expect(whole, `${where}, counted`).toMatchObject({
      count: kept.length,
      min: { sequence: kept[0]!.sequence },
      max: { sequence: kept.at(-1)!.sequence },
    });
    for (const member of ['stream', 'type', 'agent'] as const) {
      const groups = await store.query(where, { aggregate: { count: true }, groupBy: [member] } as never).toArray();
      const counts = new Map<unknown, number>();
      for (const event of kept) {
        const value = member === 'agent' ? (event.metadata.agent ?? null) : event[member];
        counts.set(value, (counts.get(value) ?? 0) + 1);
      }
      const told = groups.map(({ group, count }: any) => [group[member], count]);
      expect(told, `${where}, by ${member}`).toEqual([...counts]);
    }
  }

  const streams = await store.streams().toArray();
  expect(streams.map(({ stream }) => stream)).toEqual(['s0', 's1', 's3', 's4']);
  expect(streams[1]).toEqual({
    stream: 's1',
    revision: EVENTS / 5,
    firstSequence: middle,
    lastSequence: all.findLast(({ stream }) => stream === 's1')!.sequence,
  });
  expect(await store.readStream('s2').toArray()).toMatchObject([{ sequence: end, revision: EVENTS / 5 }]);
  const late = await store.readStream('s1', { fromRevision: 3, toRevision: EVENTS / 10 + 1 }).toArray();
  expect(late.map(({ revision }) => revision)).toEqual([EVENTS / 10, EVENTS / 10 + 1]);
}

async function expectConditions(store: Store, middle: number): Promise<void> {
  const after = middle - EVENTS / 10;
  await store.append('c', { type: 'C' }, { condition: { match: { streams: 's2' } } });
  const condition = { match: { streams: 's1' }, after };
  const { sequence } = await failure('ERR_CONDITION_FAILED', () => store.append('c', { type: 'C' }, { condition }));
  expect(sequence).toBeGreaterThan(middle);
  store.appendSync('c', { type: 'C' }, { condition: { match: [{ streams: 's2' }, { types: '$tombstone' }] } });
  await failure('ERR_CONDITION_FAILED', () => store.appendSync('c', { type: 'C' }, { condition }));
}

test.each([
  ['raw segments with indexes in memory', {}],
  ['raw segments without indexes', { indexBytes: 0 }],
  ['the cache', { cacheBytes: 32 * 1024 * 1024 }],
])('are not read from %s', async (_, options) => {
  const { store, middle, end } = await filled(options);
  await expectAnswers(store, middle, end);
  await expectConditions(store, middle);
});

test('are not read from sealed segments with index files', async () => {
  const { store, middle, end } = await filled({});
  expect((await store.seal()).segments).toBeGreaterThan(3);
  await expectAnswers(store, middle, end);
  await expectConditions(store, middle);
});

test('are not read by whoever opens the store later, nor by who only reads', async () => {
  const { store, middle, end } = await filled({});
  const { dir } = store.stats();
  const beside = await open({ dir, readOnly: true });
  // The writer tells who follows it after its own caller.
  await vi.waitFor(async () => expect((await beside.head())?.sequence).toBe(end));
  await expectAnswers(beside, middle, end);
  const again = await reopen(store);
  await expectAnswers(again, middle, end);
  await expectAnswers(beside, middle, end);
});

test('have no digest and no proof', async () => {
  const store = await open();
  const { ids } = await store.append('a', { type: 'Noted' });
  const { lastSequence } = await store.deleteStream('a');
  await store.checkpoint();
  for (const id of [1, ids[0]!]) {
    await failure('ERR_NOT_FOUND', () => store.digest(id));
    await failure('ERR_NOT_FOUND', () => store.prove(id));
  }
  expect(await store.prove(lastSequence)).toMatchObject({ sequence: lastSequence });
});

test('a read that was begun before passes over what is deleted, but for what it has at hand', async () => {
  const { store } = await filled({});
  const [whole, stream] = [store.read()[Symbol.asyncIterator](), store.readStream('s3')[Symbol.asyncIterator]()];
  await whole.next();
  await stream.next();
  await store.deleteStream('s3');
  const rest: { sequence: number; stream: string }[] = [];
  for (let next = await whole.next(); next.done !== true; next = await whole.next()) rest.push(next.value);
  let left = 0;
  while ((await stream.next()).done !== true) left++;
  expect(left).toBeLessThan(256);
  expect(rest.filter((row) => row.stream === 's3').length).toBeLessThan(256);
  expect(rest.filter((row) => row.stream === 's4')).toHaveLength(EVENTS / 5);
  expect(rest.at(-1)!.sequence).toBe(EVENTS + 2);
});
