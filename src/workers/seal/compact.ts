/** The steps of compacting a sealed segment, each a slice of work on its files. */
import path from 'node:path';
import type { CompactResults, CompactStep, CompactStepOf, Removal } from '../../shared/compact-tasks.js';
import { type PlaceHasher, recordSeed } from '../../shared/format/checksum.js';
import { indexFile, sealedFile, segmentFile, TEMPORARY } from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { recordLength } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { BLOCK_ENTRY_BYTES, packBlock, writeBlockEntry } from '../../shared/format/sealed.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { Holes } from '../../shared/holes.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { SealedWork } from '../../shared/seal-tasks.js';
import { damagedParts } from '../../shared/sealed-parts.js';
import { SealedSegment } from '../../shared/sealed-segment.js';
import { readRange, type Storage, writeFully } from '../../shared/storage.js';
import { unsealing } from '../../shared/unsealing.js';
import { assembleSealed } from './assemble.js';
import { digestsOf } from './digest.js';
import { type FramesRead, framesFrom, readFrames, startOf } from './frames.js';
import { asStorage } from './one-file.js';
import { framesIn, Judge, takeOut } from './removal.js';
import { syncWhereDue } from './sync-due.js';

/** @throws ERR_CORRUPT where the segment does not verify; ERR_STORAGE */
export function runCompactStep(
  storage: Storage,
  hasher: PlaceHasher,
  work: SealedWork,
  removal: Removal,
  step: CompactStep,
): CompactResults[CompactStep['step']] {
  switch (step.step) {
    case 'begin':
      return begin(storage, hasher, work);
    case 'survey':
      return survey(storage, hasher, work, removal, step);
    case 'rewrite':
      return rewrite(storage, hasher, work, removal, step);
    case 'assemble':
      return assemble(storage, hasher, work, step);
    case 'recheck':
      return recheck(storage, hasher, work, removal, step);
    case 'commit':
      return commit(storage, work);
    default:
      throw new Error(`unknown step: ${JSON.stringify(step satisfies never)}`);
  }
}

function sealedPath({ dir, number }: SealedWork): string {
  return path.join(dir, sealedFile(number));
}

/** The same that sealing has: neither is done while the other is. */
function temporaryPath(work: SealedWork): string {
  return sealedPath(work) + TEMPORARY;
}

function begin(storage: Storage, hasher: PlaceHasher, work: SealedWork): CompactResults['begin'] {
  const { dir, number, storeId } = work;
  const file = sealedPath(work);
  if (storage.exists(path.join(dir, segmentFile(number))) || !storage.exists(file)) return undefined;
  const place = { storage: unsealing(storage, storeId, hasher), dir, storeId, hasher };
  const own = readSegmentHeader(place, number);
  const next = readSegmentHeader(place, number + 1);
  if (own === undefined || next === undefined) throw new Error(`segment ${number} is not full`);
  const sealed = SealedSegment.open(storage, { file, number, storeId, hasher });
  try {
    const { firstSequence, rawBytes, blockBytes, lastFrame } = sealed.header;
    const start = startOf(own, new Holes(work.holes));
    return { firstSequence, lastSequence: next.firstSequence - 1, start, rawBytes, blockBytes, lastFrame };
  } finally {
    sealed.close();
  }
}

function survey(
  storage: Storage,
  hasher: PlaceHasher,
  work: SealedWork,
  removal: Removal,
  { from, lastSequence }: CompactStepOf<'survey'>,
): CompactResults['survey'] {
  const read = framesFrom(storage, hasher, work, { from, lastSequence });
  const judge = new Judge(removal);
  let [events, kept] = [0, 0];
  for (const frame of framesIn(read)) {
    const judged = judge.judge(read.memory, frame);
    events += judged.going.size;
    kept += judged.kept;
  }
  return { to: read.to, events, kept };
}

function rewrite(
  storage: Storage,
  hasher: PlaceHasher,
  work: SealedWork,
  removal: Removal,
  { range, from }: CompactStepOf<'rewrite'>,
): CompactResults['rewrite'] {
  const { number, codec, storeId } = work;
  const { lastSequence, blockBytes } = range;
  const read = framesFrom(storage, hasher, work, { from: from.at, lastSequence });
  const { memory, to } = read;
  const judge = new Judge(removal);
  const seed = recordSeed(storeId);
  const starts: number[] = [];
  for (const frame of framesIn(read)) {
    const { going } = judge.judge(memory, frame);
    for (const start of takeOut(memory, frame, going, seed, hasher, number)) starts.push(start);
  }
  const isFirst = from.block === 0 && from.rest.length === 0;
  const head = isFirst ? rawHeaderOf(storage, hasher, work) : from.rest;
  const raw = Buffer.concat([head, memory.bytes.subarray(0, to.offset - from.at.offset)]);
  const isLast = to.sequence > lastSequence;
  const blocks = isLast ? Math.ceil(raw.length / blockBytes) : Math.floor(raw.length / blockBytes);
  const entries = Buffer.allocUnsafeSlow(blocks * BLOCK_ENTRY_BYTES);
  const parts: Buffer[] = [];
  for (let block = 0; block < blocks; block++) {
    const stored = packBlock(codec, raw.subarray(block * blockBytes, (block + 1) * blockBytes));
    writeBlockEntry(entries, block, stored, number, hasher);
    parts.push(stored);
  }
  const offset = from.offset + parts.reduce((sum, { length }) => sum + length, 0);
  const handle = storage.openWrite(temporaryPath(work), isFirst ? 'create' : 'existing');
  try {
    if (parts.length > 0) writeFully(storage, handle, parts, from.offset);
    syncWhereDue(storage, handle, from.offset, offset, isLast);
  } finally {
    storage.close(handle);
  }
  // In memory of its own: what is left of a block goes over to the next step.
  const rest = new Uint8Array(raw.subarray(blocks * blockBytes));
  return {
    to: { at: to, rest, block: from.block + blocks, offset },
    entries,
    digests: digestsOf({ memory, starts }),
  };
}

