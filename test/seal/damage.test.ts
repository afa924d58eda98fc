import { beforeAll, describe, expect, it } from 'vitest';
import { isKeeperError } from '../../dist/main/index.js';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { decodeSealedHeader, encodeSealedHeader, SEALED_MAGIC } from '../../dist/shared/format/sealed.js';
import type { Image } from '../crash/image.js';
import { intercept } from '../crash/intercept.js';
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
  // Also where reads do without what is hit.
  const { ok, problems } = await store.verify();
  expect(ok).toBe(false);
  expect(problems[0]).toMatchObject({ code: 'ERR_CORRUPT', file: pathOf(file), offset: expect.any(Number) });
  expect(await store.verify({ deep: true })).toMatchObject({ ok: false });
  await store.close();
  expect(disk.journal).toEqual([]);
  return lost;
}

describe('a byte of a sealed segment that is turned over', () => {
  it(
    'is found, and a repair keeps what is left',
    async () => {
      let [tried, costly] = [0, 0];
      for (const file of sealedFiles) {
        const content = contentOf(whole.image, file);
        for (const at of sample([...content.keys()], 499)) {
          const image = withFiles(whole.image, { [file]: flippedAt(content, at, 0x5a) });
          const lost = await readAll(image, file).catch((error: Error) => {
            throw new Error(`${file} at ${at}: ${error.message}`, { cause: error });
          });
          tried++;
          if (lost === 0) continue;
          costly++;
          const { report } = await checkRepair(whole, image);
          expect(countOf(report.lost), `${file} at ${at}`).toBeLessThanOrEqual(lost);
        }
      }
      expect(costly).toBeGreaterThan(0);
      expect(costly).toBeLessThan(tried);
      tally('rot', 'bytes of sealed segments turned over', tried);
    },
    TIMEOUT_MS,
  );
});

/** Where the parts around the blocks of a sealed segment's file begin and end. */
function partsOf(content: Buffer) {
  const table = HEADER_BYTES + Number(content.readBigUInt64LE(64));
  const tableBytes = 12 * Math.ceil(Number(content.readBigUInt64LE(48)) / content.readUInt32LE(28));
  const digests = table + tableBytes;
  const secondTable = digests + 32 * Number(content.readBigUInt64LE(40));
  const secondHeader = secondTable + tableBytes;
  return {
    header: [0, HEADER_BYTES],
    table: [table, digests],
    digests: [digests, secondTable],
    secondTable: [secondTable, secondHeader],
    secondHeader: [secondHeader, content.length],
  } as const;
}

/** A copy of the image in which parts of a file are overwritten. */
function overwritten(file: string, ...parts: (keyof ReturnType<typeof partsOf>)[]): Image {
  const content = contentOf(whole.image, file);
  const places = parts.map((part) => partsOf(content)[part]);
  const fill = (bytes: Buffer): void => {
    for (const [from, to] of places) bytes.fill(0xff, from, to);
  };
  return withFiles(whole.image, { [file]: changed(content, fill) });
}

describe('a file that is sealed or compacted', () => {
  it('takes the place of none where the copy of its header, which no read needs, does not read back', async () => {
    const disk = new MemoryDisk((await wholeStore()).image);
    let isFailing = true;
    const storage = intercept(disk, {
      write: (handle, parts, offset) => {
        const [bytes] = parts;
        const isCopy =
          offset > 0 && bytes!.length === HEADER_BYTES && Buffer.from(bytes!).readUInt32LE() === SEALED_MAGIC;
        return disk.write(handle, isFailing && isCopy ? [new Uint8Array(HEADER_BYTES)] : parts, offset);
      },
    });
    const store = await open(storage);
    await expect(store.seal()).rejects.toMatchObject({
      code: 'ERR_STORAGE',
      message: expect.stringContaining('read back'),
    });
    const names = (): string[] => filesOf(disk.image()).filter((name) => /\.(sealed|tmp)/.test(name));
    expect(names()).toEqual([]);
    isFailing = false;
    expect((await store.seal()).segments).toBe(sealedFiles.length);
    await store.deleteStream('a');
    isFailing = true;
    await expect(store.compact()).rejects.toMatchObject({ message: expect.stringContaining('read back') });
    expect(names()).toEqual(sealedFiles);
    isFailing = false;
    expect((await store.compact()).segments).toBeGreaterThan(0);
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true });
    await store.close();
  });
});

