/** Heads and keys as of the log's end: the checkpoint's, and what the log says after it. */
import { corrupt } from '../shared/damage.js';
import { RecordHeader } from '../shared/decoding/record-header.js';
import { PlaceHasher } from '../shared/format/checksum.js';
import type { NamedBase } from '../shared/format/manifest.js';
import { isTombstone, recordRevision, recordTimestampNs } from '../shared/format/record.js';
import { isRemoved } from '../shared/format/removed-record.js';
import { readManifest } from '../shared/inspect.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import type { Storage } from '../shared/storage.js';
import { BaseFile } from './append/base-file.js';
import type { Head, Heads } from './append/heads.js';
import { HeadsFile } from './append/heads-file.js';
import type { Keys } from './append/keys.js';
import type { Records } from './read/records.js';
import type { Run } from './read/run.js';

const NS_PER_MS = 1_000_000n;

/** The files that have heads and keys. */
export interface Tables {
  /** Undefined where there is none, or one that does not verify: the log is right. */
  readonly checkpoint: HeadsFile | undefined;
  /** What retention has removed; undefined where that is nothing. */
  readonly base: BaseFile | undefined;
  /** What comes after this sequence is in the log alone. */
  readonly sequence: number;
  close(): void;
}

/**
 * The tables of a directory.
 * @throws ERR_CORRUPT of manifest and base, and ERR_UNSUPPORTED_FORMAT; ERR_STORAGE
 */
export async function openTables(storage: Storage, dir: string): Promise<Tables> {
  const manifest = readManifest(storage, dir);
  if (manifest === undefined) return tablesOf(undefined, undefined);
  const hasher = await PlaceHasher.create(Buffer.from(manifest.storeId, 'hex'));
  const base = manifest.base && BaseFile.open(storage, dir, hasher, manifest.base);
  let checkpoint: HeadsFile | undefined;
  let opened = false;
  try {
    base?.verify();
    checkpoint = HeadsFile.open(storage, dir, hasher);
    // One that is older than the base speaks of a log that is not there any more.
    const isUsable = (checkpoint?.header.sequence ?? 0) >= (base?.header.sequence ?? 0);
    const tables = tablesOf(isUsable && checkpoint?.verifies() === true ? checkpoint : undefined, base);
    if (tables.checkpoint === undefined) checkpoint?.close();
    opened = true;
    return tables;
  } finally {
    if (!opened) tablesOf(checkpoint, base).close();
  }
}

function tablesOf(checkpoint: HeadsFile | undefined, base: BaseFile | undefined): Tables {
  return {
    checkpoint,
    base,
    sequence: checkpoint?.header.sequence ?? base?.header.sequence ?? 0,
    close() {
      checkpoint?.close();
      base?.close();
    },
  };
}

/**
 * The table that heads are looked up in, and its keys: the checkpoint, but not one that speaks of events which the log does not
 * have; else the base; else none, and all of the log is taken in.
 * @throws ERR_STORAGE; ERR_CORRUPT of the base
 */
export function loadTables(
  { checkpoint, base }: Tables,
  lastSequence: number,
  noKeys: () => Keys,
  openBase: (base: NamedBase) => HeadsFile | undefined,
): { file: HeadsFile | undefined; keys: Keys } {
  if (checkpoint !== undefined && checkpoint.header.sequence <= lastSequence) {
    try {
      return { file: checkpoint, keys: keysOf(checkpoint, noKeys()) };
    } catch (error) {
      if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
    }
  }
  checkpoint?.close();
  const file = base && openBase(base.named);
  try {
    return { file, keys: keysOf(file, noKeys()) };
  } catch (error) {
    file?.close();
    throw error;
  }
}

function keysOf(file: HeadsFile | undefined, keys: Keys): Keys {
  file?.forEachKey((hash, sequence, timeMs) => keys.addHash(hash, sequence, timeMs));
  return keys;
}

/**
 * Take in the records after a sequence: heads, keys and tombstones.
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
  for await (const { run, first, last } of runsOf(records, after + 1, lastSequence, signal)) {
    for (let next = first; next <= last; next++) {
      const at = run.at(next);
      if (isRemoved(run.memory.view, at)) continue;
      const header = new RecordHeader(run.memory, at);
      if (isTombstone(run.memory.view, at)) records.catalog.tombstones.add(header.stream, next);
      const head = headOf(heads, header.stream, next);
      head.revision = recordRevision(run.memory.view, at);
      head.lastSequence = next;
      head.dirty = true;
      const { key } = header;
      if (key !== undefined) keys.add(key, next, Number(recordTimestampNs(run.memory.view, at) / NS_PER_MS));
    }
  }
}

/**
 * The records of a range, some at a time.
 * @throws ERR_CORRUPT, ERR_STORAGE, ERR_ABORTED
 */
export async function* runsOf(
  records: Records,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<{ readonly run: Run; readonly first: number; readonly last: number }> {
  for (let first = records.holes.skip(from); first <= to; ) {
    if (signal?.aborted === true) throw aborted(signal, 'opening the store');
    const run = await records.catalog.load(first, to);
    const last = Math.min(run.lastSequence, to);
    yield { run, first, last };
    first = records.holes.skip(last + 1);
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
