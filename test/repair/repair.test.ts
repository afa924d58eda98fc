import { beforeAll, describe, expect, it } from 'vitest';
import type { Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { seeded } from '../crash/random.js';
import { effort, SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import {
  changed,
  checkRepair,
  contentOf,
  countOf,
  filesOf,
  flippedAt,
  open,
  repair,
  segmentsOf,
  type Whole,
  wholeStore,
  withFiles,
} from './kit.js';

let whole: Whole;
let killed: Whole;
let other: Whole;
beforeAll(async () => {
  [whole, killed, other] = [await wholeStore(), await wholeStore('killed'), await wholeStore()];
});

const SEGMENT_HEADER_BYTES = 128;

/** The store with one event that is lost. */
function damagedStore(): Image {
  const [, second] = segmentsOf(whole.image);
  return withFiles(whole.image, { [second!]: flippedAt(contentOf(whole.image, second!), 900) });
}

/** A segment's bytes up to its last frame. */
function logOf(content: Buffer): Buffer {
  let end = content.length;
  while (end > 0 && content[end - 1] === 0) end--;
  return content.subarray(0, end);
}

describe('a repair', () => {
  it('leaves a store without damage as it is, byte for byte', async () => {
    for (const { image } of [whole, killed]) {
      const disk = new MemoryDisk(image);
      expect(await repair(disk)).toMatchObject({ damaged: false, repaired: false, lost: [], rewritten: [], kept: [] });
      expect(disk.journal).toEqual([]);
    }
  });

  it('tells with dryRun what it would do, and changes nothing', async () => {
    const [, second] = segmentsOf(whole.image);
    const image = withFiles(whole.image, {
      [second!]: changed(contentOf(whole.image, second!), (b) => void b.fill(7, 300, 900)),
    });
    const disk = new MemoryDisk(image);
    const planned = await repair(disk, { dryRun: true });
    expect(planned).toMatchObject({ damaged: true, repaired: false, kept: [] });
    expect(disk.journal).toEqual([]);
    const done = await repair(disk);
    expect(done).toMatchObject({
      repaired: true,
      lost: planned.lost,
      rewritten: planned.rewritten,
      salvaged: planned.salvaged,
    });
  });

  it('keeps the file that it replaces', async () => {
    const [first] = segmentsOf(whole.image);
    const damaged = changed(contentOf(whole.image, first!), (b) => void b.fill(0, 200, 712));
    const { report, image } = await checkRepair(whole, withFiles(whole.image, { [first!]: damaged }));
    expect(report.kept).toHaveLength(1);
    expect(contentOf(image, report.kept[0]!.split('/').at(-1)!)).toEqual(damaged);
  });

  it(
    'loses no event but the one in which a byte was turned over, and none where it was in a header',
    async () => {
      let tried = 0;
      const small = { closed: await wholeStore('closed', 2), killed: await wholeStore('killed', 2) };
      for (const store of [small.closed, small.killed]) {
        const files = segmentsOf(store.image).filter((file) => logOf(contentOf(store.image, file)).length > 0);
        // Up to the newest segment the stores are the same.
        for (const file of store === small.killed ? files.slice(-1) : files) {
          const content = contentOf(store.image, file);
          // Four seeds try every byte.
          const every = effort(997, 4);
          const places = [...logOf(content).keys()].filter((at) => at % every === SEED % every);
          for (const at of places) {
            const image = withFiles(store.image, { [file]: flippedAt(content, at, 0x5a) });
            const { report } = await checkRepair(store, image).catch((error: Error) => {
              throw new Error(`${file} at ${at}: ${error.message}`, { cause: error });
            });
            expect(countOf(report.lost), `${file} at ${at}`).toBeLessThanOrEqual(at < SEGMENT_HEADER_BYTES ? 0 : 1);
            tried++;
          }
        }
      }
      tally('repair', 'bytes turned over in the log', tried);
    },
    TIMEOUT_MS,
  );

  it(
    'keeps what is left where sectors were zeroed, or lie in each other’s place',
    async () => {
      const random = seeded(SEED);
      let tried = 0;
      for (let round = 0; round < effort(25, 2000); round++) {
        const files = segmentsOf(whole.image).filter((file) => logOf(contentOf(whole.image, file)).length > 0);
        const pick = (): { file: string; at: number } => {
          const file = files[Math.floor(random() * files.length)]!;
          const sectors = Math.ceil(logOf(contentOf(whole.image, file)).length / 512);
          return { file, at: Math.floor(random() * sectors) * 512 };
        };
        const contents = new Map(files.map((file) => [file, Buffer.from(contentOf(whole.image, file))]));
        const [a, b] = [pick(), pick()];
        const sector = Buffer.from(contents.get(a.file)!.subarray(a.at, a.at + 512));
        if (round % 2 === 0) {
          contents.get(b.file)!.copy(contents.get(a.file)!, a.at, b.at, b.at + 512);
          sector.copy(contents.get(b.file)!, b.at);
        } else {
          contents.get(a.file)!.fill(0, a.at, a.at + 512);
        }
        const image = withFiles(whole.image, Object.fromEntries(contents));
        try {
          await checkRepair(whole, image);
        } catch (error) {
          const where = `FAULTS_SEED=${SEED} round ${round}: ${a.file} at ${a.at}, ${b.file} at ${b.at}`;
          throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
        }
        tried++;
      }
      tally('repair', 'sectors zeroed or swapped', tried);
    },
    TIMEOUT_MS,
  );

  it('puts files that lie under each other’s names back', async () => {
    const [, second, third] = segmentsOf(whole.image);
    const [a, b] = [contentOf(whole.image, second!), contentOf(whole.image, third!)];
    const { report } = await checkRepair(whole, withFiles(whole.image, { [second!]: b, [third!]: a }));
    expect(report).toMatchObject({ lost: [], salvaged: 0 });
  });

  it('gives up what was in a file that is missing, and no more', async () => {
    for (const file of segmentsOf(whole.image).filter((name) => logOf(contentOf(whole.image, name)).length > 0)) {
      const { report } = await checkRepair(whole, withFiles(whole.image, { [file]: undefined }));
      expect(report.lost).toHaveLength(1);
    }
  });

  it('does not take a file of another store for its own', async () => {
    const [, second] = segmentsOf(whole.image);
    const foreign = contentOf(other.image, second!);
    const { report } = await checkRepair(whole, withFiles(whole.image, { [second!]: foreign }));
    expect(report.lost).toHaveLength(1);
  });

  it('keeps what is in front of a place where a file was cut off', async () => {
    for (const file of segmentsOf(whole.image).slice(0, 2)) {
      const content = contentOf(whole.image, file);
      for (const length of [0, 100, 128, 3000, Math.floor(content.length / 2), logOf(content).length - 1]) {
        await checkRepair(whole, withFiles(whole.image, { [file]: content.subarray(0, length) }));
      }
    }
  });

  it('makes good the end of a segment and the beginning of the next one at once', async () => {
    const [first, second] = segmentsOf(whole.image);
    const [before, behind] = [contentOf(whole.image, first!), contentOf(whole.image, second!)];
    const { report } = await checkRepair(
      whole,
      withFiles(whole.image, {
        // In the header of the one's last frame, which is made anew, and in the first record of the other.
        [first!]: flippedAt(before, before.lastIndexOf('KLfr') + 12),
        [second!]: flippedAt(behind, SEGMENT_HEADER_BYTES + 64 + 100),
      }),
    );
    expect(countOf(report.lost)).toBe(1);
  });

  it('needs the node id where the manifest is lost, and loses nothing', async () => {
    for (const manifest of [undefined, Buffer.alloc(0), Buffer.from('{"format":1}\n00000000\n')]) {
      const image = withFiles(whole.image, { 'keeperlog.manifest': manifest });
      await expect(repair(new MemoryDisk(image))).rejects.toMatchObject({
        code: 'ERR_INVALID_OPTIONS',
        path: 'nodeId',
      });
      const { report } = await checkRepair(whole, image, { nodeId: 'node' });
      expect(report).toMatchObject({ lost: [], rewritten: [] });
    }
  });

  it('refuses where nothing says which store it was', async () => {
    const files = Object.fromEntries(segmentsOf(whole.image).map((file) => [file, Buffer.alloc(4096)]));
    const image = withFiles(whole.image, { ...files, 'keeperlog.manifest': undefined });
    await expect(repair(new MemoryDisk(image), { nodeId: 'node' })).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
  });

  it('is for a store that is damaged again as well', async () => {
    const [first, second] = segmentsOf(whole.image);
    const once = withFiles(whole.image, {
      [second!]: flippedAt(contentOf(whole.image, second!), 900),
    });
    const { report, image } = await checkRepair(whole, once);
    expect(countOf(report.lost)).toBe(1);
    const twice = withFiles(image, {
      [first!]: flippedAt(contentOf(image, first!), 900),
      [second!]: flippedAt(contentOf(image, second!), 130),
    });
    const disk = new MemoryDisk(twice);
    const again = await repair(disk);
    expect(countOf(again.lost)).toBe(1);
    const store = await open(disk);
    expect(store.stats().holes).toHaveLength(2);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: whole.events.size - 2 });
    await store.close();
  });

  it('has a retry of a lost event appended again', async () => {
    const lost = [...whole.events.values()].findLast(({ stream }) => stream === 'keyed')!;
    const file = segmentsOf(whole.image).find((name) => contentOf(whole.image, name).includes('order-3'))!;
    const image = withFiles(whole.image, {
      [file]: flippedAt(contentOf(whole.image, file), contentOf(whole.image, file).indexOf('order-3')),
    });
    const disk = new MemoryDisk(image);
    expect((await repair(disk)).lost).toEqual([{ firstSequence: lost.sequence, lastSequence: lost.sequence }]);
    const store = await open(disk);
    const { type, data, tags, stream } = lost;
    const again = await store.append(stream, { type, data, tags: [...tags], idempotencyKey: 'order-3' });
    expect(again).toMatchObject({ duplicate: false, revision: lost.revision });
    await store.close();
  });

  it('refuses a node id that cannot be one, before it changes anything', async () => {
    const image = withFiles(whole.image, { 'keeperlog.manifest': undefined });
    const disk = new MemoryDisk(image);
    await expect(repair(disk, { nodeId: 'not a node' })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTIONS',
      path: 'nodeId',
    });
    expect(disk.journal).toEqual([]);
  });

  it('is not held up by a stray file with a huge number in its name', async () => {
    const { report } = await checkRepair(
      whole,
      withFiles(damagedStore(), { 'segment-9999999999.log': Buffer.alloc(64) }),
    );
    expect(countOf(report.lost)).toBe(1);
  });

  it('is aborted without a change as long as no file is replaced, and tells how far it is', async () => {
    const before = AbortSignal.abort();
    const disk = new MemoryDisk(damagedStore());
    await expect(repair(disk, { signal: before })).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(disk.journal).toEqual([]);

    const controller = new AbortController();
    const seen: number[] = [];
    const onProgress = ({ segments }: { segments: number }): void => {
      seen.push(segments);
      controller.abort();
    };
    await expect(repair(disk, { signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: 'ERR_ABORTED',
    });
    expect(seen).toEqual([1]);
    expect(disk.journal).toEqual([]);
  });

  it('says where it cannot be done', async () => {
    await expect(repair(new MemoryDisk({ names: new Map([['/', 0]]), contents: new Map() }))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    expect(filesOf(whole.image)).toContain('keeperlog.manifest');
    await expect(repair(new MemoryDisk(whole.image), { nodeId: 'another' })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTIONS',
      path: 'nodeId',
    });
  });
});
