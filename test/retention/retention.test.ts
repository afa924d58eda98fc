/** What is removed, and what a user of the store sees of it. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { decodeBaseHeader } from '../../dist/shared/format/base.js';
import { sectionsOffset } from '../../dist/shared/format/checkpoint.js';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { reopen } from '../support/stores.js';
import { filesOf, fill, logLines, openWith, SEGMENT_BYTES, untilWithin } from './kit.js';

const LIMIT = { maxBytes: 4 * SEGMENT_BYTES };
const SMALL = { segmentBytes: SEGMENT_BYTES, sealing: 'background' } as const;

/** A store that has lost most of its events, among them all of some streams; and what there was to know about these. */
async function pruned(): Promise<{ store: Store; ids: string[]; digests: string[]; floor: number }> {
  const store = await openWith(LIMIT);
  const { ids: gone } = await store.append('gone', [{ type: 'A', data: 1 }, { type: 'B' }, { type: 'C' }]);
  const ids = [...gone, ...(await fill(store, 10))];
  const digests = await Promise.all(ids.map((id) => store.digest(id)));
  ids.push(...(await fill(store, 107, 10)));
  const floor = await untilWithin(store, LIMIT.maxBytes);
  expect(floor).toBeGreaterThan(40);
  return { store, ids, digests, floor };
}

describe('a limit on bytes', () => {
  test('has the oldest sealed segments go, whole, and no more than has to', async () => {
    const { logger, lines } = logLines();
    const told: { floor: number }[] = [];
    const listen = (message: unknown): void => void told.push(message as { floor: number });
    subscribe('keeperlog:prune', listen);
    onTestFinished(() => void unsubscribe('keeperlog:prune', listen));
    const store = await openWith(LIMIT, { logger });
    await fill(store, 120);
    const floor = await untilWithin(store, LIMIT.maxBytes);
    const rows = await store.read().toArray();
    expect(rows[0]!.sequence).toBe(floor);
    expect(rows.at(-1)!.sequence).toBe(120);
    expect(rows).toHaveLength(121 - floor);
    const { bytes, segments } = store.stats();
    expect(bytes).toBeGreaterThan(LIMIT.maxBytes - 1.5 * SEGMENT_BYTES);
    expect(segments).toBeLessThan(6);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: rows.length });
    await vi.waitFor(() => expect(filesOf(store, '.tmp')).toEqual([])); // of an index that is being made
    const removed = lines.filter(({ message }) => message === 'retention has removed the oldest segments');
    expect(removed.map(({ fields }) => fields)).toEqual(told);
    expect(told.at(-1)).toMatchObject({ floor, dir: store.stats().dir });
    expect(lines.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });

  test('holds after the store was opened again, with or without one', async () => {
    const store = await openWith(LIMIT);
    await fill(store, 120);
    const floor = await untilWithin(store, LIMIT.maxBytes);
    const again = await reopen(store, SMALL);
    expect(again.stats().floor).toBe(floor);
    await fill(again, 30, 120);
    expect(await again.read().toArray()).toHaveLength(151 - floor);
    expect(again.stats().floor).toBe(floor);
  });

  test('lets go what was sealed before, once it is given', async () => {
    const store = await openWith(undefined);
    await fill(store, 120);
    await store.seal();
    const again = await reopen(store, { ...SMALL, retention: LIMIT });
    expect(await untilWithin(again, LIMIT.maxBytes)).toBeGreaterThan(40);
  });

  test('removes nothing that is not sealed', async () => {
    const store = await openWith(LIMIT, { sealing: 'on-demand' });
    await fill(store, 120);
    expect(store.stats()).toMatchObject({ floor: 1 });
    await store.seal();
    expect(await untilWithin(store, LIMIT.maxBytes)).toBeGreaterThan(40);
  });
});

