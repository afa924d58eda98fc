/**
 * The steps of making an index file. It is written under a temporary name, beside the runs that it is made of; a name or bytes
 * that a crash takes with it cost nothing but that it is made again.
 */
import path from 'node:path';
import { corrupt } from '../../shared/damage.js';
import { CHECKSUM_BYTES, type PlaceHasher } from '../../shared/format/checksum.js';
import { indexFile, sealedFile, segmentFile, TEMPORARY } from '../../shared/format/file-names.js';
import { encodeIndexHeader, type FieldIndex, INDEX_HEADER_BYTES } from '../../shared/format/index-file.js';
import {
  addToBlock,
  BLOCKS_PER_PAGE,
  FILTER_BLOCK_BYTES,
  filterBlockOf,
  filterBlocksFor,
} from '../../shared/format/index-filter.js';
import {
  type BlockRef,
  CHUNK_RECORDS,
  CHUNKS_PER_PAGE,
  encodeChunk,
  encodePage,
} from '../../shared/format/index-offsets.js';
import { type BlockEntry, TreeBlockWriter } from '../../shared/format/index-tree.js';
import { Holes } from '../../shared/holes.js';
import type { IndexResults, IndexStep, IndexStepOf, IndexWork } from '../../shared/index-tasks.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import { SealedSegment } from '../../shared/sealed-segment.js';
import { type Storage, writeFully } from '../../shared/storage.js';
import { unsealing } from '../../shared/unsealing.js';
import { readFrames, startOf } from './frames.js';
import { Blocks, mergeRuns, SLICE_BYTES, SLICE_ENTRIES } from './index-merge.js';
import { removeRuns, withRuns, writeRun } from './runs-file.js';
import { syncWhereDue } from './sync-due.js';

/** @throws ERR_CORRUPT where the segment does not verify; ERR_STORAGE */
export function runIndexStep(
  storage: Storage,
  hasher: PlaceHasher,
  work: IndexWork,
  step: IndexStep,
): IndexResults[IndexStep['step']] {
  switch (step.step) {
    case 'begin':
      return begin(storage, hasher, work);
    case 'run':
      return run(storage, hasher, work, step);
    case 'offsets':
      return offsets(storage, hasher, work, step);
    case 'merge':
      return merge(storage, hasher, work, step);
    case 'dictionary':
      return dictionary(storage, hasher, work, step);
    case 'commit':
      return commit(storage, hasher, work, step);
    case 'discard':
      if (storage.exists(temporaryPath(work))) storage.remove(temporaryPath(work));
      removeRuns(storage, work);
      return undefined;
    default:
      throw new Error(`unknown step: ${JSON.stringify(step satisfies never)}`);
  }
}

function indexPath({ dir, number }: IndexWork): string {
  return path.join(dir, indexFile(number));
}

function temporaryPath(work: IndexWork): string {
  return indexPath(work) + TEMPORARY;
}

function begin(storage: Storage, hasher: PlaceHasher, work: IndexWork): IndexResults['begin'] {
  const { dir, number, storeId } = work;
  const file = path.join(dir, sealedFile(number));
  if (storage.exists(path.join(dir, segmentFile(number))) || !storage.exists(file)) return undefined;
  const place = { storage: unsealing(storage, storeId, hasher), dir, storeId, hasher };
  const own = readSegmentHeader(place, number);
  const next = readSegmentHeader(place, number + 1);
  if (own === undefined || next === undefined) throw corrupt(file, 0, 'there is no segment behind a sealed one');
  const sealed = SealedSegment.open(storage, { file, number, storeId, hasher });
  try {
    const { firstSequence, count, rawBytes, lastFrame } = sealed.header;
    const segment = { number, firstSequence, count, rawBytes, lastFrame };
    return { segment, lastSequence: next.firstSequence - 1, start: startOf(own, new Holes(work.holes)) };
  } finally {
    sealed.close();
  }
}

function run(
  storage: Storage,
  hasher: PlaceHasher,
  work: IndexWork,
  { range, from, offset }: IndexStepOf<'run'>,
): IndexResults['run'] {
  const { dir, number, storeId, nodeId, holes } = work;
  const log = unsealing(storage, storeId, hasher);
  const file = path.join(dir, segmentFile(number));
  const blamed = path.join(dir, sealedFile(number));
  const { lastSequence, segment } = range;
  const source = { log, hasher, holes: new Holes(holes), file, blamed, number, lastSequence };
  const read = readFrames(source, from);
  const { firstSequence } = segment;
  const written = writeRun(storage, hasher, { dir, number, nodeId, firstSequence, lastSequence, read }, offset);
  return { to: read.to, ...written };
}

function offsets(
  storage: Storage,
  hasher: PlaceHasher,
  work: IndexWork,
  { segment, offsets: parts, offset }: IndexStepOf<'offsets'>,
): IndexResults['offsets'] {
  const into = new Blocks(segment, hasher, offset);
  const all = new Uint32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  const chunks: BlockRef[] = [];
  // The last one is where the segment ends.
  for (let first = 0; first < all.length - 1; first += CHUNK_RECORDS) {
    chunks.push(into.add(encodeChunk(all.subarray(first, Math.min(first + CHUNK_RECORDS, all.length - 1) + 1))));
  }
  const directoryOffset = into.offset;
  for (let chunk = 0; chunk < chunks.length; chunk += CHUNKS_PER_PAGE) {
    into.add(encodePage(chunks.slice(chunk, chunk + CHUNKS_PER_PAGE)));
  }
  write(storage, temporaryPath(work), offset, into.parts);
  return { directoryOffset, offset: into.offset };
}

