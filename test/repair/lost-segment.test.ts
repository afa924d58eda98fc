import { beforeAll, describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../../dist/main/index.js';
import type { Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { contentOf, flippedAt, open, pathOf, segmentsOf, type Whole, wholeStore, withFiles } from './kit.js';

let whole: Whole;
/** The segments that hold events, and the sequences in each. */
let held: { file: string; first: number; last: number }[];

beforeAll(async () => {
  whole = await wholeStore();
  const firsts = segmentsOf(whole.image)
    .map((file) => ({ file, first: firstSequenceOf(contentOf(whole.image, file)) }))
    .filter(({ first }) => first > 0);
  held = firsts.map(({ file, first }, i) => ({
    file,
    first,
    last: (firsts[i + 1]?.first ?? whole.events.size + 1) - 1,
  }));
  expect(held.length).toBeGreaterThanOrEqual(3);
});

/** As docs/format.md has it: 8 bytes at 32 of the segment header. */
function firstSequenceOf(content: Buffer): number {
  return content.length < 40 ? 0 : Number(content.readBigUInt64LE(32));
}

const WAYS: Record<string, (image: Image, file: string) => Image> = {
  'a header that does not verify': (image, file) => withFiles(image, { [file]: flippedAt(contentOf(image, file), 33) }),
  'its file missing': (image, file) => withFiles(image, { [file]: undefined }),
  'another segment in its place': (image, file) => {
    const other = segmentsOf(image).find((name) => name !== file)!;
    return withFiles(image, { [file]: contentOf(image, other) });
  },
};

const PLACES = { first: () => held[0]!, middle: () => held[1]!, newest: () => held.at(-1)! };

const CASES = Object.keys(PLACES).flatMap((place) => Object.keys(WAYS).map((way) => [place, way] as const));

describe('a store of which a segment is lost', () => {
  it.each(CASES)('is read around it: the %s one, with %s', async (place, way) => {
    const { file, first, last } = PLACES[place as keyof typeof PLACES]();
    const image = WAYS[way]!(whole.image, file);
    const error = { code: 'ERR_CORRUPT', file: pathOf(file), firstSequence: first, lastSequence: last };
    const disk = new MemoryDisk(image);
    const store = await open(disk, { readOnly: true });

    const upTo = { ...error, firstSequence: expect.any(Number) };
    for (const [sequence, event] of whole.events) {
      const isLost = sequence >= first && sequence <= last;
      if (isLost) await expect(store.get(sequence)).rejects.toMatchObject(place === 'first' ? upTo : error);
      else expect((await store.get(event.id))?.toJSON()).toEqual(event.toJSON());
    }
    expect(await readUntilDamage(store.read())).toEqual({ sequences: range(1, first - 1), error });
    const backwards = store.read({}, { direction: 'backwards' });
    expect(await readUntilDamage(backwards)).toMatchObject({ sequences: range(last + 1, whole.events.size).reverse() });
    expect(await readUntilDamage(store.read({}, { after: last }))).toMatchObject({
      sequences: range(last + 1, whole.events.size),
      error: undefined,
    });
    await expect(store.streams().toArray()).rejects.toMatchObject(error);
    expect(await store.verify()).toMatchObject({
      ok: false,
      problems: [{ code: 'ERR_CORRUPT', file: pathOf(file), offset: 0, firstSequence: first, lastSequence: last }],
    });
    await store.close();
    expect(disk.journal).toEqual([]);
    await expect(open(disk)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: pathOf(file) });
    expect(disk.journal).toEqual([]);
  });

  it('is repaired by the reader that has it open, and goes on with what was found', async () => {
    const { file } = PLACES.middle();
    const disk = new MemoryDisk(WAYS['a header that does not verify']!(whole.image, file));
    const store = await open(disk, { readOnly: true });
    expect(await store.repair()).toMatchObject({ repaired: true, lost: [] });
    expect((await store.read().toArray()).map(({ id }) => id)).toEqual([...whole.events.values()].map(({ id }) => id));
    await store.close();
  });
});

/** What rows give until they end or fail. */
async function readUntilDamage(
  rows: AsyncIterable<RecordedEvent<any>>,
): Promise<{ sequences: number[]; error: unknown }> {
  const sequences: number[] = [];
  try {
    for await (const { sequence } of rows) sequences.push(sequence);
  } catch (error) {
    const { code, file, firstSequence, lastSequence } = error as Record<string, unknown>;
    return { sequences, error: { code, file, firstSequence, lastSequence } };
  }
  return { sequences, error: undefined };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}