describe('a limit on age', () => {
  test('has segments go by themselves once their newest event is old enough, but for the newest one', async () => {
    const store = await openWith({ maxAgeMs: 2000 });
    const ids = await fill(store, 60);
    const newest = Number(BigInt(ids.at(-1)!.split('_')[0]!) / 1_000_000n);
    await vi.waitFor(() => expect(store.stats().segments).toBe(1), { timeout: 20_000, interval: 20 });
    expect(Date.now()).toBeGreaterThan(newest + 1000);
    const rows = await store.read().toArray();
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.at(-1)!.sequence).toBe(60);
    expect(rows[0]!.sequence).toBe(store.stats().floor);
  });

  test('waits after a jump of the wall clock, which is told of, until the store is opened again', async () => {
    const { logger, lines } = logLines();
    const told: unknown[] = [];
    const listen = (message: unknown): void => void told.push(message);
    subscribe('keeperlog:clock', listen);
    onTestFinished(() => void unsubscribe('keeperlog:clock', listen));
    const retention = { maxAgeMs: 12 * 3_600_000 };
    const store = await openWith(retention, { logger });
    await fill(store, 60);
    const { now } = Date;
    const clock = vi.spyOn(Date, 'now').mockImplementation(() => now() + 24 * 3_600_000);
    onTestFinished(() => clock.mockRestore());
    await fill(store, 60, 60);
    const messages = (): string[] => lines.map(({ message }) => message);
    const doubted = 'the wall clock is in doubt: retention by age is suspended';
    await vi.waitFor(() => expect(messages()).toContain(doubted), { timeout: 20_000, interval: 20 });
    expect(messages()).toContain('the wall clock has jumped; timestamps go on increasing');
    expect(told).toEqual([{ dir: store.stats().dir, jumpMs: expect.closeTo(24 * 3_600_000, -4) }]);
    await store.seal();
    await store.checkpoint();
    expect(store.stats().floor).toBe(1);
    const again = await reopen(store, { ...SMALL, retention });
    await vi.waitFor(() => expect(again.stats().floor).toBeGreaterThan(40), { timeout: 20_000, interval: 20 });
    expect(again.stats().floor).toBeLessThanOrEqual(61);
  });
});

describe('below the floor', () => {
  test('an event is ERR_PRUNED, by its id and by its sequence, and what never was is not', async () => {
    const { store, ids, floor } = await pruned();
    const refused = { code: 'ERR_PRUNED', floor };
    await expect(store.get(ids[0]!)).rejects.toMatchObject(refused);
    await expect(store.get(floor - 1)).rejects.toMatchObject(refused);
    await expect(store.digest(ids[3]!)).rejects.toMatchObject(refused);
    expect(await store.get(floor)).toMatchObject({ id: ids[floor - 1] });
    expect(await store.get(0)).toBeUndefined();
    expect(await store.get(1000)).toBeUndefined();
  });

  test('a bound is ERR_PRUNED; the start is the floor', async () => {
    const { store, ids, floor } = await pruned();
    const refused = { code: 'ERR_PRUNED', floor };
    for (const bound of [1, floor - 1, ids[0]!, ids[floor - 2]!]) {
      await expect(store.read({}, { from: bound }).toArray()).rejects.toMatchObject(refused);
      await expect(store.read({}, { to: bound, direction: 'backwards' }).toArray()).rejects.toMatchObject(refused);
      await expect(store.read({}, { to: bound }).toArray()).rejects.toMatchObject(refused);
    }
    for (const after of [1, floor - 2, ids[floor - 3]!]) {
      await expect(store.read({}, { after }).toArray()).rejects.toMatchObject(refused);
    }
    const first = async (options: object): Promise<unknown> => (await store.read({}, options).first())?.sequence;
    for (const options of [{}, { from: 'start' }, { after: 0 }, { from: floor }, { from: new Date(0) }]) {
      expect(await first(options)).toBe(floor);
    }
    expect(await store.read({}, { direction: 'backwards', to: 'start' }).toArray()).toHaveLength(121 - floor);
    expect(await store.query({ where: { sequence: { lte: floor } } }).toArray()).toHaveLength(1);
  });

  test('who has read up to there goes on without a gap', async () => {
    const { store, ids, floor } = await pruned();
    for (const after of [floor - 1, ids[floor - 2]!]) {
      expect((await store.read({}, { after }).first())?.sequence).toBe(floor);
    }
  });

  test('a stream goes on with its revisions', async () => {
    const { store } = await pruned();
    await expect(store.append('gone', { type: 'D' }, { expect: 'none' })).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      actual: 2,
    });
    expect(await store.append('gone', { type: 'D' }, { expect: 2 })).toMatchObject({ revision: 3 });
    expect(await store.readStream('gone').toArray()).toMatchObject([{ type: 'D', revision: 3 }]);
    expect(await store.head('gone')).toMatchObject({ revision: 3, sequence: 121 });
  });

  test('a stream of which nothing is left is not listed, and its head is ERR_PRUNED', async () => {
    const { store, floor } = await pruned();
    expect((await store.streams().toArray()).map(({ stream }) => stream)).toEqual(['s0', 's1', 's2']);
    await expect(store.head('gone')).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
    expect(await store.readStream('gone').toArray()).toEqual([]);
    expect(await store.head('never')).toBeUndefined();
  });

  test('a revision that is asked for is ERR_PRUNED; without one, what is left is read', async () => {
    const { store, floor } = await pruned();
    const refused = { code: 'ERR_PRUNED', floor };
    const left = await store.readStream('s1').toArray();
    const { revision } = left[0]!;
    expect(revision).toBeGreaterThan(5);
    for (const stream of ['s1', 'gone']) {
      await expect(store.readStream(stream, { fromRevision: 0 }).toArray()).rejects.toMatchObject(refused);
      await expect(store.readStream(stream, { fromRevision: 1, toRevision: 2 }).toArray()).rejects.toMatchObject(
        refused,
      );
    }
    expect(await store.readStream('s1', { fromRevision: revision }).toArray()).toHaveLength(left.length);
    expect(await store.readStream('gone', { fromRevision: 3 }).toArray()).toEqual([]);
    const backwards = { direction: 'backwards', toRevision: revision - 1 } as const;
    const seen: number[] = [];
    const reading = async (): Promise<void> => {
      for await (const row of store.readStream('s1', backwards)) seen.push(row.revision);
    };
    await expect(reading()).rejects.toMatchObject(refused);
    expect(seen).toHaveLength(left.length);
  });

  test('events do not count in the condition of an append', async () => {
    const { store } = await pruned();
    const condition = { match: { types: 'A' } };
    expect(await store.append('claims', { type: 'A' }, { condition })).toMatchObject({ revision: 0 });
    await expect(store.append('claims', { type: 'A' }, { condition })).rejects.toMatchObject({
      code: 'ERR_CONDITION_FAILED',
    });
  });

  test('events are proven as before', async () => {
    const { store, ids, digests } = await pruned();
    const { publicKey } = await store.checkpoint();
    for (const i of [0, 5, 9]) {
      const proof = await store.prove(ids[i]!);
      await verifyProof(proof, { keys: publicKey, digest: digests[i]! });
    }
    const { size } = await store.checkpoint();
    expect(size).toBe(120);
  });
});

