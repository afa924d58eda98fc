import { beforeAll, describe, expect, it } from 'vitest';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import {
  blockBytesFor,
  decodeSealedHeader,
  encodeSealedHeader,
  SEALED_HEADER_BYTES,
  type SealedHeader,
  type SealedHeaderFound,
  sealedFileBytes,
} from '../../dist/shared/format/sealed.js';
import { encodeSegmentHeader } from '../../dist/shared/format/segment.js';
import { unsealing } from '../../dist/shared/unsealing.js';
import type { Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { emptyStore, rawStore } from '../index/questions.js';
import { contentOf, filesOf, flippedAt, open, pathOf, wholeStore, withFiles } from '../repair/kit.js';

const STORE = Buffer.alloc(16, 9);
const SUM = new Uint8Array(8);

let hasher: PlaceHasher;
beforeAll(async () => {
  hasher = await PlaceHasher.create(STORE);
});

describe('the header of a sealed segment', () => {
  const header: SealedHeader = {
    codec: 1,
    number: 3,
    blockBytes: 8192,
    isCompacted: false,
    firstSequence: 1001,
    count: 200,
    rawBytes: 50_000,
    lastFrame: SUM,
    storedBytes: 7000,
    tableChecksum: SUM,
    digestsChecksum: SUM,
  };
  const fields = { number: 3, firstSequence: 1001, epoch: 1, previousBytes: 5000, previous: SUM };
  const decoded = (blockBytes: number): SealedHeaderFound => {
    const raw = encodeSegmentHeader({ ...fields, createdMs: 5, previousTimestampNs: 6n }, STORE, hasher);
    const given = { ...header, blockBytes };
    return decodeSealedHeader(
      encodeSealedHeader(given, raw, STORE, hasher),
      sealedFileBytes(given),
      header.number,
      STORE,
      hasher,
    );
  };

  it.each([4096, 8192, 16_384, 65_536])('says that its blocks have %d bytes', (blockBytes) => {
    expect(decoded(blockBytes)).toMatchObject({ kind: 'valid', header: { ...header, blockBytes } });
  });

  it.each([1, 2048, 8191, 12_288, 131_072, 2 ** 31])('cannot say that they have %d', (blockBytes) => {
    expect(decoded(blockBytes).kind).toBe('corrupt');
  });
});

describe('the blocks of a sealed segment', () => {
  it('are small where records are, and large where those are large', () => {
    expect([64, 250, 511, 512, 1000, 9000, 10_000_000].map(blockBytesFor)).toEqual([
      4096, 4096, 4096, 65_536, 65_536, 65_536, 65_536,
    ]);
  });

  it.each<[string, number, () => Promise<Image>]>([
    ['small', 4096, async () => rawStore(await emptyStore())],
    ['large', 65_536, async () => (await wholeStore()).image],
  ])('give the raw bytes of %s records, whatever is read of them, in whatever order', async (_, blockBytes, fill) => {
    const raw = await fill();
    const { image, storeId } = await sealed(raw);
    const disk = new MemoryDisk(image);
    const log = unsealing(disk, storeId, await PlaceHasher.create(storeId));
    const next = numbers();
    for (const name of sealedIn(image)) {
      expect(contentOf(image, name).readUInt32LE(28)).toBe(blockBytes);
      const rawName = name.replace('.sealed', '.log');
      const handle = log.openRead(pathOf(rawName));
      const bytes = contentOf(raw, rawName).subarray(0, log.size(handle));
      for (let i = 0; i < 500; i++) {
        const offset = next(bytes.length);
        const target = Buffer.alloc(1 + next(i % 3 === 0 ? bytes.length : 300));
        const read = i % 2 === 0 ? log.read(handle, target, offset) : await log.readAsync(handle, target, offset);
        expect(read).toBe(Math.min(target.length, bytes.length - offset));
        expect(target.compare(bytes, offset, offset + read, 0, read), `${read} bytes at ${offset}`).toBe(0);
      }
      log.close(handle);
    }
  });

  it('are zeros where one is damaged, and nothing else is', async () => {
    const raw = await rawStore(await emptyStore());
    const { image, storeId } = await sealed(raw);
    const name = sealedIn(image)[0]!;
    const flipped = flippedAt(contentOf(image, name), SEALED_HEADER_BYTES + 20);
    const disk = new MemoryDisk(withFiles(image, { [name]: flipped }));
    const log = unsealing(disk, storeId, await PlaceHasher.create(storeId));
    const rawName = name.replace('.sealed', '.log');
    const handle = log.openRead(pathOf(rawName));
    const bytes = Buffer.alloc(log.size(handle));
    expect(bytes.length).toBeGreaterThan(20_000);
    log.read(handle, bytes, 0);
    expect(bytes.subarray(0, 4096).equals(Buffer.alloc(4096))).toBe(true);
    expect(bytes.compare(contentOf(raw, rawName), 4096, bytes.length, 4096)).toBe(0);
    log.close(handle);
  });
});

async function sealed(raw: Image): Promise<{ image: Image; storeId: Buffer }> {
  const disk = new MemoryDisk(raw);
  const store = await open(disk);
  await store.seal();
  const { storeId } = store.stats();
  await store.close();
  const image = disk.image();
  expect(sealedIn(image).length).toBeGreaterThan(1);
  return { image, storeId: Buffer.from(storeId, 'hex') };
}

function sealedIn(image: Image): string[] {
  return filesOf(image).filter((name) => name.endsWith('.sealed'));
}

/** Numbers below one, the same in every run (Park and Miller 1988). */
function numbers(): (below: number) => number {
  let seed = 1;
  return (below) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
}
