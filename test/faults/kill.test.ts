import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { effort, SEED, tally } from '../support/effort.js';
import { type Ack, expectWhole, opened, Program, temporaryDir } from './kit.js';
import { random, realPayloads } from './load.mjs';

const ROUNDS = effort(12, 500);
/** A store goes through so many kills before it is read back as a whole. */
const KILLS_PER_STORE = 4;

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe('kill -9 of a program that appends', () => {
  for (let first = 0; first < ROUNDS; first += KILLS_PER_STORE) {
    it(`keeps every acknowledged event, round ${first} to ${first + KILLS_PER_STORE - 1}`, async () => {
      const dir = temporaryDir();
      const next = random(SEED + first);
      const acks: Ack[] = [];
      for (let round = 0; round < KILLS_PER_STORE; round++) {
        const program = new Program();
        await program.pid;
        const load = { run: `${first}-${round}`, seed: SEED + first + round };
        const loading = program.call('open', { dir, segmentBytes: 65536 }).then(() => program.call('load', load));
        loading.catch(() => {}); // it is killed
        // Some before the store is open, or just then; the others after some appends.
        if (next() < 0.35) await pause(next() * 500);
        else await program.acknowledged(1 + Math.floor(next() * 300));
        await pause(next() * 3);
        await program.killAtOnce();
        acks.push(...program.acks);
      }
      const store = await opened({ dir, segmentBytes: 65536 });
      const events = await expectWhole(store, acks);
      expect(events.length).toBeGreaterThan(0);
      tally('processes', 'kill -9 at a random moment', KILLS_PER_STORE);
    });
  }

  it('keeps a new store that was never appended to', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 65536 });
    await program.kill();
    const store = await opened(dir);
    expect(await store.head()).toBeUndefined();
    await store.append('a', { type: 'first' });
    await expectWhole(store, []);
  });

  it('keeps a store at any moment of its closing', async () => {
    const dir = temporaryDir();
    const acks: Ack[] = [];
    for (let round = 0; round < 5; round++) {
      const program = new Program();
      await program.call('open', { dir, segmentBytes: 65536 });
      await program.call('load', { run: `${round}`, calls: 20, seed: round });
      program.call('close');
      await pause(round * 3);
      await program.killAtOnce();
      acks.push(...program.acks);
    }
    await expectWhole(await opened(dir), acks);
  });

  it('keeps real payloads that come at 10,000 a second', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir, segmentBytes: 8 * 1024 * 1024 });
    const load = program.call('payloads', { run: 'bridge', eventsPerSecond: 10_000, seconds: 4 });
    await Promise.race([program.acknowledged(20_000), pause(2500), load]);
    await program.kill();
    expect(program.acks.length).toBeGreaterThan(1000);
    const store = await opened(dir);
    const events = await expectWhole(store, program.acks);
    const payloads = realPayloads();
    const calls = new Set(program.acks.map(({ call }) => call));
    for (const { stream, data, type, metadata } of events) {
      // A kill in the middle of a frame leaves a torn end, of which the store tells.
      if (stream === '$store') continue;
      const payload = payloads[metadata.payload as number];
      if (type !== payload?.type || !isDeepStrictEqual(data, payload.data)) expect({ type, data }).toEqual(payload);
      calls.delete(metadata.call as string);
    }
    expect(calls).toEqual(new Set());
  });
});
