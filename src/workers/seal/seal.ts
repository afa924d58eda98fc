/** The tasks of sealing, each a slice of work on one segment's files. */
import path from 'node:path';
import { PlaceHasher } from '../../shared/format/checksum.js';
import { sealedFile, segmentFile, TEMPORARY } from '../../shared/format/file-names.js';
import { blockBytesFor, MAX_BLOCK_BYTES } from '../../shared/format/sealed.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { Holes } from '../../shared/holes.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { SealedRange, SealedWork, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';
import { damagedParts } from '../../shared/sealed-parts.js';
import { SealedSegment } from '../../shared/sealed-segment.js';
import { isFailedSync, isOutOfSpace, readRange, type Storage } from '../../shared/storage.js';
import { hinted } from '../../shared/storage-error.js';
import { unsealing } from '../../shared/unsealing.js';
import { assembleSealed } from './assemble.js';
import { audit } from './audit.js';
import { runCompactStep } from './compact.js';
import { filter } from './filter.js';
import { fold } from './fold.js';
import { startOf } from './frames.js';
import { runIndexStep } from './index-steps.js';
import { pack } from './pack.js';
import { removeRuns } from './runs-file.js';
import { sliceMemory } from './slice-memory.js';
import { runTreeStep } from './tree.js';
import { verifyFrames } from './verify.js';

/** So much is compared at once, which takes some milliseconds. A multiple of the bytes of a block. */
const COMPARED_BYTES = 4 * 1024 * 1024;

const HINTS = {
  space: 'The log is as it was. Free space on the disk, and try again.',
  other: 'The log is as it was. Look at the disk and its mount, and try again.',
} as const;

/** @throws ERR_CORRUPT where the raw segment does not verify; ERR_STORAGE */
export async function runSealTask(storage: Storage, task: SealTask): Promise<SealResults[SealTask['kind']]> {
  try {
    return await run(storage, task);
  } catch (error) {
    // No task of the pool writes what appends write: unless a sync has failed, there is nothing to open again for.
    if (isFailedSync(error)) throw error;
    throw hinted(error, isOutOfSpace(error) ? HINTS.space : HINTS.other);
  }
}

async function run(storage: Storage, task: SealTask): Promise<SealResults[SealTask['kind']]> {
  const hasher = await PlaceHasher.create(task.storeId);
  switch (task.kind) {
    case 'begin':
      return begin(storage, hasher, task);
    case 'pack':
      return pack(storage, hasher, task, temporaryPath(task));
    case 'assemble':
      return assemble(storage, hasher, task);
    case 'compare':
      return compare(storage, hasher, task);
    case 'commit':
      return commit(storage, task);
    case 'audit':
      return audit(storage, hasher, task);
    case 'tree':
      return runTreeStep(storage, hasher, task);
    case 'verify':
      return verifyFrames(storage, hasher, task);
    case 'index':
      return runIndexStep(storage, hasher, task, task.step);
    case 'compact':
      return runCompactStep(storage, hasher, task, task.removal, task.step);
    case 'filter':
      return filter(storage, hasher, task);
    case 'fold':
      return fold(storage, hasher, task);
    case 'remove':
      for (const file of task.files.map((name) => path.join(task.dir, name))) {
        if (storage.exists(file)) storage.remove(file);
      }
      return undefined;
    case 'discard': {
      const file = temporaryPath(task);
      if (storage.exists(file)) storage.remove(file);
      removeRuns(storage, task);
      return undefined;
    }
    default:
      throw new Error(`unknown task: ${JSON.stringify(task satisfies never)}`);
  }
}

function rawPath({ dir, number }: SealedWork): string {
  return path.join(dir, segmentFile(number));
}

function sealedPath({ dir, number }: SealedWork): string {
  return path.join(dir, sealedFile(number));
}

function temporaryPath(work: SealedWork): string {
  return sealedPath(work) + TEMPORARY;
}

function begin(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'begin'>): SealResults['begin'] {
  const { dir, number, storeId } = task;
  if (!storage.exists(rawPath(task))) return undefined;
  const place = { storage: unsealing(storage, storeId, hasher), dir, storeId, hasher };
  const own = readSegmentHeader(place, number);
  const next = readSegmentHeader(place, number + 1);
  if (own === undefined || next === undefined) throw new Error(`segment ${number} is not full`);
  const holes = new Holes(task.holes);
  const start = startOf(own, holes);
  const isJoined = holes.beginsAnew(holes.skip(next.firstSequence));
  const end = isJoined ? undefined : { offset: next.previousBytes, previous: next.previous };
  const range = { firstSequence: own.firstSequence, lastSequence: next.firstSequence - 1, start, end };
  return { ...range, blockBytes: blockBytesOf(range) };
}

/** As its mean record wants it; where nobody knows that before the frames are followed, the largest. */
function blockBytesOf({ start, end, lastSequence }: Omit<SealedRange, 'blockBytes'>): number {
  const records = lastSequence - start.sequence + 1;
  if (end === undefined || records <= 0) return MAX_BLOCK_BYTES;
  return blockBytesFor((end.offset - start.offset) / records);
}

function assemble(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'assemble'>): undefined {
  const { range, end, storedBytes, table, digests, isCompacted } = task;
  const { firstSequence, blockBytes } = range;
  const { offset: rawBytes, previous: lastFrame } = end;
  const segment = { isCompacted, blockBytes, firstSequence, rawBytes, lastFrame, storedBytes };
  const rawHeader = readRange(storage, rawPath(task), 0, SEGMENT_HEADER_BYTES);
  assembleSealed(storage, hasher, task, temporaryPath(task), { segment, rawHeader, table, digests });
  return undefined;
}

function compare(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'compare'>): SealResults['compare'] {
  const { number, storeId, from } = task;
  const place = { file: temporaryPath(task), number, storeId, hasher };
  let sealed: SealedSegment;
  try {
    // What reads do without has to be there as well.
    if (from === 0 && damagedParts(storage, place).length > 0) return undefined;
    sealed = SealedSegment.open(storage, place);
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return undefined;
    throw error;
  }
  try {
    const { bytes } = sealed;
    const to = Math.min(from + COMPARED_BYTES, bytes);
    const raw = readRange(storage, rawPath(task), from, to - from, sliceMemory());
    if (raw.length !== to - from || !sealed.holds(raw, from)) return undefined;
    return { to, isLast: to === bytes };
  } finally {
    sealed.close();
  }
}

function commit(storage: Storage, task: SealTaskOf<'commit'>): SealResults['commit'] {
  const sealed = sealedPath(task);
  // Over one that a process that died may have left there, whose name need not be durable.
  storage.rename(temporaryPath(task), sealed);
  // Before the raw file goes, the other one has to be there for good.
  storage.syncDir(task.dir);
  storage.remove(rawPath(task));
  const handle = storage.openRead(sealed);
  try {
    return { fileBytes: storage.size(handle) };
  } finally {
    storage.close(handle);
  }
}
