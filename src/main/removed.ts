/** What the base tells of events that retention has removed, to who only reads. */
import path from 'node:path';
import { corrupt } from '../shared/damage.js';
import { PlaceHasher } from '../shared/format/checksum.js';
import type { Manifest, NamedBase } from '../shared/format/manifest.js';
import { NameHasher } from '../shared/format/name-hash.js';
import { readManifest } from '../shared/inspect.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { Storage } from '../shared/storage.js';
import { BaseFile } from './append/base-file.js';
import { HeadsFile, type StoredHead } from './append/heads-file.js';
import type { VerifyReport } from './store-types.js';
import { problemOf } from './verify-problem.js';

/**
 * The last event of a stream below the floor; undefined where it has none there.
 * @throws ERR_CORRUPT where the base does not verify; ERR_STORAGE
 */
export function removedHead(storage: Storage, dir: string, stream: string): Promise<StoredHead | undefined> {
  return withNamed(storage, dir, async (base, manifest, hasher) => {
    // Throws where it is not the one that is named.
    BaseFile.open(storage, dir, hasher, base).close();
    const heads = HeadsFile.open(storage, dir, hasher, base);
    // Nothing else knows of the stream: without the filter, nobody can say that it never was.
    if (heads === undefined) throw corrupt(path.join(dir, base.file), 0, 'the base does not verify');
    try {
      const names = await NameHasher.create(Buffer.from(manifest.hashKey, 'hex'));
      return heads.find(names.hash(stream));
    } finally {
      heads.close();
    }
  });
}

/** A report about the log, with what is wrong with the base. */
export async function withBase(report: VerifyReport, storage: Storage, dir: string): Promise<VerifyReport> {
  try {
    await withNamed(storage, dir, async (base, _, hasher) => {
      const file = BaseFile.open(storage, dir, hasher, base);
      try {
        file.verify();
      } finally {
        file.close();
      }
    });
    return report;
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CORRUPT') && !isKeeperError(error, 'ERR_STORAGE')) throw error;
    const file = isKeeperError(error, 'ERR_CORRUPT') ? error.file : dir;
    return { ...report, ok: false, problems: [...report.problems, problemOf(error.code, error.message, file)] };
  }
}

type Use<T> = (base: NamedBase, manifest: Manifest, hasher: PlaceHasher) => Promise<T>;

/** Use the base that is named; once more where another one has taken its place meanwhile. */
async function withNamed<T>(storage: Storage, dir: string, use: Use<T>): Promise<T | undefined> {
  for (;;) {
    const manifest = readManifest(storage, dir);
    if (manifest?.base === undefined) return undefined;
    const hasher = await PlaceHasher.create(Buffer.from(manifest.storeId, 'hex'));
    try {
      return await use(manifest.base, manifest, hasher);
    } catch (error) {
      if (readManifest(storage, dir)?.floor === manifest.floor) throw error;
    }
  }
}
