/** The tombstones' part of `verify`: their file, and that each is one that the log has. */
import path from 'node:path';
import { RecordHeader } from '../shared/decoding/record-header.js';
import { PlaceHasher } from '../shared/format/checksum.js';
import { TOMBSTONES_FILE } from '../shared/format/file-names.js';
import { isTombstone } from '../shared/format/record.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { Storage } from '../shared/storage.js';
import { readTombstones } from '../shared/tombstones-file.js';
import type { Records } from './read/records.js';
import type { VerifyReport } from './store-types.js';
import { problemOf } from './verify-problem.js';

/** A report about the log, with what is wrong with the file of tombstones. */
export async function withTombstones(
  report: VerifyReport,
  storage: Storage,
  dir: string,
  storeId: Uint8Array,
  records: Records,
): Promise<VerifyReport> {
  const problem = await problemIn(storage, dir, storeId, records);
  return problem === undefined ? report : { ...report, ok: false, problems: [...report.problems, problem] };
}

async function problemIn(
  storage: Storage,
  dir: string,
  storeId: Uint8Array,
  records: Records,
): Promise<Problem | undefined> {
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
    return undefined;
  } catch (error) {
    if (!isKeeperError(error, 'ERR_STORAGE')) throw error;
    return problemOf(error.code, error.message, file);
  }
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
