/** What a store tells over node:diagnostics_channel. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { AppendMessage, CommitMessage, RecoverMessage, RefuseMessage, RotateMessage } from 'keeperlog';
import { describe, expect, onTestFinished, test } from 'vitest';
import { copyDir, open } from '../support/stores.js';

interface Messages {
  readonly append: AppendMessage;
  readonly commit: CommitMessage;
  readonly rotate: RotateMessage;
  readonly recover: RecoverMessage;
  readonly refuse: RefuseMessage;
}

/** The messages of a channel, from now on. */
function listen<K extends keyof Messages>(name: K): Messages[K][] {
  const messages: Messages[K][] = [];
  const hear = (message: unknown): void => {
    messages.push(message as Messages[K]);
  };
  subscribe(`keeperlog:${name}`, hear);
  onTestFinished(() => {
    unsubscribe(`keeperlog:${name}`, hear);
  });
  return messages;
}

describe('a store tells', () => {
  test('of each append when it is accepted', async () => {
    const store = await open();
    const { dir } = store.stats();
    const appends = listen('append');
    const durable = store.append('a', [{ type: 'x' }, { type: 'y' }]);
    expect(appends).toEqual([{ dir, streams: ['a'], events: 2, firstSequence: 1, lastSequence: 2 }]);
    await durable;
    await store.appendMany([
      { stream: 'a', events: [{ type: 'x' }] },
      { stream: 'b', events: [{ type: 'x' }] },
    ]);
    expect(appends[1]).toEqual({ dir, streams: ['a', 'b'], events: 2, firstSequence: 3, lastSequence: 4 });
  });

  test('of each group commit, before who appended goes on', async () => {
    const store = await open();
    const commits = listen('commit');
    await Promise.all([store.append('a', { type: 'x' }), store.append('a', { type: 'x' })]);
    const { dir } = store.stats();
    expect(commits.reduce((sum, { events }) => sum + events, 0)).toBe(2);
    expect(commits.at(-1)).toMatchObject({ dir, durable: 2 });
  });

  test('of a rotation', async () => {
    const store = await open({ segmentBytes: 65_536 });
    const rotations = listen('rotate');
    while (store.stats().segments < 3) await store.append('a', { type: 'x', data: 'x'.repeat(20_000) });
    const { dir } = store.stats();
    expect(rotations).toEqual([
      { dir, segment: 2 },
      { dir, segment: 3 },
    ]);
  });

  test('of a recovery, and of no orderly opening', async () => {
    const recoveries = listen('recover');
    const store = await open();
    await store.append('a', { type: 'x' });
    const dir = copyDir(store.stats().dir);
    await store.close();
    await (await open({ dir })).close();
    expect(recoveries).toEqual([{ dir, recovery: expect.objectContaining({ clean: false }) }]);
    await (await open({ dir })).close();
    expect(recoveries).toHaveLength(1);
  });

  test('of what it refuses, whoever called', async () => {
    const store = await open();
    const { dir } = store.stats();
    const refusals = listen('refuse');
    await expect(store.append('a', { type: '' })).rejects.toThrow();
    await expect(store.append('a', { type: 'x' }, { expect: 5 })).rejects.toThrow();
    expect(() => store.enqueue('$a', { type: 'x' })).toThrow();
    expect(() => store.appendSync('a', { type: 'x' }, { expect: 'exists' })).toThrow();
    await expect(store.appendMany([])).rejects.toThrow();
    expect(refusals.map(({ error }) => error.code)).toEqual([
      'ERR_INVALID_EVENT',
      'ERR_CONFLICT',
      'ERR_INVALID_EVENT',
      'ERR_CONFLICT',
      'ERR_INVALID_EVENT',
    ]);
    for (const refusal of refusals) expect(refusal).toMatchObject({ dir, error: { outcome: 'not-appended' } });
  });

  test('of a refusal whose turn came late', async () => {
    const store = await open({ ringBytes: 12 * 1024 * 1024 });
    const refusals = listen('refuse');
    const large = { type: 'x', data: new Uint8Array(1_000_000) };
    const filling = Array.from({ length: 16 }, () => store.append('large', large));
    expect(store.stats().waiting).toBeGreaterThan(0);
    const late = store.append('a', { type: 'x' }, { expect: 7 });
    expect(refusals).toEqual([]);
    expect(() => store.appendSync('b', { type: 'x' }, { expect: 8 })).toThrow();
    await expect(late).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await Promise.all(filling);
    expect(refusals.map(({ error }) => Reflect.get(error, 'expected'))).toEqual([7, 8]);
  });

  test('of no append that its own caller aborted', async () => {
    const store = await open();
    const refusals = listen('refuse');
    await expect(store.append('a', { type: 'x' }, { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(refusals).toEqual([]);
  });
});
