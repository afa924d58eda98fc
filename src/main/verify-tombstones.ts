/** The tombstones' part of `verify`: their file, that each is one that the log has, and that it has those of the log. */
import path from 'node:path';
import { RecordHeader } from '../shared/decoding/record-header.js';
import { PlaceHasher } from '../shared/format/checksum.js';
import { TOMBSTONES_FILE } from '../shared/format/file-names.js';
import { isTombstone } from '../shared/format/record.js';
import type { TombstonesContent } from '../shared/format/tombstones.js';
import { readManifest } from '../shared/inspect.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { Storage } from '../shared/storage.js';
import { readTombstones } from '../shared/tombstones-file.js';
import type { Records } from './read/records.js';
import type { TombstonesInForce } from './read/tombstones.js';
import type { VerifyReport } from './store-types.js';
import type { VerifyParts } from './verify.js';
import { problemOf } from './verify-problem.js';

/**
 * What was found in the log, with what is wrong with the file of tombstones.
 * @param ofLog those that were met in the log
 */
export async function withTombstones(
  report: VerifyReport,
  storage: Storage,
  parts: Pick<VerifyParts, 'records' | 'work'>,
  ofLog: TombstonesInForce,
): Promise<VerifyReport> {
  const problem = await problemIn(storage, parts, ofLog);
  return problem === undefined ? report : { ...report, ok: false, problems: [...report.problems, problem] };
}

async function problemIn(
  storage: Storage,
  { records, work }: Pick<VerifyParts, 'records' | 'work'>,
  ofLog: TombstonesInForce,
): Promise<Problem | undefined> {
  const { dir, storeId } = work;
  const file = path.join(dir, TOMBSTONES_FILE);
  try {
    const found = readTombstones({ storage, dir, storeId, hasher: await PlaceHasher.create(storeId) });
    if (found.kind === 'missing') return undefined;
    if (found.kind === 'damaged') {
      const what = 'the file of deleted streams does not verify, and is made anew when the store is opened for writing';
      return problemOf('ERR_CORRUPT', what, file);
    }
    for (const [stream, sequence] of found.content.tombstones) {
      if (await isThere(records, stream, sequence)) continue;
      const what = `the tombstone ${sequence} of ${stream}, which the file of deleted streams has, is not in the log`;
      return problemOf('ERR_CORRUPT', what, file, undefined, sequence, sequence);
    }
    const missing = missingIn(found.content, ofLog);
    if (missing === undefined) return undefined;
    const [stream, sequence] = missing;
    // What is below the floor by now it may have forgotten.
    if (sequence < (readManifest(storage, dir)?.floor ?? 1)) return undefined;
    const what = `the file of deleted streams has not the tombstone ${sequence} of ${stream}, which is in the log: remove it, and it is made anew`;
    return problemOf('ERR_CORRUPT', what, file, undefined, sequence, sequence);
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return problemOf(error.code, error.message, error.file);
    if (!isKeeperError(error, 'ERR_STORAGE')) throw error;
    return problemOf(error.code, error.message, file);
  }
}

/** The newest tombstone that a file should have and has not, as it speaks of all up to its sequence. */
function missingIn(
  { sequence: upTo, tombstones }: TombstonesContent,
  ofLog: TombstonesInForce,
): readonly [stream: string, sequence: number] | undefined {
  const filed = new Map(tombstones);
  return [...ofLog]
    .filter(([stream, sequence]) => sequence <= upTo && (filed.get(stream) ?? 0) < sequence)
    .sort(([, one], [, other]) => one - other)
    .at(-1);
}

/** Whether a tombstone is in the log, or cannot be told to be missing: what does not verify, or is gone, is told of elsewhere. */
async function isThere(records: Records, stream: string, sequence: number): Promise<boolean> {
  const durable = records.durable();
  // Of a store that another process writes, the file may be ahead.
  if (sequence > durable) return true;
  try {
    records.catalog.start.check(sequence);
    const memory = await records.loadOne(sequence, durable);
    return isTombstone(memory.view, 0) && new RecordHeader(memory, 0).stream === stream;
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT') || isKeeperError(error, 'ERR_PRUNED')) return true;
    throw error;
  }
}
