/** The end of a new sealed file: everything but its blocks, which are there. */
import type { PlaceHasher } from '../../shared/format/checksum.js';
import {
  DIGEST_BYTES,
  encodeSealedHeader,
  SEALED_HEADER_BYTES,
  type SealedHeader,
} from '../../shared/format/sealed.js';
import type { SealedWork } from '../../shared/seal-tasks.js';
import { type Storage, writeFully } from '../../shared/storage.js';

/** What is behind the blocks, and in front of them. */
export interface SealedEnd {
  /** What the header says of the segment. */
  readonly segment: Omit<SealedHeader, 'codec' | 'number' | 'count' | 'tableChecksum' | 'digestsChecksum'>;
  /** The header of the raw segment, as it is there. */
  readonly rawHeader: Uint8Array;
  readonly table: Uint8Array;
  readonly digests: readonly Uint8Array[];
}

/**
 * Write it, and sync the file.
 * @throws ERR_STORAGE
 */
export function assembleSealed(
  storage: Storage,
  hasher: PlaceHasher,
  { codec, number, storeId }: SealedWork,
  file: string,
  { segment, rawHeader, table, digests }: SealedEnd,
): void {
  const header = encodeSealedHeader(
    {
      ...segment,
      codec,
      number,
      count: digests.reduce((sum, { length }) => sum + length, 0) / DIGEST_BYTES,
      tableChecksum: hasher.digest(number, table),
      digestsChecksum: hasher.digest(number, ...digests),
    },
    rawHeader,
    storeId,
    hasher,
  );
  const handle = storage.openWrite(file, 'existing');
  try {
    let at = SEALED_HEADER_BYTES + segment.storedBytes;
    for (const part of [table, ...digests, table, header]) {
      if (part.length > 0) writeFully(storage, handle, [part], at);
      at += part.length;
    }
    writeFully(storage, handle, [header], 0);
    storage.sync(handle);
  } finally {
    storage.close(handle);
  }
}
