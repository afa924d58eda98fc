/** Sealed segments as they are on the disk. */
import path from 'node:path';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { sealedFile } from '../../dist/shared/format/file-names.js';
import type { SealedHeader } from '../../dist/shared/format/sealed.js';
import { readManifest } from '../../dist/shared/inspect.js';
import { SealedSegment } from '../../dist/shared/sealed-segment.js';
import { nodeStorage, type ReadStorage, readRange } from '../../dist/shared/storage.js';

/** What a raw one would hold. */
export async function rawOf(file: string, number: number, storage: ReadStorage = nodeStorage): Promise<Buffer> {
  const storeId = Buffer.from(readRange(storage, file, 8, 16));
  const hasher = await PlaceHasher.create(storeId);
  const sealed = SealedSegment.open(storage, { file, number, storeId, hasher });
  const raw = Buffer.alloc(sealed.bytes);
  sealed.read(raw, 0);
  sealed.close();
  return raw;
}

/** Its header, and what a raw one would hold. */
export async function openSealed(
  dir: string,
  number: number,
  storage: ReadStorage = nodeStorage,
): Promise<{ header: SealedHeader; raw: Buffer }> {
  const storeId = Buffer.from(readManifest(storage, dir)!.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  const sealed = SealedSegment.open(storage, { file: path.join(dir, sealedFile(number)), number, storeId, hasher });
  const raw = Buffer.alloc(sealed.bytes);
  sealed.read(raw, 0);
  sealed.close();
  return { header: sealed.header, raw };
}
