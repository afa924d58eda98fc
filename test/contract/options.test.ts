import { openStore, type StoreOptions } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import { listing, open, reopen, temporaryDir } from '../support/stores.js';

const MiB = 1024 * 1024;

describe('an option out of its limits is refused with its path', () => {
  test.each<[string, unknown]>([
    ['dir', ''],
    ['dir', 5],
    ['dir', undefined],
    ['nodeId', ''],
    ['nodeId', 'a_b'],
    ['nodeId', 'a b'],
    ['nodeId', 'n'.repeat(65)],
    ['nodeId', 5],
    ['durability', 'fsynced'],
    ['durability', null],
    ['segmentBytes', 64 * 1024 - 1],
    ['segmentBytes', 2048 * MiB + 1],
    ['segmentBytes', 1e6 + 0.5],
    ['segmentBytes', '1000000'],
    ['segmentAgeMs', 999],
    ['segmentAgeMs', 365 * 86_400_000 + 1],
    ['ringBytes', 10 * MiB],
    ['ringBytes', 1024 * MiB + 1],
    ['maxEventBytes', 1023],
    ['maxEventBytes', 64 * MiB + 1],
    ['maxBatchEvents', 0],
    ['maxBatchEvents', 65_536],
    ['maxBatchBytes', MiB - 1],
    ['maxBatchBytes', 512 * MiB + 1],
    ['maxPendingBytes', -1],
    ['maxPendingBytes', Number.POSITIVE_INFINITY],
    ['dataCodec', 'cbor'],
    ['cacheBytes', -1],
    ['indexBytes', -1],
    ['indexBytes', Number.NaN],
    ['idempotency', 5],
    ['idempotency', null],
    ['readOnly', 'yes'],
    ['logger', {}],
    ['signal', {}],
  ])('%s: %j', async (path, value) => {
    const dir = temporaryDir();
    const refused = await refusal(() => openStore({ dir, [path]: value } as StoreOptions));
    expect(refused.code).toBe('ERR_INVALID_OPTIONS');
    expect(refused.path).toBe(path === 'logger' ? 'logger.error' : path);
  });

  test.each<[string, object]>([
    ['idempotency.maxKeys', { maxKeys: -1 }],
    ['idempotency.maxAgeMs', { maxAgeMs: 0.5 }],
    ['idempotency.keys', { keys: 1 }],
  ])('%s', async (path, idempotency) => {
    expect(await refusal(() => openStore({ dir: temporaryDir(), idempotency }))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path,
    });
  });

  test.each(['condition', 'sla', 'compression', 'poolThreads', 'sealing', 'directory'])(
    '%s, which is not there',
    async (option) => {
      const refused = await refusal(() => openStore({ dir: temporaryDir(), [option]: {} } as StoreOptions));
      expect(refused).toEqual({ code: 'ERR_INVALID_OPTIONS', path: option });
    },
  );

  test.each([
    ['retention', 5],
    ['retention', null],
    ['retention.maxAge', { maxAge: 5000 }],
    ['retention.maxAgeMs', { maxAgeMs: 999 }],
    ['retention.maxAgeMs', { maxAgeMs: '1 day' }],
    ['retention.maxAgeMs', { maxAgeMs: Number.POSITIVE_INFINITY }],
    ['retention.maxBytes', { maxBytes: 64 * 1024 - 1 }],
    ['retention.maxBytes', { maxAgeMs: 5000, maxBytes: 2 ** 53 }],
  ])('%s of %j', async (path, retention) => {
    const options = { dir: temporaryDir(), retention } as StoreOptions;
    expect(await refusal(() => openStore(options))).toEqual({ code: 'ERR_INVALID_OPTIONS', path });
  });

  test('a ring that is smaller than a batch and the reserve', async () => {
    const limits = { maxEventBytes: 1024, maxBatchBytes: 2048 };
    const least = 2048 + 64 * 1024;
    expect(await refusal(() => openStore({ dir: temporaryDir(), ...limits, ringBytes: least - 1 }))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path: 'ringBytes',
    });
    await open({ ...limits, ringBytes: least });
  });

  test('nothing at all', async () => {
    for (const options of [undefined, null, 5]) {
      expect(await refusal(() => openStore(options as never))).toMatchObject({ code: 'ERR_INVALID_OPTIONS' });
    }
  });

  test('readOnly with :memory:, which is always new', async () => {
    expect(await refusal(() => openStore({ dir: ':memory:', readOnly: true }))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path: 'readOnly',
    });
  });
});

test('the least that every option takes makes a store that works', async () => {
  const store = await open({
    nodeId: 'n',
    segmentBytes: 64 * 1024,
    segmentAgeMs: 1000,
    maxEventBytes: 1024,
    maxBatchEvents: 1,
    maxBatchBytes: 1024,
    ringBytes: 1024 + 64 * 1024,
    maxPendingBytes: 0,
    cacheBytes: 0,
    indexBytes: 0,
    idempotency: { maxKeys: 0, maxAgeMs: 0 },
    retention: {},
  });
  for (let i = 0; i < 200; i++) await store.append('a', { type: 't', data: 'x'.repeat(700) });
  expect(await store.readStream('a').toArray()).toHaveLength(200);
  expect((await store.verify({ deep: true })).ok).toBe(true);
});

test('the directory may be given as a string, and is made with those above it', async () => {
  const dir = `${temporaryDir()}/deep/store`;
  const store = await openStore(dir);
  await store.append('a', { type: 't' });
  await store.close();
  expect(listing(dir).map(({ name }) => name)).toContain('keeperlog.manifest');
});

test('an aborted signal opens nothing', async () => {
  const dir = temporaryDir();
  const error = await failure('ERR_ABORTED', () => openStore({ dir, signal: AbortSignal.abort('no') }));
  expect(error.cause).toBe('no');
  await open({ dir });
});

describe('the node id', () => {
  test('is made once and kept', async () => {
    const store = await open();
    const { nodeId } = store.stats();
    const { ids } = await store.append('a', { type: 't' });
    expect(ids[0]).toMatch(new RegExp(`_1_${nodeId}$`));
    const again = await reopen(store);
    expect(again.stats().nodeId).toBe(nodeId);
    expect((await again.append('a', { type: 't' })).ids[0]).toMatch(new RegExp(`_2_${nodeId}$`));
  });

  test('is the third part of every id where it is given', async () => {
    const store = await open({ nodeId: 'Node-7' });
    expect((await store.append('a', { type: 't' })).ids[0]).toMatch(/_1_Node-7$/);
    const again = await reopen(store, { nodeId: 'Node-7' });
    expect(again.stats().nodeId).toBe('Node-7');
  });

  test('that is another one is refused, and the store stays as it was', async () => {
    const store = await open({ nodeId: 'one' });
    await store.close();
    const { dir } = store.stats();
    expect(await refusal(() => openStore({ dir, nodeId: 'two' }))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path: 'nodeId',
    });
    expect((await open({ dir })).stats().nodeId).toBe('one');
  });
});

test('durability is what appends wait for unless they say otherwise', async () => {
  const store = await open({ durability: 'written' });
  expect((await store.append('a', { type: 't' })).durability).toBe('written');
  expect((await store.append('a', { type: 't' }, { durability: 'synced' })).durability).toBe('synced');
  expect(store.appendSync('a', { type: 't' }).durability).toBe('written');
});