describe('a sealed segment', () => {
  it.each([
    ['header', 'the header'],
    ['table', 'the block table'],
    ['digests', 'the section of digests'],
    ['secondTable', 'the copy of the block table'],
    ['secondHeader', 'the copy of the header'],
  ] as const)(
    'of which the %s is lost is read, is damaged to verify, and whole after repair and seal',
    async (part, what) => {
      const [file] = sealedFiles;
      const image = overwritten(file!, part);
      expect(await readAll(image, file!)).toBe(0);
      const disk = new MemoryDisk(image);
      const store = await open(disk, { readOnly: true });
      const [offset] = partsOf(contentOf(whole.image, file!))[part];
      for (const deep of [false, true]) {
        const { problems } = await store.verify({ deep });
        expect(problems).toEqual([
          { code: 'ERR_CORRUPT', file: pathOf(file!), offset, message: expect.stringContaining(`${what} of`) },
        ]);
        expect(problems[0]!.message).toContain('keeperlog repair');
      }
      await store.close();
      expect(disk.journal).toEqual([]);

      const { report, image: repaired } = await checkRepair(whole, image);
      expect(report).toMatchObject({ damaged: true, repaired: true, lost: [], salvaged: 0 });
      expect(report.rewritten).toEqual([pathOf(file!.replace('.sealed', '.log'))]);
      const mended = new MemoryDisk(repaired);
      const again = await open(mended);
      expect(await again.seal()).toMatchObject({ segments: 1 });
      expect(await again.verify({ deep: true })).toMatchObject({ ok: true });
      await again.close();
      // Byte for byte what it was.
      expect(contentOf(mended.image(), file!)).toEqual(contentOf(whole.image, file!));
      // The headers still tell of each other what they did, so that there is an index.
      const [manifest] = contentOf(repaired, 'keeperlog.manifest').toString().split('\n');
      expect(JSON.parse(manifest!)).toMatchObject({ holes: [] });
      expect(filesOf(mended.image())).toContain(file!.replace('.sealed', '.index'));
    },
  );

  it('of which both headers are lost is refused with the sequences that it may have had', async () => {
    for (const [i, file] of sealedFiles.entries()) {
      const content = contentOf(whole.image, file);
      const first = Number(content.readBigUInt64LE(32));
      const count = Number(content.readBigUInt64LE(40));
      const image = overwritten(file, 'header', 'secondHeader');
      const range = { firstSequence: first, lastSequence: first + count - 1 };
      await expect(open(new MemoryDisk(image)), `segment ${i}`).rejects.toMatchObject({
        code: 'ERR_CORRUPT',
        ...range,
      });
    }
  });

  it('whose digests are not those of its records is damaged to a deep verification', async () => {
    const [file] = sealedFiles;
    const content = contentOf(whole.image, file!);
    const { digests } = partsOf(content);
    const { storeId: hex } = JSON.parse(contentOf(whole.image, 'keeperlog.manifest').toString().split('\n')[0]!);
    const storeId = Buffer.from(hex, 'hex');
    const hasher = await PlaceHasher.create(storeId);
    const found = decodeSealedHeader(content, content.length, 1, storeId, hasher);
    if (found.kind !== 'valid') throw new Error(found.kind);
    const { header } = found;
    const other = changed(content, (bytes) => {
      // The third one's digest, with all checksums as they should be.
      bytes[digests[0] + 2 * 32]! ^= 1;
      const digestsChecksum = hasher.digest(1, bytes.subarray(...digests));
      const anew = encodeSealedHeader({ ...header, digestsChecksum }, bytes.subarray(128, 256), storeId, hasher);
      for (const at of [0, bytes.length - HEADER_BYTES]) bytes.set(anew, at);
    });
    const store = await open(new MemoryDisk(withFiles(whole.image, { [file!]: other })), { readOnly: true });
    expect(await store.verify()).toMatchObject({ ok: true });
    const sequence = header.firstSequence + 2;
    expect(await store.verify({ deep: true })).toMatchObject({
      ok: false,
      problems: [
        {
          code: 'ERR_CORRUPT',
          message: `what is stored as sequence ${sequence} is not what was digested when the segment was sealed`,
          file: pathOf(file!),
          firstSequence: sequence,
          lastSequence: sequence,
        },
      ],
    });
    await store.close();
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