function rawHeaderOf(storage: Storage, hasher: PlaceHasher, { dir, number, storeId }: SealedWork): Buffer {
  const log = unsealing(storage, storeId, hasher);
  return readRange(log, path.join(dir, segmentFile(number)), 0, SEGMENT_HEADER_BYTES);
}

function assemble(
  storage: Storage,
  hasher: PlaceHasher,
  work: SealedWork,
  { range, storedBytes, table, digests }: CompactStepOf<'assemble'>,
): undefined {
  const { firstSequence, rawBytes, blockBytes, lastFrame } = range;
  const segment = { isCompacted: true, blockBytes, firstSequence, rawBytes, lastFrame, storedBytes };
  const rawHeader = rawHeaderOf(storage, hasher, work);
  assembleSealed(storage, hasher, work, temporaryPath(work), { segment, rawHeader, table, digests });
  return undefined;
}

function recheck(
  storage: Storage,
  hasher: PlaceHasher,
  work: SealedWork,
  removal: Removal,
  { range, from }: CompactStepOf<'recheck'>,
): CompactResults['recheck'] {
  const { number, storeId, holes } = work;
  const { lastSequence } = range;
  const old = framesFrom(storage, hasher, work, { from, lastSequence });
  const file = temporaryPath(work);
  try {
    const place = { file, number, storeId, hasher };
    // What reads do without has to be there as well.
    if (from.sequence === range.start.sequence && damagedParts(storage, place).length > 0) return undefined;
    const sealed = SealedSegment.open(storage, place);
    try {
      const { rawBytes, lastFrame, isCompacted } = sealed.header;
      if (!isCompacted || rawBytes !== range.rawBytes || !sameChecksum(lastFrame, range.lastFrame)) return undefined;
      const source = { log: asStorage(sealed), hasher, holes: new Holes(holes), file, blamed: file, number };
      const made = readFrames({ ...source, lastSequence: old.to.sequence - 1 }, from);
      return isSameButRemoved(old, made, new Judge(removal)) ? made.to : undefined;
    } finally {
      sealed.close();
    }
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return undefined;
    throw error;
  }
}

/** Whether frames are others without what is to go, in whose place stands what says so, and with everything else, byte by byte. */
function isSameButRemoved(old: FramesRead, made: FramesRead, judge: Judge): boolean {
  const [before, after] = [old.to, made.to];
  const isSamePlace = before.offset === after.offset && before.sequence === after.sequence;
  if (!isSamePlace || !sameChecksum(before.previous, after.previous)) return false;
  const going = new Set<number>();
  for (const frame of framesIn(old)) for (const at of judge.judge(old.memory, frame).going) going.add(at);
  let place = 0;
  for (const at of made.starts) {
    const end = at + recordLength(made.memory.view, at);
    const isGone = isRemoved(made.memory.view, at);
    // What it stands for ends where it does.
    for (let next = at; next < end; place++) {
      if (old.starts[place] !== next) return false;
      const length = recordLength(old.memory.view, next);
      const wasGone = isRemoved(old.memory.view, next);
      if (isGone !== (going.has(next) || wasGone)) return false;
      if (!isGone && !isSame(old, made, next, length)) return false;
      next += length;
      if (next > end) return false;
    }
  }
  return place === old.starts.length;
}

function isSame(one: FramesRead, other: FramesRead, at: number, length: number): boolean {
  return one.memory.bytes.subarray(at, at + length).equals(other.memory.bytes.subarray(at, at + length));
}

function commit(storage: Storage, work: SealedWork): undefined {
  removeIndex(storage, work);
  storage.rename(temporaryPath(work), sealedPath(work));
  storage.syncDir(work.dir);
  return undefined;
}

/** An index that names what is gone is not to come back beside the new file, nor is a raw file that sealing has removed. */
function removeIndex(storage: Storage, { dir, number }: SealedWork): void {
  const file = path.join(dir, indexFile(number));
  if (storage.exists(file)) storage.remove(file);
  storage.syncDir(dir);
}
