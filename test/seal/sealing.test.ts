import fs from 'node:fs';
import path from 'node:path';
import { openStore, type RecordedEvent, type Store } from 'keeperlog';
import { describe, expect, it } from 'vitest';
import { open, reopen } from '../support/stores.js';

/** Some segments of a MiB, and the events in them. */
async function fill(store: Store, events = 12_000): Promise<void> {
  const text = 'what an agent has to say about its work, '.repeat(6);
  for (let i = 0; i < events; i += 500) {
    const batch = Array.from({ length: 500 }, (_, k) => ({
      type: k % 3 === 0 ? 'Said' : 'Done',
      data: { n: i + k, text },
      tags: [`task:${(i + k) % 50}`],
    }));
    await store.append(`agent-${(i / 500) % 4}`, batch);
  }
}

function filesOf(store: Store, ending: string): string[] {
  return fs.readdirSync(store.stats().dir).filter((file) => file.endsWith(ending));
}

/** What a store gives by every way of reading. */
async function everything(store: Store): Promise<string[]> {
  const text = (events: readonly RecordedEvent[]): string => events.map((event) => JSON.stringify(event)).join('\n');
  return [
    text(await store.read().toArray()),
    text(await store.read({}, { direction: 'backwards' }).toArray()),
    text(await store.read({ types: 'Said', tags: 'task:7' }).toArray()),
    text(await store.readStream('agent-2', { fromRevision: 700, limit: 30 }).toArray()),
    JSON.stringify(await store.streams().toArray()),
    JSON.stringify(await store.head('agent-3')),
    JSON.stringify(await store.get(5000)),
  ];
}

describe('seal()', () => {
  it('puts every full segment into a smaller file, and changes nothing that is read', async () => {
    const store = await open();
    await fill(store);
    const before = await everything(store);
    const { segments, bytes } = store.stats();
    const seen: number[] = [];
    const report = await store.seal({ onProgress: ({ segments: sealed }) => seen.push(sealed) });
    expect(report.segments).toBe(segments - 1);
    expect(seen).toEqual(Array.from({ length: segments - 1 }, (_, i) => i + 1));
    expect(report.fileBytes).toBeLessThan(report.rawBytes / 2);
    expect(filesOf(store, '.sealed')).toHaveLength(segments - 1);
    expect(filesOf(store, '.tmp')).toEqual([]);
    expect(bytes - store.stats().bytes).toBe(report.rawBytes - report.fileBytes);
    const indexes = filesOf(store, '.index').map((name) => path.join(store.stats().dir, name));
    const bytesOfIndex = (file: string): number => fs.statSync(file).size;
    expect(indexes).toHaveLength(segments - 1);
    expect(report.indexBytes).toBe(indexes.reduce((sum, file) => sum + bytesOfIndex(file), 0));
    expect(await everything(store)).toEqual(before);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, segments, events: 12_000 });

    const nothing = { segments: 0, rawBytes: 0, fileBytes: 0, indexBytes: 0, indexesMissing: 0 };
    expect(await store.seal()).toEqual(nothing);
    const indexBytes = bytesOfIndex(indexes[0]!);
    fs.rmSync(indexes[0]!);
    expect(await store.seal()).toEqual({ ...nothing, indexBytes });
    const again = await reopen(store);
    expect(await everything(again)).toEqual(before);
    const reader = await reopen(again, { readOnly: true });
    expect(await everything(reader)).toEqual(before);
    expect(await reader.verify({ deep: true })).toMatchObject({ ok: true });
  });

  it('lets appends and reads go on meanwhile, also those of another process', async () => {
    const store = await open();
    await fill(store);
    const reader = await openStore({ dir: store.stats().dir, readOnly: true });
    // What the watermark does not tell yet is not read beside the writer.
    const { durable } = reader.stats();
    const rows = store.read()[Symbol.asyncIterator]();
    const others = reader.read()[Symbol.asyncIterator]();
    await Promise.all([rows.next(), others.next()]);
    const sealing = store.seal();
    const { firstSequence } = await store.append('agent-9', { type: 'Said' });
    const [count, other] = await Promise.all([rest(rows), rest(others)]);
    expect(count).toBe(11_999);
    expect(other).toBeGreaterThanOrEqual(durable - 1);
    await sealing;
    expect(await store.get(firstSequence)).toMatchObject({ stream: 'agent-9' });
    expect((await reader.get(1))?.sequence).toBe(1);
    expect(await reader.verify()).toMatchObject({ ok: true });
    await reader.close();
  });

  it('may leave the bytes as they are', async () => {
    const store = await open({ compression: 'none' });
    await fill(store, 6000);
    const before = await everything(store);
    const { rawBytes, fileBytes } = await store.seal();
    expect(fileBytes).toBeGreaterThan(rawBytes);
    expect(await everything(store)).toEqual(before);
  });

  it('is aborted between two slices, and goes on with the next call', async () => {
    const store = await open();
    await fill(store);
    const { segments } = store.stats();
    const controller = new AbortController();
    const sealing = store.seal({ signal: controller.signal, onProgress: () => controller.abort() });
    await expect(sealing).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(filesOf(store, '.sealed')).toHaveLength(1);
    expect(filesOf(store, '.tmp')).toEqual([]);
    expect((await store.seal()).segments).toBe(segments - 2);
  });

  it('ends when the store is closed, which then opens as ever', async () => {
    const store = await open();
    await fill(store);
    const before = await everything(store);
    const sealing = expect(store.seal()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    const again = await reopen(store);
    await sealing;
    expect(await everything(again)).toEqual(before);
    await expect(store.seal()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  it('leaves a damaged segment as it is, and says which sequences are hit', async () => {
    const store = await open();
    await fill(store, 6000);
    const { dir } = store.stats();
    const [first] = filesOf(store, '.log');
    const file = path.join(dir, first!);
    const bytes = fs.readFileSync(file);
    bytes[500_000] = bytes[500_000]! ^ 1;
    fs.writeFileSync(file, bytes);
    await expect(store.seal()).rejects.toMatchObject({ code: 'ERR_CORRUPT', file });
    expect(filesOf(store, '.sealed')).toEqual([]);
    expect(filesOf(store, '.tmp')).toEqual([]);
    expect(fs.readFileSync(file).equals(bytes)).toBe(true);
  });

  it('refuses what it does not know, and a store that is only read', async () => {
    const store = await open();
    const refused = (path: string): object => ({ code: 'ERR_INVALID_OPTIONS', path });
    await expect(store.seal({ fast: true } as never)).rejects.toMatchObject(refused('fast'));
    const reader = await reopen(store, { readOnly: true });
    await expect(reader.seal()).rejects.toMatchObject(refused('readOnly'));
    for (const [name, value] of [
      ['compression', 'zstd'],
      ['poolThreads', 0],
    ] as const) {
      const options = { dir: reader.stats().dir, [name]: value } as never;
      await expect(openStore(options)).rejects.toMatchObject(refused(name));
    }
  });
});

/** How many rows are left. */
async function rest(rows: AsyncIterator<unknown>): Promise<number> {
  let count = 0;
  while ((await rows.next()).done !== true) count++;
  return count;
}
