/** What every event log keeps of the contract: deleted streams. */
import type { EventLog, NewEvent, RecordedEvent } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import type { OpenLog } from './event-log.js';

const event = (data: unknown = null, more: Partial<NewEvent> = {}): NewEvent => ({ type: 'Noted', data, ...more });
const sequencesOf = (events: readonly RecordedEvent[]): number[] => events.map(({ sequence }) => sequence);

/** Streams a and b in turn, at sequences 1 to 6; then a is deleted, by the event of sequence 7. */
async function openDeleted(open: OpenLog): Promise<{ log: EventLog; ids: string[] }> {
  const log = await open();
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const tagged = event(i, { tags: [`n:${i}`], metadata: { agent: 'ada' } });
    ids.push(...(await log.append(i % 2 === 0 ? 'a' : 'b', tagged)).ids);
  }
  ids.push(...(await log.deleteStream('a')).ids);
  return { log, ids };
}

export function describeDeletion(open: OpenLog): void {
  test('appends a tombstone, at the next revision of the stream', async () => {
    const log = await open();
    await log.append('a', [event(), event()]);
    const deleted = await log.deleteStream('a');
    expect(deleted).toMatchObject({ firstSequence: 3, lastSequence: 3, revision: 2, durability: 'synced' });
    expect(deleted.duplicate).toBe(false);
    const tombstone = (await log.get(deleted.ids[0]!))!;
    expect(tombstone).toMatchObject({ stream: 'a', revision: 2, type: '$tombstone', data: null, tags: [], causes: [] });
    expect(await log.head('a')).toEqual({ sequence: 3, revision: 2, id: deleted.ids[0] });
  });

  test('hides what the stream had from get, by id and by sequence', async () => {
    const { log, ids } = await openDeleted(open);
    for (const [i, id] of ids.entries()) {
      const isThere = i % 2 === 1 || i === 6;
      expect((await log.get(id))?.sequence).toBe(isThere ? i + 1 : undefined);
      expect((await log.get(i + 1))?.id).toBe(isThere ? id : undefined);
    }
  });

  test.each([
    ['everything', {}, [2, 4, 6, 7]],
    ['the stream', { streams: 'a' }, [7]],
    ['a pattern of streams', { streams: '*' }, [2, 4, 6, 7]],
    ['a type', { types: 'Noted' }, [2, 4, 6]],
    ['a tag', { tags: 'n:2' }, []],
    ['an agent', { agent: 'ada' }, [2, 4, 6]],
    ['any of several', [{ tags: 'n:4' }, { tags: 'n:5' }, { types: '$tombstone' }], [6, 7]],
  ])('hides it from reads of %s, in both directions', async (_, selector, found) => {
    const { log } = await openDeleted(open);
    expect(sequencesOf(await log.read(selector as object).toArray())).toEqual(found);
    const backwards = await log.read(selector as object, { direction: 'backwards' }).toArray();
    expect(sequencesOf(backwards)).toEqual(found.toReversed());
    expect(sequencesOf(await log.read(selector as object, { limit: 1 }).toArray())).toEqual(found.slice(0, 1));
  });

  test('hides it from reads of the stream, whose revisions go on', async () => {
    const { log } = await openDeleted(open);
    await log.append('a', [event('later'), event('last')]);
    const revisionsOf = async (options: object): Promise<number[]> =>
      (await log.readStream('a', options).toArray()).map(({ revision }) => revision);
    expect(await revisionsOf({})).toEqual([3, 4, 5]);
    expect(await revisionsOf({ direction: 'backwards' })).toEqual([5, 4, 3]);
    expect(await revisionsOf({ fromRevision: 1, toRevision: 4 })).toEqual([3, 4]);
    expect(await revisionsOf({ toRevision: 2 })).toEqual([]);
    expect(await revisionsOf({ fromRevision: 1, limit: 2 })).toEqual([3, 4]);
    expect(await revisionsOf({ direction: 'backwards', fromRevision: 4, toRevision: 0 })).toEqual([4, 3]);
  });

  test('hides it from queries, counts, extremes and groups', async () => {
    const { log } = await openDeleted(open);
    expect(sequencesOf(await log.query('data >= 2.0').toArray())).toEqual([4, 6]);
    expect(sequencesOf(await log.query('stream == "a"').toArray())).toEqual([7]);
    const aggregate = { count: true, min: 'sequence', max: 'sequence' } as const;
    const everything = await log.query({ aggregate }).toArray();
    expect(everything).toMatchObject([{ count: 4, min: { sequence: 2 }, max: { sequence: 7 } }]);
    const groups = await log.query({ aggregate: { count: true }, groupBy: ['stream'] } as never).toArray();
    expect(groups).toMatchObject([
      { group: { stream: 'b' }, count: 3 },
      { group: { stream: 'a' }, count: 1 },
    ]);
    const { items } = await log.query('"n:0" in tags').page();
    expect(items).toEqual([]);
  });

  test('lists the stream no more, and again from its tombstone on once it goes on', async () => {
    const { log } = await openDeleted(open);
    const b = { stream: 'b', revision: 2, firstSequence: 2, lastSequence: 6 };
    expect(await log.streams().toArray()).toEqual([b]);
    await log.append('a', event('later'));
    expect(await log.streams().toArray()).toEqual([{ stream: 'a', revision: 4, firstSequence: 7, lastSequence: 8 }, b]);
    await log.deleteStream('a');
    expect(await log.streams().toArray()).toEqual([b]);
  });

  test('lists as many streams as are asked for, whatever was deleted between them', async () => {
    const log = await open();
    for (const stream of ['a', 'b', 'c', 'd', 'e']) await log.append(stream, event());
    for (const stream of ['a', 'c', 'd']) await log.deleteStream(stream);
    const namesOf = async (options: object): Promise<string[]> =>
      (await log.streams(options).toArray()).map(({ stream }) => stream);
    expect(await namesOf({ limit: 1 })).toEqual(['b']);
    expect(await namesOf({ limit: 2 })).toEqual(['b', 'e']);
    expect(await namesOf({ after: 'b', limit: 1 })).toEqual(['e']);
  });

  test('a stream may be deleted again, and what came in between with it', async () => {
    const { log } = await openDeleted(open);
    await log.append('a', event('between'));
    expect(await log.deleteStream('a')).toMatchObject({ firstSequence: 9, revision: 5 });
    expect(sequencesOf(await log.readStream('a').toArray())).toEqual([9]);
    expect(await log.deleteStream('a')).toMatchObject({ firstSequence: 10, revision: 6 });
    expect(sequencesOf(await log.readStream('a').toArray())).toEqual([10]);
  });

  test('events of the type of a tombstone are ordinary ones', async () => {
    const log = await open();
    await log.append('a', event());
    await log.append('a', { type: '$tombstone' });
    expect(await log.readStream('a').toArray()).toHaveLength(2);
  });

  test('the place of a deleted event is still one to read from', async () => {
    const { log, ids } = await openDeleted(open);
    expect(sequencesOf(await log.read({}, { after: ids[2]! }).toArray())).toEqual([4, 6, 7]);
    expect(sequencesOf(await log.read({}, { from: 3, to: ids[4]! }).toArray())).toEqual([4]);
  });

  describe('expect', () => {
    test('is by default that there is the stream', async () => {
      const log = await open();
      const error = await failure('ERR_CONFLICT', () => log.deleteStream('a'));
      expect(error).toMatchObject({ stream: 'a', expected: 'exists', actual: 'none', outcome: 'not-appended' });
      expect(await log.read().toArray()).toEqual([]);
    });

    test('may be any other', async () => {
      const log = await open();
      await log.append('a', event());
      const error = await failure('ERR_CONFLICT', () => log.deleteStream('a', { expect: 1 }));
      expect(error).toMatchObject({ expected: 1, actual: 0 });
      await failure('ERR_CONFLICT', () => log.deleteStream('a', { expect: 'none' }));
      expect(await log.deleteStream('a', { expect: 0 })).toMatchObject({ revision: 1 });
      expect(await log.deleteStream('b', { expect: 'any' })).toMatchObject({ revision: 0 });
      expect(await log.deleteStream('c', { expect: 'none' })).toMatchObject({ revision: 0 });
    });

    test('counts what was deleted, and the tombstone', async () => {
      const { log } = await openDeleted(open);
      await failure('ERR_CONFLICT', () => log.append('a', event(), { expect: 'none' }));
      await failure('ERR_CONFLICT', () => log.append('a', event(), { expect: 2 }));
      expect(await log.append('a', event(), { expect: 3 })).toMatchObject({ firstSequence: 8, revision: 4 });
    });
  });

  describe('conditions', () => {
    test('do not see what was deleted, nor the tombstone', async () => {
      const { log } = await openDeleted(open);
      for (const match of [{ streams: 'a' }, { tags: 'n:0' }, { types: '$tombstone' }]) {
        await log.append('c', event(), { condition: { match } });
      }
      const error = await failure('ERR_CONDITION_FAILED', () =>
        log.append('c', event(), { condition: { match: { types: 'Noted' }, after: 1 } }),
      );
      expect(error.sequence).not.toBe(3);
    });

    test('see what comes later', async () => {
      const { log } = await openDeleted(open);
      await log.append('a', event('later'));
      const condition = { match: { streams: 'a' } };
      expect(await failure('ERR_CONDITION_FAILED', () => log.append('c', event(), { condition }))).toMatchObject({
        sequence: 8,
      });
    });
  });

  test('a repeated call returns its first result, though its event was deleted', async () => {
    const log = await open();
    const keyed = event('once', { idempotencyKey: 'key' });
    const first = await log.append('a', keyed);
    await log.deleteStream('a');
    expect(await log.append('a', keyed)).toEqual({ ...first, duplicate: true });
    expect(await log.get(first.ids[0]!)).toBeUndefined();
    await failure('ERR_IDEMPOTENCY_REUSED', () => log.append('a', event('other', { idempotencyKey: 'key' })));
  });

  test('keeps its place among appends that are not awaited', async () => {
    const log = await open();
    const calls = [
      log.append('a', event(1)),
      log.deleteStream('a'),
      log.append('a', event(2)),
      log.append('b', event(3)),
    ];
    const results = await Promise.all(calls);
    expect(results.map(({ firstSequence }) => firstSequence)).toEqual([1, 2, 3, 4]);
    expect(sequencesOf(await log.read().toArray())).toEqual([2, 3, 4]);
  });

  test('an abort before acceptance deletes nothing', async () => {
    const log = await open();
    await log.append('a', event());
    const signal = AbortSignal.abort('enough');
    const error = await failure('ERR_ABORTED', () => log.deleteStream('a', { signal }));
    expect(error.outcome).toBe('not-appended');
    expect(await log.readStream('a').toArray()).toHaveLength(1);
  });

  test('an abort after acceptance ends the waiting alone', async () => {
    const log = await open();
    await log.append('a', event());
    const controller = new AbortController();
    const deleting = log.deleteStream('a', { signal: controller.signal });
    controller.abort();
    expect((await failure('ERR_ABORTED', () => deleting)).outcome).toBe('unknown');
    await log.append('b', event()); // durable behind it
    expect(sequencesOf(await log.readStream('a').toArray())).toEqual([2]);
  });

  test.each(['accepted', 'written'] as const)('may be waited for until it is %s alone', async (durability) => {
    const log = await open();
    await log.append('a', event());
    expect(await log.deleteStream('a', { durability })).toMatchObject({ firstSequence: 2, durability });
    await log.append('b', event());
    expect(sequencesOf(await log.read().toArray())).toEqual([2, 3]);
  });

  test.each([
    ['a stream of the system', '$store', undefined, { code: 'ERR_INVALID_EVENT', path: 'stream' }],
    ['an empty name', '', undefined, { code: 'ERR_INVALID_EVENT', path: 'stream' }],
    ['a pattern', 'a*', undefined, { code: 'ERR_INVALID_EVENT', path: 'stream' }],
    ['what is no name', 7, undefined, { code: 'ERR_INVALID_EVENT', path: 'stream' }],
    ['another option', 'a', { condition: { match: {} } }, { code: 'ERR_INVALID_OPTIONS', path: 'condition' }],
    ['what cannot be expected', 'a', { expect: null }, { code: 'ERR_INVALID_OPTIONS', path: 'expect' }],
    ['a durability that there is not', 'a', { durability: 'x' }, { code: 'ERR_INVALID_OPTIONS', path: 'durability' }],
  ])('refuses %s', async (_, stream, options, refused) => {
    const log = await open();
    expect(await refusal(() => log.deleteStream(stream as string, options as object))).toEqual(refused);
  });
}
