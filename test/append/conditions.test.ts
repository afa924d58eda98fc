/** Append conditions: an append is let in only if no event behind a sequence matches. */
import fs from 'node:fs';
import path from 'node:path';
import { type AppendCondition, type AppendOptions, isKeeperError, type NewEvent, type Store } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { Session } from '../crash/session.js';
import { failure, refusal } from '../support/errors.js';
import { open, reopen } from '../support/stores.js';

const taken = (name: string): NewEvent => ({ type: 'NameTaken', data: name, tags: [`name:${name}`] });
const free = (name: string, after?: number): { condition: AppendCondition } => ({
  condition: { match: { types: 'NameTaken', tags: `name:${name}` }, ...(after !== undefined && { after }) },
});

/** What each of them came to: a sequence, or the code of an error. */
async function outcomes(appends: Promise<{ firstSequence: number }>[]): Promise<(number | string)[]> {
  const settled = await Promise.allSettled(appends);
  return settled.map((one) => {
    if (one.status === 'fulfilled') return one.value.firstSequence;
    if (isKeeperError(one.reason)) return one.reason.code;
    throw one.reason;
  });
}

/** More than is looked at at once, in several segments, without anything in the cache. */
async function large(options = {}): Promise<Store> {
  const store = await open({ cacheBytes: 0, segmentBytes: 256 * 1024, ...options });
  await store.append('names', taken('ada'));
  for (let i = 0; i < 10; i++) {
    await store.append(
      `s${i}`,
      Array.from({ length: 1000 }, (_, k) => ({ type: 'Other', tags: [`n:${k}`] })),
    );
  }
  return store;
}

describe('an append with a condition', () => {
  test('is let in if nothing matches, and refused with the place of what does', async () => {
    const store = await open();
    expect(await store.append('names', taken('ada'), free('ada'))).toMatchObject({ firstSequence: 1 });
    expect(await store.append('names', taken('bob'), free('bob'))).toMatchObject({ firstSequence: 2 });
    const error = await failure('ERR_CONDITION_FAILED', () => store.append('names', taken('ada'), free('ada')));
    expect(error).toMatchObject({ sequence: 1, outcome: 'not-appended', retryable: false });
    expect(await store.append('names', taken('eve'))).toMatchObject({ firstSequence: 3, revision: 2 });
  });

  test('sees only what comes behind `after`', async () => {
    const store = await open();
    await store.append('names', [taken('ada'), taken('bob'), taken('ada')]);
    for (const after of [0, 1, 2]) {
      const error = await failure('ERR_CONDITION_FAILED', () => store.append('x', taken('x'), free('ada', after)));
      expect(error.sequence).toBeGreaterThan(after);
    }
    expect(await store.append('x', taken('x'), free('ada', 3))).toMatchObject({ firstSequence: 4 });
    expect(await store.append('x', taken('x'), free('bob', 2))).toMatchObject({ firstSequence: 5 });
    expect(await store.append('x', taken('x'), free('x', 1000))).toMatchObject({ firstSequence: 6 });
  });

  test('takes any selector: several, every event', async () => {
    const store = await open();
    await store.append('names', taken('ada'));
    const either = { match: [{ tags: 'name:eve' }, { streams: 'nam*' }] };
    expect(
      (await failure('ERR_CONDITION_FAILED', () => store.append('x', taken('x'), { condition: either }))).sequence,
    ).toBe(1);
    const nothing = (after: number): AppendOptions => ({ condition: { match: {}, after } });
    expect((await failure('ERR_CONDITION_FAILED', () => store.append('x', taken('x'), nothing(0)))).sequence).toBe(1);
    expect(await store.append('x', taken('x'), nothing(1))).toMatchObject({ firstSequence: 2 });
  });

  test('sees what is accepted and not durable yet', async () => {
    const store = await open();
    const { durable } = store.enqueue('names', [taken('bob'), taken('ada')]);
    const error = await failure('ERR_CONDITION_FAILED', () => store.append('names', taken('ada'), free('ada')));
    expect(error.sequence).toBe(2);
    expect(await store.append('names', taken('bob'), free('bob', 1))).toMatchObject({ firstSequence: 3 });
    await durable;
  });

  test('goes for all of an appendMany, and for an appendSync', async () => {
    const store = await open();
    await store.append('names', taken('ada'));
    const many = [
      { stream: 'a', events: taken('bob') },
      { stream: 'b', events: taken('eve') },
    ];
    await failure('ERR_CONDITION_FAILED', () => store.appendMany(many, free('ada')));
    expect(await store.appendMany(many, free('bob'))).toMatchObject({ firstSequence: 2, revisions: { a: 0, b: 0 } });
    await failure('ERR_CONDITION_FAILED', () => store.appendSync('names', taken('eve'), free('eve')));
    expect(store.appendSync('names', taken('mia'), free('mia'))).toMatchObject({ firstSequence: 4 });
  });

  test('is checked after its idempotency key, and after its expected revision', async () => {
    const store = await open();
    const first = { ...taken('ada'), idempotencyKey: 'k' };
    const { ids } = await store.append('names', first, free('ada'));
    expect(await store.append('names', first, free('ada'))).toMatchObject({ ids, duplicate: true });
    await failure('ERR_CONFLICT', () => store.append('names', taken('ada'), { ...free('ada'), expect: 'none' }));
  });

  test('lets one of many racing appends win', async () => {
    const store = await open();
    const names = ['ada', 'bob', 'eve'];
    const racing = Array.from({ length: 300 }, (_, i) => {
      const name = names[i % 3]!;
      return store.append(`agent-${i}`, taken(name), free(name));
    });
    const results = await outcomes(racing);
    expect(results.filter((result) => typeof result === 'number').sort()).toEqual([1, 2, 3]);
    expect(results.filter((result) => result === 'ERR_CONDITION_FAILED')).toHaveLength(297);
  });

  test('keeps a bound that racing appends decide on: a quota', async () => {
    const store = await open();
    const spend = async (agent: string): Promise<number> => {
      for (let tries = 1; ; tries++) {
        const rows = store.read({ types: 'Spent' });
        if ((await rows.toArray()).length >= 10) return tries;
        const condition = { match: { types: 'Spent' }, after: rows.position };
        try {
          await store.append(agent, { type: 'Spent' }, { condition });
        } catch (error) {
          if (!isKeeperError(error, 'ERR_CONDITION_FAILED')) throw error;
          await store.flush(); // what was in the way is durable then, and is read
        }
      }
    };
    const tries = await Promise.all(Array.from({ length: 20 }, (_, i) => spend(`agent-${i}`)));
    expect(Math.max(...tries)).toBeGreaterThan(1);
    expect(await store.read({ types: 'Spent' }).toArray()).toHaveLength(10);
  });
});

