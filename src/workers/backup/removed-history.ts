/**
 * Whether a store's log went on from where a backup of it ended, where retention has removed that place. The audit tree has the
 * digest of each event that ever was, whatever is left of the log: the last events that the backup has must be those of the tree.
 */
import { LOST_DIGEST } from '../../shared/audit/audit-tree.js';
import { TileFiles } from '../../shared/audit/tile-files.js';
import { Tiles } from '../../shared/audit/tiles.js';
import { type BackupSegment, storeName } from '../../shared/format/backup-list.js';
import { recordSequence } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import { HASH_BYTES, hashLeafInto } from '../../shared/format/tree-hash.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import { digestsOf } from '../seal/digest.js';
import { readFrames, startOf } from '../seal/frames.js';
import { asStorage } from '../seal/one-file.js';
import { headerOf, type LogPlace, openSegment } from './log-walk.js';
import type { BackupTarget } from './target.js';
import type { SignedTree } from './tree.js';

/** Nobody can tell where the tree does not have the events, or the backup's own files do not verify. */
export type Found = 'goes-on' | 'other' | 'unknown';

/**
 * @param dir of the store, with the tree
 * @param segments of the backup
 * @throws ERR_CORRUPT where a tile of the tree does not verify; ERR_STORAGE
 */
export async function findInTree(
  place: LogPlace,
  dir: string,
  tree: SignedTree | undefined,
  target: BackupTarget,
  segments: readonly BackupSegment[],
): Promise<Found> {
  if (tree === undefined) return 'unknown';
  const tiles = new Tiles(new TileFiles(place.storage, dir), tree.edge);
  for (const segment of segments.toReversed()) {
    if (segment.lastSequence > tree.edge.size || !target.holds(storeName(segment), segment)) return 'unknown';
    const found = await compare(place, tiles, target.path(storeName(segment), segment), segment);
    if (found !== undefined) return found;
  }
  return 'unknown';
}

/** The events of one segment; undefined where it has none. */
async function compare(
  place: LogPlace,
  tiles: Tiles,
  file: string,
  { number, sealed, lastSequence }: BackupSegment,
): Promise<Found | undefined> {
  const { hasher, holes, pause } = place;
  const source = { file, sealed, number };
  let found: Found | undefined;
  try {
    const open = openSegment(place, source);
    try {
      const header = headerOf(place, source, open);
      if (header === undefined) return 'unknown';
      const frames = { log: asStorage(open), hasher, holes, file, blamed: file, number, lastSequence };
      for (let at = startOf(header, holes); at.sequence <= lastSequence; ) {
        await pause();
        const read = readFrames(frames, at);
        const { view } = read.memory;
        const sequences = read.starts.filter((start) => !isRemoved(view, start)).map((s) => recordSequence(view, s));
        found = compareDigests(tiles, sequences, digestsOf(read)) ?? found;
        if (found === 'other' || found === 'unknown') break;
        at = read.to;
      }
      return found;
    } finally {
      open.close();
    }
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT') && error.file === file) return 'unknown';
    throw error;
  }
}

/** Undefined where there are none. */
function compareDigests(tiles: Tiles, sequences: readonly number[], digests: Buffer): Found | undefined {
  const leaf = Buffer.alloc(HASH_BYTES);
  const lost = Buffer.alloc(HASH_BYTES);
  hashLeafInto(Buffer.from(LOST_DIGEST), 0, lost, 0);
  for (const [i, sequence] of sequences.entries()) {
    hashLeafInto(digests, i * HASH_BYTES, leaf, 0);
    const known = tiles.leaf(sequence - 1);
    if (!known.equals(leaf)) return known.equals(lost) ? 'unknown' : 'other';
  }
  return sequences.length === 0 ? undefined : 'goes-on';
}