/** What is asked of idempotency keys whose events are gone. */
async function expectKeys(store: Store, first: { keyed: object; many: object }): Promise<void> {
  expect(await store.append('keyed', KEYED)).toEqual({ ...first.keyed, duplicate: true });
  expect(await store.appendMany(MANY)).toEqual({ ...first.many, duplicate: true });
  expect(store.appendSync('keyed', KEYED)).toEqual({ ...first.keyed, duplicate: true });
  const another = [KEYED[0]!, { ...KEYED[1]!, data: { n: 3 } }, KEYED[2]!];
  for (const events of [another, KEYED.slice(0, 2), [...KEYED, { type: 'D' }]]) {
    await expect(store.append('keyed', events)).rejects.toMatchObject({ code: 'ERR_IDEMPOTENCY_REUSED' });
  }
  await expect(store.append('other', KEYED)).rejects.toMatchObject({ code: 'ERR_IDEMPOTENCY_REUSED' });
}

const KEYED = [
  { type: 'A', data: { n: 1 }, tags: ['x'] },
  { type: 'B', data: { n: 2 }, idempotencyKey: 'step-1', causes: [0] },
  { type: 'C', data: new Uint8Array([1, 2]) },
];
const MANY = [
  { stream: 'left', events: [{ type: 'A', idempotencyKey: 'many-1' }, { type: 'B' }] },
  { stream: 'right', events: [{ type: 'A', data: 'text', idempotencyKey: 'many-2' }] },
];

describe('idempotency keys of events that are gone', () => {
  test('get the first result, in the same opening and in later ones, and with the checkpoint lost', async () => {
    const store = await openWith(LIMIT);
    const first = { keyed: await store.append('keyed', KEYED), many: await store.appendMany(MANY) };
    await fill(store, 60);
    await untilWithin(store, LIMIT.maxBytes);
    await expectKeys(store, first);
    await fill(store, 60, 60); // another base, of which they are too
    await untilWithin(store, LIMIT.maxBytes);
    await expectKeys(store, first);
    let again = await reopen(store, { ...SMALL, retention: LIMIT });
    await expectKeys(again, first);
    await again.close();
    fs.rmSync(path.join(again.stats().dir, 'keeperlog.heads'));
    again = await reopen(again, { ...SMALL, retention: LIMIT });
    await expectKeys(again, first);
    await fill(again, 60, 120);
    await untilWithin(again, LIMIT.maxBytes);
    await expectKeys(again, first);
  });

  test('are forgotten as all others are', async () => {
    const store = await openWith(LIMIT, { idempotency: { maxKeys: 20 } });
    const first = await store.append('keyed', KEYED);
    await fill(store, 60);
    await untilWithin(store, LIMIT.maxBytes);
    const again = await store.append('keyed', KEYED);
    expect(again).toMatchObject({ duplicate: false, revision: first.revision + 3 });
  });
});

