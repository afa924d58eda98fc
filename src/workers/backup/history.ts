/**
 * Whether a store's log goes on from where a backup of it ended. A backup is of one history: a copy of the store that has grown
 * apart from it has the same id, and other events. Frames form one chain, so it is enough that the frame which ended the backup is
 * where it was. Where retention has removed that frame, the audit tree tells.
 */
import type { BackupSegment } from '../../shared/format/backup-list.js';
import type { Manifest } from '../../shared/format/manifest.js';
import type { Hole } from '../../shared/holes.js';
import { isKeeperError, type KeeperError } from '../../shared/portable/errors.js';
import type { FramePosition } from '../../shared/seal-tasks.js';
import { type LogPlace, samePlace } from './log-walk.js';
import { findInTree } from './removed-history.js';
import type { SegmentEnd } from './segments.js';
import { placeOf, type StoreSegment } from './store-log.js';
import { type BackupTarget, otherBackup } from './target.js';
import type { SignedTree } from './tree.js';

/** Where the segment's log ends of which a backup has a copy. */
export function endOf({ endOffset, lastFrame }: BackupSegment): SegmentEnd {
  return { offset: endOffset, previous: Buffer.from(lastFrame, 'hex') };
}

/** A place in a segment of the store. */
export interface PlaceInLog {
  readonly number: number;
  readonly at: FramePosition;
}

/** The log of a store as it is now. */
export interface StoreLog {
  readonly dir: string;
  readonly manifest: Manifest;
  readonly segments: readonly StoreSegment[];
  /** How far it is known to be durable. */
  readonly durable: number;
  readonly tree: SignedTree | undefined;
}

/**
 * @param target with the last backup
 * @returns where the last backup ended; undefined where there was none, where it has no events, or where retention has removed them all
 * @throws ERR_INVALID_OPTIONS where the log does not go on from there, or nobody can tell; ERR_CORRUPT, ERR_STORAGE
 */
export async function checkHistory(
  place: LogPlace,
  target: BackupTarget,
  { dir, manifest, segments, durable, tree }: StoreLog,
): Promise<PlaceInLog | undefined> {
  if (target.content === null) return undefined;
  const { manifest: then, segments: known } = target.content;
  // What a repair has given up, the backup may still have.
  const upTo = then.durableUpTo;
  if (!sameHoles(then.holes, manifest.holes, upTo)) throw otherBackup('the store was repaired since the last backup');
  const end = known.at(-1);
  if (end === undefined) return undefined;
  const segment = segments.find(({ header }) => header.number === end.number);
  const grownApart = otherBackup(`the log of ${dir} does not go on from where the last backup ended, sequence ${upTo}`);
  if (end.number < manifest.firstSegment) {
    const found = await findInTree(place, dir, tree, target, known);
    if (found === 'goes-on') return undefined;
    throw found === 'other' ? grownApart : unknowable(dir, upTo);
  }
  if (segment === undefined || segment.header.firstSequence !== end.firstSequence) throw grownApart;
  if (segment.lastSequence < end.lastSequence) throw grownApart;
  try {
    const at = await placeOf(place, dir, segment, end.lastSequence);
    if (samePlace(at, endOf(end))) return { number: end.number, at };
  } catch (error) {
    // Damage, or a log that never came so far: what is not known to be durable need not be there.
    if (!isKeeperError(error, 'ERR_CORRUPT') || end.lastSequence <= durable) throw error;
  }
  throw grownApart;
}

function unknowable(dir: string, upTo: number): KeeperError {
  const what = `whether the log of ${dir} goes on from where the last backup ended, sequence ${upTo}, cannot be told`;
  return otherBackup(`${what}: retention has removed it, and audit tree and backup do not both have its events`);
}

/** Whether the same was given up of what comes up to a sequence. */
function sameHoles(a: readonly Hole[], b: readonly Hole[], upTo: number): boolean {
  const known = (holes: readonly Hole[]): string => JSON.stringify(holes.filter(([first]) => first <= upTo));
  return known(a) === known(b);
}