function merge(
  storage: Storage,
  hasher: PlaceHasher,
  work: IndexWork,
  { segment, places, fields, positions, offset }: IndexStepOf<'merge'>,
): IndexResults['merge'] {
  const { nodeId } = work;
  const into = new Blocks(segment, hasher, offset);
  const done: FieldIndex[] = [];
  const part = withRuns(storage, hasher, work, (read) => {
    let left = SLICE_ENTRIES;
    for (const sections of fields) {
      const begun = done.length === 0 ? positions : undefined;
      const merged = mergeRuns({ segment, places, nodeId, sections, positions: begun, read }, left, hasher, into);
      if (begun !== undefined || merged.part.positions !== undefined) return merged.part;
      done.push(dictionaryOf(merged.part.leaves, merged.part.hashes, nodeId, into));
      left -= merged.taken;
      if (left <= 0 || into.bytes >= SLICE_BYTES) break;
    }
    return undefined;
  });
  write(storage, temporaryPath(work), offset, into.parts);
  return { done, part, offset: into.offset };
}

function dictionary(
  storage: Storage,
  hasher: PlaceHasher,
  work: IndexWork,
  { segment, leaves, hashes, offset }: IndexStepOf<'dictionary'>,
): IndexResults['dictionary'] {
  const into = new Blocks(segment, hasher, offset);
  const field = dictionaryOf(leaves, Buffer.concat(hashes), work.nodeId, into);
  write(storage, temporaryPath(work), offset, into.parts);
  return { field, offset: into.offset };
}

/** What is above the leaves of a dictionary, and its filter. */
function dictionaryOf(leaves: readonly BlockEntry[], hashes: Uint8Array, nodeId: string, into: Blocks): FieldIndex {
  const values = hashes.length / CHECKSUM_BYTES;
  // One block says at once whether a value is in it.
  const filter = leaves.length > 1 ? addFilter(hashes, values, into) : { filterOffset: 0, filterBlocks: 0 };
  let level = leaves;
  for (let height = 1; level.length > 1; height++) level = levelAbove(level, height, nodeId, into);
  const root = level[0];
  return { root: root && { offset: root.offset, length: root.length }, values, ...filter };
}

function levelAbove(below: readonly BlockEntry[], height: number, nodeId: string, into: Blocks): BlockEntry[] {
  const blocks: BlockEntry[] = [];
  const block = new TreeBlockWriter(height, nodeId);
  const close = (): void => {
    const { key } = block;
    blocks.push({ key, ...into.add(block.take()) });
  };
  for (const entry of below) {
    block.addBlock(entry);
    if (block.isFull) close();
  }
  if (!block.isEmpty) close();
  return blocks;
}

function addFilter(
  hashes: Uint8Array,
  values: number,
  into: Blocks,
): Pick<FieldIndex, 'filterOffset' | 'filterBlocks'> {
  const filterBlocks = filterBlocksFor(values);
  const filter = Buffer.alloc(filterBlocks * FILTER_BLOCK_BYTES);
  for (let at = 0; at < hashes.length; at += CHECKSUM_BYTES) {
    const hash = hashes.subarray(at, at + CHECKSUM_BYTES);
    addToBlock(filter, filterBlockOf(hash, filterBlocks) * FILTER_BLOCK_BYTES, hash);
  }
  const filterOffset = into.offset;
  const pageBytes = BLOCKS_PER_PAGE * FILTER_BLOCK_BYTES;
  for (let at = 0; at < filter.length; at += pageBytes) into.add(filter.subarray(at, at + pageBytes));
  return { filterOffset, filterBlocks };
}

function commit(storage: Storage, hasher: PlaceHasher, work: IndexWork, { header }: IndexStepOf<'commit'>): undefined {
  const file = temporaryPath(work);
  const handle = storage.openWrite(file, 'existing');
  try {
    writeFully(storage, handle, [encodeIndexHeader(header, work.storeId, hasher)], 0);
    storage.sync(handle);
  } finally {
    storage.close(handle);
  }
  storage.rename(file, indexPath(work));
  storage.syncDir(work.dir);
  removeRuns(storage, work);
  return undefined;
}

/** Write blocks; the first ones, behind the header, make the file. */
function write(storage: Storage, file: string, offset: number, parts: readonly Uint8Array[]): void {
  const isFirst = offset === INDEX_HEADER_BYTES;
  if (parts.length === 0 && !isFirst) return;
  const handle = storage.openWrite(file, isFirst ? 'create' : 'existing');
  try {
    const bytes = Buffer.concat(parts);
    if (bytes.length > 0) writeFully(storage, handle, [bytes], offset);
    syncWhereDue(storage, handle, offset, offset + bytes.length);
  } finally {
    storage.close(handle);
  }
}
