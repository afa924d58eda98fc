/**
 * Writes the base of a floor that is to come: the heads of the base in force merged with those of the segments that go, the
 * live keys below the floor, and what is kept of the events of their calls. It is durable, by a name of its own, when this is done; it
 * comes into force by the manifest, which the writer edits.
 */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { type EntryAt, inOrder } from '../../shared/entries.js';
import {
  decodeBaseHeader,
  encodeBaseHeader,
  firstResultBlock,
  RESULT_BYTES,
  RESULTS_PER_BLOCK,
  readResult,
  resultBlocks,
  verifyResultBlock,
} from '../../shared/format/base.js';
import { CHECKPOINT_BLOCK_BYTES } from '../../shared/format/checkpoint.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { baseFile, TEMPORARY } from '../../shared/format/file-names.js';
import type { NamedBase } from '../../shared/format/manifest.js';
import { readSafeInteger } from '../../shared/format/record.js';
import type { BaseSnapshot } from '../../shared/messages.js';
import { isFailedSync, type Storage, writeFully } from '../../shared/storage.js';
import { BlockWriter } from './block-writer.js';
import { openOldHeads } from './old-heads.js';
import { writeTable } from './table-writer.js';
import type { Workspace } from './workspace.js';

/** So many events are before one of the same call at most. */
const MOST_OF_A_CALL = 65_535;

/** @throws ERR_CORRUPT where the base in force does not verify; ERR_STORAGE */
export function writeBase(storage: Storage, dir: string, workspace: Workspace, snapshot: BaseSnapshot): NamedBase {
  const file = baseFile(snapshot.sequence + 1);
  try {
    const checksum = writeContent(storage, dir, workspace, snapshot);
    storage.rename(path.join(dir, file + TEMPORARY), path.join(dir, file));
    // Before the manifest names it.
    storage.syncDir(dir);
    return { file, checksum };
  } catch (error) {
    // On a full disk it would take the room that is to be made.
    const left = path.join(dir, file + TEMPORARY);
    if (!isFailedSync(error) && storage.exists(left)) storage.remove(left);
    throw error;
  }
}

/** Write the file, under its temporary name; returns the checksum of its header. */
function writeContent(storage: Storage, dir: string, workspace: Workspace, snapshot: BaseSnapshot): string {
  const { hasher } = workspace;
  const { sequence, storeId, heads, before: old } = snapshot;
  const before = openOldHeads(storage, path.join(dir, old?.file ?? ''), old?.sequence ?? 0, hasher);
  const handle = storage.openWrite(path.join(dir, baseFile(sequence + 1) + TEMPORARY), 'create');
  try {
    const keys = keysBelow(snapshot);
    const sections = writeTable(storage, handle, workspace, { sequence, before, heads, keys });
    const first = firstResultBlock({
      ...sections,
      fenceBytes: sections.fences.length,
      filterBytes: sections.filter.length,
    });
    const layout = { first, entryBytes: RESULT_BYTES, perBlock: RESULTS_PER_BLOCK };
    const blocks = new BlockWriter(storage, handle, sequence, hasher, layout);
    let results = 0;
    for (const { bytes, at } of resultsFor(storage, dir, hasher, snapshot)) {
      blocks.add(bytes, at);
      results++;
    }
    blocks.endSection();
    const header = encodeBaseHeader(sections, results, storeId, hasher);
    writeFully(storage, handle, [header.block], 0);
    storage.sync(handle);
    return header.checksum;
  } finally {
    storage.close(handle);
    before.close();
  }
}

/** Live keys of events that go. */
function* keysBelow({ keys, sequence }: BaseSnapshot): Generator<EntryAt> {
  for (const key of inOrder(keys)) if (sequenceOf(key) <= sequence) yield key;
}

function sequenceOf({ entries, at }: EntryAt): number {
  return readSafeInteger(entries.view, at + 16);
}

interface ResultAt {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** What is kept of the events of calls that a live key may be of. */
function* resultsFor(storage: Storage, dir: string, hasher: PlaceHasher, snapshot: BaseSnapshot): Generator<ResultAt> {
  let oldest = Number.POSITIVE_INFINITY;
  for (const key of keysBelow(snapshot)) oldest = Math.min(oldest, sequenceOf(key));
  const isKept = ({ bytes, at }: ResultAt): boolean => readResult(bytes, at).sequence >= oldest - MOST_OF_A_CALL;
  const { before, results } = snapshot;
  if (before !== undefined) {
    for (const result of resultsIn(storage, path.join(dir, before.file), hasher)) if (isKept(result)) yield result;
  }
  for (const bytes of results) {
    for (let at = 0; at < bytes.length; at += RESULT_BYTES) if (isKept({ bytes, at })) yield { bytes, at };
  }
}

/** The results in a base, whose header was read before. */
function* resultsIn(storage: Storage, file: string, hasher: PlaceHasher): Generator<ResultAt> {
  const handle = storage.openRead(file);
  try {
    const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES);
    storage.read(handle, block, 0);
    const header = decodeBaseHeader(block, hasher);
    if (header === undefined) throw corrupt(file, 0, 'this is not the base in force');
    const first = firstResultBlock(header);
    for (let number = first; number < first + resultBlocks(header.results); number++) {
      storage.read(handle, block, number * CHECKPOINT_BLOCK_BYTES);
      const count = verifyResultBlock(block, number, header.sequence, hasher);
      if (count === -1) throw corrupt(file, number * CHECKPOINT_BLOCK_BYTES, 'a block of the base does not verify');
      for (let i = 0; i < count; i++) yield { bytes: block, at: i * RESULT_BYTES };
    }
  } finally {
    storage.close(handle);
  }
}
