/** The edit of the manifest that retention asks for. The writer alone makes it. */
import { MANIFEST_FILE } from '../../shared/format/file-names.js';
import { BASE_MANIFEST_FORMAT, encodeManifest, type Manifest } from '../../shared/format/manifest.js';
import type { LogCut } from '../../shared/messages.js';
import { replaceFile, type Storage } from '../../shared/storage.js';

/**
 * Have the manifest say that the log begins later: durable when this returns.
 * @param end what it knows of the log's end, which must not lie before that
 */
export function cutLog(
  storage: Storage,
  dir: string,
  manifest: Manifest,
  cut: LogCut,
  end: Pick<Manifest, 'durableUpTo' | 'lastSegment'>,
): Manifest {
  const next = { ...manifest, ...cut, ...end, format: BASE_MANIFEST_FORMAT };
  replaceFile(storage, dir, MANIFEST_FILE, [encodeManifest(next)]);
  return next;
}