describe('a condition on more than is at hand', () => {
  test('is checked in the files, and takes its place then', async () => {
    const store = await large();
    const held = store.append('names', taken('bob'), free('bob'));
    expect(store.stats()).toMatchObject({ waiting: 1 });
    const next = store.append('other', { type: 'Other' });
    expect(await next).toMatchObject({ firstSequence: 10_002 });
    expect(await held).toMatchObject({ firstSequence: 10_003 });
    expect(store.stats()).toMatchObject({ waiting: 0 });
    const error = await failure('ERR_CONDITION_FAILED', () => store.append('names', taken('ada'), free('ada')));
    expect(error).toMatchObject({ sequence: 1, outcome: 'not-appended' });
    expect(store.stats()).toMatchObject({ waiting: 0 });
  });

  test('is checked in segments that are sealed, and after the store was opened again', async () => {
    const store = await large();
    expect((await store.seal()).segments).toBeGreaterThan(1);
    const check = async (one: Store, newName: string): Promise<void> => {
      const error = await failure('ERR_CONDITION_FAILED', () => one.append('names', taken('ada'), free('ada')));
      expect(error.sequence).toBe(1);
      await failure('ERR_CONDITION_FAILED', () => one.appendSync('names', taken('ada'), free('ada')));
      expect(one.appendSync('names', taken(newName), free(newName)).duplicate).toBe(false);
    };
    await check(store, 'bob');
    await check(await reopen(store, { cacheBytes: 0 }), 'eve');
  });

  test('sees what is appended while it is checked', async () => {
    const store = await large();
    const held = outcomes(Array.from({ length: 5 }, (_, i) => store.append(`x${i}`, taken('bob'), free('bob'))));
    const { durable } = store.enqueue('names', taken('bob'));
    expect(await held).toEqual(Array.from({ length: 5 }, () => 'ERR_CONDITION_FAILED'));
    await durable;
    const racing = await outcomes(
      Array.from({ length: 5 }, (_, i) => store.append(`y${i}`, taken('eve'), free('eve'))),
    );
    expect(racing.filter((result) => typeof result === 'number')).toEqual([10_003]);
  });

  test('keeps the events as they were when it was called', async () => {
    const store = await large();
    const event = { type: 'NameTaken', data: { name: 'bob' }, tags: ['name:bob'] };
    const condition = { match: { tags: ['name:bob'] } };
    const held = store.append('names', event, { condition });
    event.data.name = 'mallory';
    condition.match.tags[0] = 'name:ada';
    const { ids } = await held;
    expect((await store.get(ids[0]!))?.data).toEqual({ name: 'bob' });
  });

  test('can be aborted: then nothing is appended', async () => {
    const store = await large();
    const controller = new AbortController();
    const held = store.append('names', taken('bob'), { ...free('bob'), signal: controller.signal });
    controller.abort(new Error('enough'));
    const error = await failure('ERR_ABORTED', () => held);
    expect(error).toMatchObject({ outcome: 'not-appended' });
    expect(store.stats()).toMatchObject({ waiting: 0 });
    await store.flush();
    expect(await store.append('names', taken('eve'))).toMatchObject({ firstSequence: 10_002 });
  });

  test('is waited for by flush and by close', async () => {
    const store = await large();
    let done = 0;
    const held = [1, 2].map((n) => store.append('names', taken(`n${n}`), free(`n${n}`)).then(() => done++));
    await store.flush();
    expect(done).toBe(2);
    const last = [store.append('names', taken('eve'), free('eve')), store.append('names', taken('ada'), free('ada'))];
    const closing = store.close();
    expect(await outcomes(last)).toEqual([10_004, 'ERR_CONDITION_FAILED']);
    await Promise.all([closing, ...held]);
  });

  test('counts within what may wait', async () => {
    const store = await large({ maxEventBytes: 4096, maxBatchBytes: 256 * 1024, maxPendingBytes: 6000 });
    const big = (name: string): NewEvent => ({ ...taken(name), data: 'x'.repeat(2500) });
    const appends = ['a', 'b', 'c'].map((name) => store.append('names', big(name), free(name)));
    const [first, second, third] = await outcomes(appends);
    // Each takes its place when it is checked.
    expect([first, second].sort()).toEqual([10_002, 10_003]);
    expect(third).toBe('ERR_BACKPRESSURE');
    expect(await outcomes([store.append('names', big('c'), free('c'))])).toEqual([10_004]);
  });

  test('does not let a later call on the same stream with an expected revision go wrong', async () => {
    const store = await large();
    const held = store.append('names', taken('bob'), { ...free('bob'), expect: 0 });
    const next = store.append('names', taken('eve'), { expect: 0 });
    expect(await outcomes([held, next])).toEqual(['ERR_CONFLICT', 10_002]);
  });
});