describe('the base', () => {
  test('has the heads, where the checkpoint is lost or damaged', async () => {
    const { store } = await pruned();
    const { dir } = store.stats();
    const heads = path.join(dir, 'keeperlog.heads');
    const ends = await Promise.all(['s0', 's1', 's2'].map((stream) => store.head(stream)));
    await store.close();
    for (const damage of ['lost', 'damaged']) {
      if (damage === 'lost') fs.rmSync(heads);
      else {
        const bytes = fs.readFileSync(heads);
        bytes[5000 % bytes.length]! ^= 1;
        fs.writeFileSync(heads, bytes);
      }
      const again = await reopen(store, SMALL);
      expect(await Promise.all(['s0', 's1', 's2'].map((stream) => again.head(stream)))).toEqual(ends);
      await expect(again.append('gone', { type: 'D' }, { expect: 1 })).rejects.toMatchObject({ actual: 2 });
      await again.close();
    }
  });

  test('has the heads, where the checkpoint is older than it', async () => {
    let store = await openWith(undefined);
    await store.append('gone', [{ type: 'A' }, { type: 'B' }]);
    await store.close();
    const heads = path.join(store.stats().dir, 'keeperlog.heads');
    const old = fs.readFileSync(heads);
    store = await reopen(store, { ...SMALL, retention: LIMIT });
    await store.append('gone', { type: 'C' });
    await fill(store, 60);
    await untilWithin(store, LIMIT.maxBytes);
    await store.close();
    fs.writeFileSync(heads, old);
    store = await reopen(store, { ...SMALL, retention: LIMIT });
    await expect(store.append('gone', { type: 'D' }, { expect: 1 })).rejects.toMatchObject({ actual: 2 });
    // What is removed from here on is removed from a log whose checkpoint is the base.
    await fill(store, 60, 60);
    await untilWithin(store, LIMIT.maxBytes);
    store = await reopen(store, SMALL);
    expect(await store.append('gone', { type: 'D' }, { expect: 2 })).toMatchObject({ revision: 3 });
    expect(await store.append('s0', { type: 'D' }, { expect: 39 })).toMatchObject({ revision: 40 });
  });

  test('is found again by who only reads, beside a writer', async () => {
    const { store, floor } = await pruned();
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    onTestFinished(() => reader.close());
    await expect(reader.head('gone')).rejects.toMatchObject({ code: 'ERR_PRUNED', floor });
    await expect(reader.readStream('gone', { fromRevision: 0 }).toArray()).rejects.toMatchObject({
      code: 'ERR_PRUNED',
      floor,
    });
    expect(await reader.head('never')).toBeUndefined();
    expect(await reader.verify({ deep: true })).toMatchObject({ ok: true });
    expect(reader.stats()).toMatchObject({ floor });
  });

  test('that is missing, or does not verify, refuses the opening, and what is left is read', async () => {
    const { store, floor } = await pruned();
    const { dir } = store.stats();
    await store.close();
    const file = path.join(dir, `keeperlog.${floor}.base`);
    const whole = fs.readFileSync(file);
    const flipped = (at: number): Buffer => {
      const bytes = Buffer.from(whole);
      bytes[at]! ^= 1;
      return bytes;
    };
    const header = decodeBaseHeader(whole, await PlaceHasher.create(whole.subarray(8, 24)))!;
    const damages = [
      undefined,
      whole.subarray(0, -1),
      Buffer.alloc(0),
      flipped(30),
      flipped(4100),
      flipped(sectionsOffset(header)),
      flipped(sectionsOffset(header) + header.fenceBytes),
      flipped(whole.length - 4000),
    ];
    for (const damaged of damages) {
      if (damaged === undefined) fs.rmSync(file);
      else fs.writeFileSync(file, damaged);
      const before = fs.readdirSync(dir).sort();
      await expect(openStore({ dir })).rejects.toMatchObject({ code: 'ERR_CORRUPT', file });
      expect(fs.readdirSync(dir).sort()).toEqual(before);
      const reader = await openStore({ dir, readOnly: true });
      expect(await reader.read().toArray()).toHaveLength(121 - floor);
      // Never as if it had not been there.
      await expect(reader.head('gone')).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(PRUNED|CORRUPT)$/),
      });
      expect((await reader.verify()).problems).toMatchObject([{ code: 'ERR_CORRUPT', file }]);
      await reader.close();
    }
    fs.writeFileSync(file, whole);
    await reopen(store);
  });
});
