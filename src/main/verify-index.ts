/** The index files' part of `verify`: one that is damaged is no loss, but tells of the disk. */
import path from 'node:path';
import { indexFile } from '../shared/format/file-names.js';
import { aborted } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { Catalog, Segment } from './read/catalog.js';
import { checkIndex } from './read/index-check.js';
import { problemOf } from './verify-problem.js';

/** What is wrong with the index file of a segment. Whoever can make another is told where it does not verify. */
export async function problemOfIndex(
  catalog: Catalog,
  segment: Segment,
  signal: AbortSignal | undefined,
): Promise<Problem | undefined> {
  const chained = catalog.chained(segment);
  if (chained === undefined) return undefined;
  const wrong = await checkIndex(catalog.indexFiles, chained, () => {
    if (signal?.aborted === true) throw aborted(signal, 'the verification');
  });
  if (wrong === undefined) return undefined;
  const file = path.join(path.dirname(segment.file), indexFile(segment.number));
  if (wrong.isPassing) return problemOf('ERR_STORAGE', `the index could not be looked at: ${wrong.message}`, file);
  catalog.indexFiles.damaged(segment.number, wrong);
  const what =
    `the index does not verify: ${wrong.message}. Nothing is lost, queries go on without it. It is made again where the store is open for ` +
    'writing, as soon as a query or `verify()` meets it; where it is not, remove the file and run `keeperlog seal`';
  return problemOf('ERR_CORRUPT', what, file);
}