describe('a condition that cannot be checked', () => {
  test('in what is damaged refuses the append, and nothing else', async () => {
    const store = await large();
    const { dir } = store.stats();
    const file = path.join(dir, 'segment-0000000002.log');
    const bytes = fs.readFileSync(file);
    bytes[bytes.length / 2]! ^= 1;
    fs.writeFileSync(file, bytes);
    const error = await failure('ERR_CORRUPT', () => store.append('names', taken('bob'), free('bob')));
    expect(error).toMatchObject({ file, outcome: 'not-appended' });
    expect(await refusal(() => store.appendSync('names', taken('bob'), free('bob')))).toMatchObject({
      code: 'ERR_CORRUPT',
    });
    expect(await store.append('names', taken('bob'), free('bob', 10_001))).toMatchObject({ firstSequence: 10_002 });
  });

  test('for lack of space is not waited for: what is held is refused with all others', async () => {
    const session = new Session();
    await session.open();
    await session.append('a', 100);
    const held = session.store.append('names', taken('bob'), free('bob'));
    expect(session.store.stats()).toMatchObject({ waiting: 1 });
    const refused = failure('ERR_DEGRADED', () => held);
    await session.refuseAppending('no-space', 'a', 2000);
    expect(await refused).toMatchObject({ outcome: 'not-appended' });
    const gate = await failure('ERR_DEGRADED', () => session.store.append('names', taken('bob'), free('bob')));
    expect(gate).toMatchObject({ outcome: 'not-appended' });
    await session.resume();
    expect(await session.store.append('names', taken('bob'), free('bob'))).toMatchObject({ revision: 0 });
    await session.close();
  });
});

describe('what is no condition is refused with the path', () => {
  test.each<[string, string, unknown]>([
    ['ERR_INVALID_OPTIONS', 'condition', null],
    ['ERR_INVALID_OPTIONS', 'condition', 'x'],
    ['ERR_INVALID_OPTIONS', 'condition.match', {}],
    ['ERR_INVALID_OPTIONS', 'condition.since', { match: {}, since: 5 }],
    ['ERR_INVALID_OPTIONS', 'condition.after', { match: {}, after: -1 }],
    ['ERR_INVALID_OPTIONS', 'condition.after', { match: {}, after: '5' }],
    ['ERR_INVALID_QUERY', 'condition.match', { match: [] }],
    ['ERR_INVALID_QUERY', 'condition.match', { match: 'x' }],
    ['ERR_INVALID_QUERY', 'condition.match.typ', { match: { typ: 'x' } }],
    ['ERR_INVALID_QUERY', 'condition.match[1].tags', { match: [{ types: 'x' }, { tags: [] }] }],
  ])('%s %s', async (code, path, condition) => {
    const store = await open();
    const options = { condition } as AppendOptions;
    expect(await refusal(() => store.append('a', { type: 'A' }, options))).toEqual({ code, path });
    expect(await refusal(() => store.appendMany([{ stream: 'a', events: { type: 'A' } }], options))).toEqual({
      code,
      path,
    });
    expect(await refusal(() => void store.appendSync('a', { type: 'A' }, options))).toEqual({ code, path });
    expect(await store.head()).toBeUndefined();
  });
});
