/** Events of a type that lie far from each other in sealed segments: each is a read of its own, and many are made together. */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { isKeeperError, openStore, type RecordedEvent, type Store } from '../../dist/main/index.js';
import { copyDir, makeDir, open, removeDir, SMALL } from '../support/stores.js';

const EVENTS = 1200;
const EVERY = 8;
const WANTED = Array.from({ length: EVENTS / EVERY }, (_, i) => 1 + i * EVERY);

let dir: string;

beforeAll(async () => {
  dir = makeDir();
  const store = await openStore({ ...SMALL, dir });
  for (let n = 0; n < EVENTS; n += 50) {
    const events = Array.from({ length: 50 }, (_, i) => ({
      type: (n + i) % EVERY === 0 ? 'Wanted' : 'Other',
      data: { n: n + i, bulk: Buffer.alloc(3000, String((n + i) ** 5)).toString() },
    }));
    await store.append('all', events);
  }
  await store.seal();
  await store.close();
  return () => removeDir(dir);
});

function sequences(events: readonly RecordedEvent<any>[]): number[] {
  return events.map(({ sequence }) => sequence);
}

const opened = (): Promise<Store> => open({ dir: copyDir(dir) });

describe('events that lie far from each other', () => {
  it('come all, in order, with what is in them', async () => {
    const found = await (await opened()).read({ types: 'Wanted' }).toArray();
    expect(sequences(found)).toEqual(WANTED);
    for (const { sequence, data } of found) expect((data as any).n).toBe(sequence - 1);
  });

  it('come backwards', async () => {
    const found = await (await opened()).read({ types: 'Wanted' }, { direction: 'backwards' }).toArray();
    expect(sequences(found)).toEqual([...WANTED].reverse());
  });

  it('come as many as are wanted, and then nothing more is read', async () => {
    const store = await opened();
    const where = { type: { eq: 'Wanted' } } as const;
    const few = store.query({ where, limit: 5 });
    expect(sequences(await few.toArray())).toEqual(WANTED.slice(0, 5));
    const { bytesRead } = await few.explain();
    const all = store.query({ where });
    await all.toArray();
    expect(bytesRead).toBeLessThan((await all.explain()).bytesRead / 5);
  });

  it('end with an abort', async () => {
    const store = await opened();
    const end = new AbortController();
    const rows = store.read({ types: 'Wanted' }, { signal: end.signal });
    let count = 0;
    const reading = (async () => {
      for await (const batch of rows.batches()) {
        count += batch.length;
        end.abort();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(count).toBeLessThan(WANTED.length);
  });

  it('come up to a place that does not verify', async () => {
    const damaged = copyDir(dir);
    const file = path.join(
      damaged,
      fs
        .readdirSync(damaged)
        .filter((name) => name.endsWith('.sealed'))
        .sort()[1]!,
    );
    const bytes = fs.readFileSync(file);
    bytes[Math.floor(bytes.length / 3)]! ^= 255;
    fs.writeFileSync(file, bytes);
    const store = await open({ dir: damaged });
    const found: number[] = [];
    let failure: unknown;
    try {
      for await (const { sequence } of store.read({ types: 'Wanted' })) found.push(sequence);
    } catch (error) {
      failure = error;
    }
    if (!isKeeperError(failure, 'ERR_CORRUPT')) throw failure;
    expect(failure).toMatchObject({ file });
    expect(failure.firstSequence).toBe(WANTED[found.length]);
    expect(found).toEqual(WANTED.slice(0, found.length));
  });
});
