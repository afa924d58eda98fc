/** The base: a log whose beginning retention has removed is no store without it. It never changes, so it is copied once. */
import path from 'node:path';
import { baseVerifies } from '../../shared/check-base.js';
import { corrupt } from '../../shared/damage.js';
import type { BackupContent } from '../../shared/format/backup-list.js';
import { baseBytes, decodeBaseHeader } from '../../shared/format/base.js';
import { CHECKPOINT_BLOCK_BYTES } from '../../shared/format/checkpoint.js';
import type { Manifest } from '../../shared/format/manifest.js';
import { bytesOf, type CopyContext, copyInto, putInPlace } from './copying.js';
import type { LogPlace } from './log-walk.js';
import type { BackupTarget } from './target.js';

/** @throws ERR_CORRUPT where it is not the one that the manifest names, or does not verify; ERR_STORAGE */
export async function backUpBase(
  place: LogPlace & CopyContext,
  dir: string,
  target: BackupTarget,
  { base }: Manifest,
): Promise<BackupContent['base']> {
  if (base === undefined) return null;
  const { storage, hasher } = place;
  const last = target.content;
  const isSame = last?.manifest.base?.file === base.file && last.manifest.base.checksum === base.checksum;
  if (last?.base && isSame && target.holds(base.file, last.base)) return last.base;
  const file = path.join(dir, base.file);
  const handle = storage.openRead(file);
  try {
    const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
    const header = decodeBaseHeader(block.subarray(0, storage.read(handle, block, 0)), hasher);
    if (header?.checksum !== base.checksum || !baseVerifies(storage, handle, header, hasher)) {
      throw corrupt(file, 0, 'this is not the base that the manifest names, or not all of it verifies');
    }
    const to = target.path(base.file);
    const copied = await copyInto({ ...place, onBytes() {} }, bytesOf(storage, handle), baseBytes(header), to);
    putInPlace(storage, to);
    return { ...copied, backup: target.number };
  } finally {
    storage.close(handle);
  }
}
