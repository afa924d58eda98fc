/** Heads and keys as of the log's end: the checkpoint's, and what the log says after it. */
import { corrupt } from '../shared/damage.js';
import { PlaceHasher } from '../shared/format/checksum.js';
import { recordRevision, recordTimestampNs } from '../shared/format/record.js';
import { readManifest } from '../shared/inspect.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import type { Storage } from '../shared/storage.js';
import type { Head, Heads } from './append/heads.js';
import { HeadsFile } from './append/heads-file.js';
import type { Keys } from './append/keys.js';
import { RecordHeader } from './read/record-header.js';
import type { Records } from './read/records.js';

const NS_PER_MS = 1_000_000n;

/**
 * The checkpoint of a directory; undefined where there is none, or one that does not verify: the log is right.
 * @throws ERR_CORRUPT and ERR_UNSUPPORTED_FORMAT of the manifest, ERR_STORAGE
 */
export async function openCheckpoint(storage: Storage, dir: string): Promise<HeadsFile | undefined> {
  const manifest = readManifest(storage, dir);
  if (manifest === undefined) return undefined;
  const hasher = await PlaceHasher.create(Buffer.from(manifest.storeId, 'hex'));
  const file = HeadsFile.open(storage, dir, hasher);
  let verifies = false;
  try {
    verifies = file?.verifies() === true;
    return verifies ? file : undefined;
  } finally {
    if (!verifies) file?.close();
  }
}

/**
 * The checkpoint if it is to be used, and its keys: not one that speaks of events which the log does not have, for all of
 * the log is taken in then.
 * @throws ERR_STORAGE
 */
export function loadCheckpoint(
  file: HeadsFile | undefined,
  lastSequence: number,
  noKeys: () => Keys,
): { file: HeadsFile | undefined; keys: Keys } {
  if (file !== undefined && file.header.sequence <= lastSequence) {
    const keys = noKeys();
    try {
      file.forEachKey((hash, sequence, timeMs) => keys.addHash(hash, sequence, timeMs));
      return { file, keys };
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
    }
  }
  file?.close();
  return { file: undefined, keys: noKeys() };
}

/**
 * Take in the records after a sequence.
 * @throws ERR_CORRUPT, ERR_STORAGE, ERR_ABORTED
 */
export async function replay(
  records: Records,
  heads: Heads,
  keys: Keys,
  after: number,
  lastSequence: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let next = records.holes.skip(after + 1); next <= lastSequence; next = records.holes.skip(next)) {
    if (signal?.aborted === true) throw aborted(signal, 'opening the store');
    const run = await records.catalog.load(next, lastSequence);
    for (const end = Math.min(run.lastSequence, lastSequence); next <= end; next++) {
      const at = run.at(next);
      const header = new RecordHeader(run.memory, at);
      const head = headOf(heads, header.stream, next);
      head.revision = recordRevision(run.memory.view, at);
      head.lastSequence = next;
      head.dirty = true;
      const { key } = header;
      if (key !== undefined) keys.add(key, next, Number(recordTimestampNs(run.memory.view, at) / NS_PER_MS));
    }
  }
}

/** The head of a stream that the log names. */
function headOf(heads: Heads, stream: string, sequence: number): Head {
  try {
    return heads.get(stream, true);
  } catch (error) {
    if (!isKeeperError(error, 'ERR_INVALID_EVENT')) throw error;
    const range = { firstSequence: sequence, lastSequence: sequence, cause: error };
    throw corrupt(`the record of sequence ${sequence}`, 0, 'its stream has a name that cannot be one', range);
  }
}
