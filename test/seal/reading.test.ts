/** A sealed segment reads as the raw one that it was, wherever reads begin and whatever was read before. */
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { sealedFile, segmentFile } from '../../dist/shared/format/file-names.js';
import { nodeStorage, type ReadStorage } from '../../dist/shared/storage.js';
import { type LogStorage, unsealing } from '../../dist/shared/unsealing.js';
import { SEED } from '../support/effort.js';
import { open } from '../support/stores.js';

/** A store with a sealed segment: the log that reads it, what the raw one held, and how large its file is. */
async function sealedLog(storage: ReadStorage): Promise<{ log: LogStorage; file: string; raw: Buffer; bytes: number }> {
  const store = await open();
  const { dir, storeId } = store.stats();
  for (let n = 0; store.stats().segments < 2; n += 100) {
    const events = Array.from({ length: 100 }, (_, i) => ({
      type: 'Noted',
      data: { n: n + i, text: `note ${(n + i) ** 3}` },
    }));
    await store.append('notes', events);
  }
  const file = path.join(dir, segmentFile(1));
  const raw = fs.readFileSync(file);
  await store.seal();
  expect(fs.existsSync(file)).toBe(false);
  const id = Buffer.from(storeId.replaceAll('-', ''), 'hex');
  const { size } = fs.statSync(path.join(dir, sealedFile(1)));
  return { log: unsealing(storage, id, await PlaceHasher.create(id)), file, raw, bytes: size };
}

test('reads one after the other, onwards, backwards and anywhere, at once and beside each other', async () => {
  const { log, file, raw } = await sealedLog(nodeStorage);
  const handle = log.openRead(file);
  try {
    const place = fc.nat(log.size(handle) + 100);
    const length = fc.oneof(fc.nat(400), fc.nat(200_000));
    const walk = fc
      .tuple(place, fc.constantFrom(-30_000, -9000, 9000, 30_000))
      .map(([from, step]) =>
        Array.from({ length: 12 }, (_, i): [number, number] => [Math.max(0, from + i * step), 300]),
      );
    const reads = fc.oneof(walk, fc.array(fc.tuple(place, length), { maxLength: 12 }));
    const wanted = (offset: number, length: number): Buffer =>
      raw.subarray(0, log.size(handle)).subarray(offset, offset + length);
    await fc.assert(
      fc.asyncProperty(reads, fc.boolean(), async (ranges, isAsync) => {
        const read = async ([offset, length]: [number, number]): Promise<void> => {
          const into = Buffer.alloc(length, 1);
          const count = isAsync ? await log.readAsync(handle, into, offset) : log.read(handle, into, offset);
          expect(into.subarray(0, count).equals(wanted(offset, length))).toBe(true);
        };
        if (isAsync) await Promise.all(ranges.map(read));
        else for (const range of ranges) await read(range);
      }),
      { seed: SEED, numRuns: 150 },
    );
  } finally {
    log.close(handle);
  }
});

test('reads no more than what is wanted where that lies apart', async () => {
  let read = 0;
  const counting: ReadStorage = {
    ...nodeStorage,
    read: (handle, into, offset) => {
      const length = nodeStorage.read(handle, into, offset);
      read += length;
      return length;
    },
  };
  const { log, file, raw, bytes } = await sealedLog(counting);
  const handle = log.openRead(file);
  try {
    read = 0;
    // So far apart that of what is read ahead the next one is no part.
    const step = Math.floor((40 * 1024 * raw.length) / bytes);
    const into = Buffer.alloc(300);
    const reads = Math.floor(log.size(handle) / step);
    for (let i = 0; i < reads; i++) log.read(handle, into, i * step);
    expect(reads).toBeGreaterThan(5);
    expect(read / reads).toBeLessThan(2 * 4096);
  } finally {
    log.close(handle);
  }
});
