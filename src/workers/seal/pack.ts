/**
 * Some frames of a segment are taken into its sealed file: they are read once, verified, their records digested and put into a run of the
 * index, and the blocks that they fill are compressed and written. What does not verify is not sealed.
 */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import {
  BLOCK_ENTRY_BYTES,
  blocksIn,
  packBlock,
  rawBytesOf,
  SEALED_HEADER_BYTES,
  writeBlockEntry,
} from '../../shared/format/sealed.js';
import { Holes } from '../../shared/holes.js';
import type { Run } from '../../shared/index-tasks.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import { type Storage, writeFully } from '../../shared/storage.js';
import { digestsOf } from './digest.js';
import { type FramesRead, readFrames } from './frames.js';
import { writeRun } from './runs-file.js';
import { sliceMemory } from './slice-memory.js';
import { syncWhereDue } from './sync-due.js';

type PackTask = SealTaskOf<'pack'>;

/**
 * @param into the new file
 * @throws ERR_CORRUPT where a frame does not verify, or does not follow the one before it; ERR_STORAGE
 */
export function pack(storage: Storage, hasher: PlaceHasher, task: PackTask, into: string): SealResults['pack'] {
  const { dir, number, holes, range, at } = task;
  const { lastSequence } = range;
  const file = path.join(dir, segmentFile(number));
  const source = { log: storage, hasher, holes: new Holes(holes), file, blamed: file, number, lastSequence };
  const read = readFrames(source, at.frames, at.frames.offset % range.blockBytes, sliceMemory());
  const isLast = read.to.sequence > lastSequence;
  if (isLast) checkEnd(task, read, file);
  const { offset, entries } = writeBlocks(storage, hasher, task, read, isLast, into);
  const digests = digestsOf(read);
  const gathered = gather(storage, hasher, task, read);
  const isCompacted = read.frames.some((frame) => frame.isCompacted);
  const to = { frames: read.to, offset, runs: gathered?.offset };
  return { to, entries, digests, run: gathered?.run, isCompacted };
}

function checkEnd({ range }: PackTask, { to }: FramesRead, file: string): void {
  const { end } = range;
  if (end === undefined || (end.offset === to.offset && sameChecksum(end.previous, to.previous))) return;
  throw corrupt(file, to.offset, 'the next segment does not continue this one', range);
}

/** The blocks that end in these frames; with the last ones the last block. */
function writeBlocks(
  storage: Storage,
  hasher: PlaceHasher,
  { range: { blockBytes }, at, number, codec }: PackTask,
  { memory, offset: start, to }: FramesRead,
  isLast: boolean,
  into: string,
): { offset: number; entries: Uint8Array } {
  const first = start / blockBytes;
  const cut = { rawBytes: to.offset, blockBytes };
  const last = isLast ? blocksIn(cut) : Math.floor(to.offset / blockBytes);
  const entries = Buffer.allocUnsafeSlow((last - first) * BLOCK_ENTRY_BYTES);
  const parts: Buffer[] = [];
  let { offset } = at;
  for (let block = first; block < last; block++) {
    const from = (block - first) * blockBytes;
    const stored = packBlock(codec, memory.bytes.subarray(from, from + rawBytesOf(block, cut)));
    writeBlockEntry(entries, block - first, stored, number, hasher);
    parts.push(stored);
    offset += stored.length;
  }
  const handle = storage.openWrite(into, at.offset === SEALED_HEADER_BYTES ? 'create' : 'existing');
  try {
    if (parts.length > 0) writeFully(storage, handle, parts, at.offset);
    syncWhereDue(storage, handle, at.offset, offset, isLast);
  } finally {
    storage.close(handle);
  }
  return { offset, entries };
}

/** Undefined where that does not work: the index is made of the sealed segment then, and if that does not work either, it is told of. */
function gather(
  storage: Storage,
  hasher: PlaceHasher,
  { dir, number, nodeId, range: { firstSequence, lastSequence }, at }: PackTask,
  read: FramesRead,
): { run: Run; offset: number } | undefined {
  if (at.runs === undefined) return undefined;
  try {
    return writeRun(storage, hasher, { dir, number, nodeId, firstSequence, lastSequence, read }, at.runs);
  } catch (error) {
    if (isKeeperError(error, 'ERR_STORAGE')) return undefined;
    throw error;
  }
}
