/** The index files' part of `verify`: one that is damaged is no loss, but tells of the disk. */
import path from 'node:path';
import { indexFile } from '../shared/format/file-names.js';
import { aborted } from '../shared/portable/errors.js';
import type { Catalog, Segment } from './read/catalog.js';
import { checkIndex } from './read/index-check.js';

/** The index file of a segment, where it does not verify. Whoever can make another is told. */
export async function damagedIndex(
  catalog: Catalog,
  segment: Segment,
  signal: AbortSignal | undefined,
): Promise<{ readonly file: string; readonly message: string } | undefined> {
  const chained = catalog.chained(segment);
  if (chained === undefined) return undefined;
  const wrong = await checkIndex(catalog.indexFiles, chained, () => {
    if (signal?.aborted === true) throw aborted(signal, 'the verification');
  });
  if (wrong === undefined) return undefined;
  catalog.indexFiles.damaged(segment.number);
  const file = path.join(path.dirname(segment.file), indexFile(segment.number));
  return { file, message: `the index does not verify, and is made again when the store is open for writing: ${wrong}` };
}
