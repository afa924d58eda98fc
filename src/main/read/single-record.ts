/** One record that is durable, verified: from where the index of its segment says that it is, or else by the segment's blocks. */
import type { Memory } from '../../shared/format/record.js';
import type { Catalog, Segment } from './catalog.js';
import type { ChainedSegment } from './index-files.js';
import type { Steps } from './segment-blocks.js';

/** @throws ERR_CORRUPT where the record does not verify; ERR_STORAGE */
export async function loadRecord(catalog: Catalog, sequence: number, durable: number, seed: number): Promise<Memory> {
  const segment = catalog.holding(sequence);
  const indexed = indexedFor(catalog, segment, sequence);
  const place = indexed && (await catalog.indexFiles.recordAt(indexed, sequence));
  const placed = place && (await catalog.run(segment, segment.blocks.loadPlaced(place, sequence, seed)));
  return placed ?? catalog.run(segment, byBlocks(catalog, segment, sequence, durable, seed));
}

/** The same, blocking the thread. */
export function loadRecordSync(catalog: Catalog, sequence: number, durable: number, seed: number): Memory {
  const segment = catalog.holding(sequence);
  const indexed = indexedFor(catalog, segment, sequence);
  const place = indexed && catalog.indexFiles.recordAtSync(indexed, sequence);
  const placed = place && catalog.runSync(segment, segment.blocks.loadPlaced(place, sequence, seed));
  return placed ?? catalog.runSync(segment, byBlocks(catalog, segment, sequence, durable, seed));
}

/** What a record's index is asked of, unless its block is known well enough. */
function indexedFor(catalog: Catalog, segment: Segment, sequence: number): ChainedSegment | undefined {
  return segment.blocks.isMarked(sequence) ? undefined : catalog.chained(segment);
}

function byBlocks(catalog: Catalog, segment: Segment, sequence: number, durable: number, seed: number): Steps<Memory> {
  return segment.blocks.loadRecord(sequence, catalog.lastSequenceOf(segment, durable), seed);
}
