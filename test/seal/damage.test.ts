import { beforeAll, describe, expect, it } from 'vitest';
import { isKeeperError } from '../../dist/main/index.js';
import type { Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import {
  changed,
  checkRepair,
  contentOf,
  countOf,
  filesOf,
  flippedAt,
  open,
  pathOf,
  type Whole,
  wholeStore,
  withFiles,
} from '../repair/kit.js';
import { sample, TIMEOUT_MS, tally } from '../support/effort.js';

const HEADER_BYTES = 256;

let whole: Whole;
let sealedFiles: string[];

beforeAll(async () => {
  const raw = await wholeStore();
  const disk = new MemoryDisk(raw.image);
  const store = await open(disk);
  const { segments } = await store.seal();
  await store.close();
  whole = { ...raw, image: disk.image() };
  sealedFiles = filesOf(whole.image).filter((file) => file.endsWith('.sealed'));
  expect(sealedFiles.length).toBe(segments);
  expect(segments).toBeGreaterThan(1);
});

/** Read everything there is; returns how many events could not be read. Nothing else than what was written may come. */
async function readAll(image: Image, file: string): Promise<number> {
  const disk = new MemoryDisk(image);
  const store = await open(disk, { readOnly: true });
  let lost = 0;
  for (const [sequence, event] of whole.events) {
    try {
      const found = await store.get(sequence);
      expect(found?.toJSON()).toEqual(event.toJSON());
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
      expect(error.file).toBe(pathOf(file));
      expect(sequence).toBeGreaterThanOrEqual(error.firstSequence);
      expect(sequence).toBeLessThanOrEqual(error.lastSequence);
      lost++;
    }
  }
  const { ok, problems } = await store.verify();
  expect(ok).toBe(lost === 0);
  if (!ok) expect(problems[0]).toMatchObject({ code: 'ERR_CORRUPT', file: pathOf(file) });
  await store.close();
  expect(disk.journal).toEqual([]);
  return lost;
}

describe('a byte of a sealed segment that is turned over', () => {
  it(
    'is found or does no harm, and a repair keeps what is left',
    async () => {
      let [tried, found] = [0, 0];
      for (const file of sealedFiles) {
        const content = contentOf(whole.image, file);
        for (const at of sample([...content.keys()], 499)) {
          const image = withFiles(whole.image, { [file]: flippedAt(content, at, 0x5a) });
          const lost = await readAll(image, file).catch((error: Error) => {
            throw new Error(`${file} at ${at}: ${error.message}`, { cause: error });
          });
          tried++;
          if (lost === 0) continue;
          found++;
          const { report } = await checkRepair(whole, image);
          expect(countOf(report.lost), `${file} at ${at}`).toBeLessThanOrEqual(lost);
        }
      }
      expect(found).toBeGreaterThan(0);
      tally('rot', 'bytes of sealed segments turned over', tried);
    },
    TIMEOUT_MS,
  );
});

describe('a sealed segment', () => {
  it('is read by the copy of its header, and of its block table', async () => {
    const [file] = sealedFiles;
    const content = contentOf(whole.image, file!);
    const table = HEADER_BYTES + Number(content.readBigUInt64LE(64));
    for (const [from, to] of [
      [0, HEADER_BYTES],
      [table, table + 12],
    ] as const) {
      const image = withFiles(whole.image, { [file!]: changed(content, (bytes) => bytes.fill(0xff, from, to)) });
      expect(await readAll(image, file!)).toBe(0);
    }
  });

  it.each([
    ['cut off', (content: Buffer) => content.subarray(0, content.length - 100)],
    ['empty', () => Buffer.alloc(0)],
    ['of another number', (_: Buffer, image: Image) => contentOf(image, sealedFiles[1]!)],
  ] as const)('that is %s is lost as a whole, and said so', async (_, change) => {
    const [file] = sealedFiles;
    const image = withFiles(whole.image, { [file!]: change(contentOf(whole.image, file!), whole.image) });
    const lost = await readAll(image, file!);
    expect(lost).toBeGreaterThan(0);
    const { report } = await checkRepair(whole, image);
    expect(countOf(report.lost)).toBe(lost);
    expect(report.kept.some((kept) => kept.includes('.sealed.'))).toBe(true);
  });

  it('gives way to a raw one of the same number, whatever is in that', async () => {
    const [file] = sealedFiles;
    const raw = await wholeStore();
    const rawFile = file!.replace('.sealed', '.log');
    const image = withFiles(whole.image, { [rawFile]: contentOf(raw.image, rawFile) });
    // The raw one is another store's: what counts is that it is looked at first.
    const store = await open(new MemoryDisk(image), { readOnly: true });
    await expect(store.get(1)).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: pathOf(rawFile) });
    await store.close();
  });

  it('whose first block is damaged is named, by who is refused to write and by who reads', async () => {
    for (const file of sealedFiles) {
      const image = withFiles(whole.image, {
        [file]: changed(contentOf(whole.image, file), (bytes) => bytes.fill(0xff, HEADER_BYTES, HEADER_BYTES + 20)),
      });
      await expect(open(new MemoryDisk(image))).rejects.toMatchObject({ code: 'ERR_CORRUPT', file: pathOf(file) });
      expect(await readAll(image, file)).toBeGreaterThan(0);
    }
  });

  it('needs its node id alone where the manifest is lost', async () => {
    const image = withFiles(whole.image, { 'keeperlog.manifest': undefined });
    const { report } = await checkRepair(whole, image, { nodeId: 'node' });
    expect(report).toMatchObject({ lost: [], rewritten: [] });
  });
});
