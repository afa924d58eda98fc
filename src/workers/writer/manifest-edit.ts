/** The edits of the manifest while the store is open. The writer alone makes them. */
import { MANIFEST_FILE } from '../../shared/format/file-names.js';
import { encodeManifest, type Manifest, manifestFormat } from '../../shared/format/manifest.js';
import type { LogCut } from '../../shared/messages.js';
import { replaceFile, type Storage } from '../../shared/storage.js';

type LogEnd = Pick<Manifest, 'durableUpTo' | 'lastSegment'>;

/**
 * Have the manifest say that the log begins later: durable when this returns.
 * @param end what it knows of the log's end, which must not lie before that
 */
export function cutLog(storage: Storage, dir: string, manifest: Manifest, cut: LogCut, end: LogEnd): Manifest {
  return replaceManifest(storage, dir, { ...manifest, ...cut, ...end });
}

/**
 * Have the manifest say that there may be tombstones from a sequence on: durable when this returns.
 * @param end as for {@link cutLog}
 */
export function announceTombstones(
  storage: Storage,
  dir: string,
  manifest: Manifest,
  tombstones: number,
  end: LogEnd,
): Manifest {
  return replaceManifest(storage, dir, { ...manifest, ...end, tombstones });
}

function replaceManifest(storage: Storage, dir: string, manifest: Manifest): Manifest {
  const next = { ...manifest, format: manifestFormat(manifest) };
  replaceFile(storage, dir, MANIFEST_FILE, [encodeManifest(next)]);
  return next;
}
