/** The tasks of sealing, each a slice of work on one segment's files. */
import path from 'node:path';
import { PlaceHasher } from '../../shared/format/checksum.js';
import { sealedFile, segmentFile, TEMPORARY } from '../../shared/format/file-names.js';
import {
  BLOCK_ENTRY_BYTES,
  blocksIn,
  DIGEST_BYTES,
  encodeSealedHeader,
  packBlock,
  RAW_BLOCK_BYTES,
  rawBytesOf,
  SEALED_HEADER_BYTES,
  writeBlockEntry,
} from '../../shared/format/sealed.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { Holes } from '../../shared/holes.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { SealedWork, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';
import { SealedSegment } from '../../shared/sealed-segment.js';
import { readRange, type Storage, writeFully } from '../../shared/storage.js';
import { unsealing } from '../../shared/unsealing.js';
import { audit } from './audit.js';
import { runCompactStep } from './compact.js';
import { digestFrames } from './digest.js';
import { fold } from './fold.js';
import { startOf } from './frames.js';
import { runIndexStep } from './index-steps.js';
import { verifyFrames } from './verify.js';

/** Blocks that are compressed at once, and compared, which takes a quarter of the time: some milliseconds. */
const PACKED_BLOCKS = 16;
const COMPARED_BLOCKS = 64;
/** So much is synced at once: a large sync would hold up those of the log, many small ones the sealing. Unit: bytes. */
const SYNC_BYTES = 1024 * 1024;

/** @throws ERR_CORRUPT where the raw segment does not verify; ERR_STORAGE */
export async function runSealTask(storage: Storage, task: SealTask): Promise<SealResults[SealTask['kind']]> {
  const hasher = await PlaceHasher.create(task.storeId);
  switch (task.kind) {
    case 'begin':
      return begin(storage, hasher, task);
    case 'digest':
      return digestFrames(storage, hasher, task);
    case 'pack':
      return pack(storage, hasher, task);
    case 'assemble':
      return assemble(storage, hasher, task);
    case 'compare':
      return compare(storage, hasher, task);
    case 'commit':
      return commit(storage, task);
    case 'audit':
      return audit(storage, hasher, task);
    case 'verify':
      return verifyFrames(storage, hasher, task);
    case 'index':
      return runIndexStep(storage, hasher, task, task.step);
    case 'compact':
      return runCompactStep(storage, hasher, task, task.removal, task.step);
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
  return { firstSequence: own.firstSequence, lastSequence: next.firstSequence - 1, start, end };
}

function pack(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'pack'>): SealResults['pack'] {
  const { rawBytes, number, codec } = task;
  const last = blocksIn(rawBytes);
  const end = Math.min(task.block + PACKED_BLOCKS, last);
  const from = task.block * RAW_BLOCK_BYTES;
  const raw = readRange(storage, rawPath(task), from, Math.min(end * RAW_BLOCK_BYTES, rawBytes) - from);
  const entries = Buffer.allocUnsafeSlow((end - task.block) * BLOCK_ENTRY_BYTES);
  const parts: Buffer[] = [];
  for (let block = task.block; block < end; block++) {
    const at = (block - task.block) * RAW_BLOCK_BYTES;
    const stored = packBlock(codec, raw.subarray(at, at + rawBytesOf(block, rawBytes)));
    writeBlockEntry(entries, block - task.block, stored, number, hasher);
    parts.push(stored);
  }
  const offset = task.offset + parts.reduce((sum, { length }) => sum + length, 0);
  const isDue = end === last || offset - task.synced >= SYNC_BYTES;
  const handle = storage.openWrite(temporaryPath(task), task.block === 0 ? 'create' : 'existing');
  try {
    writeFully(storage, handle, parts, task.offset);
    if (isDue) storage.sync(handle);
  } finally {
    storage.close(handle);
  }
  return { entries, block: end, offset, synced: isDue ? offset : task.synced };
}

function assemble(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'assemble'>): undefined {
  const { range, end, number, codec, storedBytes, table, digests, isCompacted } = task;
  const rawHeader = readRange(storage, rawPath(task), 0, SEGMENT_HEADER_BYTES);
  const header = encodeSealedHeader(
    {
      codec,
      number,
      isCompacted,
      firstSequence: range.firstSequence,
      count: digests.reduce((sum, { length }) => sum + length, 0) / DIGEST_BYTES,
      rawBytes: end.offset,
      lastFrame: end.previous,
      storedBytes,
      tableChecksum: hasher.digest(number, table),
      digestsChecksum: hasher.digest(number, ...digests),
    },
    rawHeader,
    task.storeId,
    hasher,
  );
  const handle = storage.openWrite(temporaryPath(task), 'existing');
  try {
    let at = SEALED_HEADER_BYTES + storedBytes;
    for (const part of [table, ...digests, table, header]) {
      if (part.length > 0) writeFully(storage, handle, [part], at);
      at += part.length;
    }
    writeFully(storage, handle, [header], 0);
    storage.sync(handle);
  } finally {
    storage.close(handle);
  }
  return undefined;
}

function compare(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'compare'>): SealResults['compare'] {
  const { number, storeId, block } = task;
  let sealed: SealedSegment;
  try {
    sealed = SealedSegment.open(storage, { file: temporaryPath(task), number, storeId, hasher });
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return undefined;
    throw error;
  }
  try {
    const end = Math.min(block + COMPARED_BLOCKS, blocksIn(sealed.bytes));
    const from = block * RAW_BLOCK_BYTES;
    const length = Math.min(end * RAW_BLOCK_BYTES, sealed.bytes) - from;
    const raw = readRange(storage, rawPath(task), from, length);
    if (raw.length !== length || !sealed.holds(raw, from)) return undefined;
    return { block: end, last: end === blocksIn(sealed.bytes) };
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
