/** The audit tree grows: the digests of some records become its leaves, and it is signed as it is then. */
import path from 'node:path';
import { AuditTree, LOST_DIGEST } from '../../shared/audit/audit-tree.js';
import { corrupt } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import { DIGEST_BYTES } from '../../shared/format/sealed.js';
import { Holes } from '../../shared/holes.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import type { AuditPart, FramePosition, SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import { fileOfSegment, unsealing } from '../../shared/unsealing.js';
import { digestsOf } from './digest.js';
import { type FramesRead, readFrames, startOf } from './frames.js';

/** @throws ERR_CORRUPT where a frame, or the tree, does not verify; ERR_STORAGE */
export function audit(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'audit'>): SealResults['audit'] {
  const tree = AuditTree.open(storage, task.dir, Buffer.from(task.storeId).toString('hex'));
  if (task.part === 'rotate-key') return { checkpoint: tree.rotateKey(), to: undefined };
  const to = task.part === undefined ? undefined : grow(storage, hasher, tree, task, task.part);
  return { checkpoint: tree.checkpoint(), to };
}

/** Append some frames' records; returns where to go on. */
function grow(
  storage: Storage,
  hasher: PlaceHasher,
  tree: AuditTree,
  { dir, number, storeId, holes: list }: SealTaskOf<'audit'>,
  { from, lastSequence }: AuditPart,
): FramePosition {
  const log = unsealing(storage, storeId, hasher);
  const holes = new Holes(list);
  const file = path.join(dir, segmentFile(number));
  const blamed = fileOfSegment(storage, dir, number);
  const source = { log, hasher, holes, file, blamed, number, lastSequence };
  const header = from === undefined ? readSegmentHeader({ storage: log, dir, storeId, hasher }, number) : undefined;
  const start = from ?? (header && startOf(header, holes));
  if (start === undefined) throw corrupt(blamed, 0, 'a segment that is in use has no valid header');
  const read = readFrames(source, start);
  appendRead(tree, read);
  return read.to;
}

/** What lies between two frames was lost: its leaves say so. */
function appendRead(tree: AuditTree, read: FramesRead): void {
  const digests = digestsOf(read);
  let at = 0;
  for (const { firstSequence, count } of read.frames) {
    for (let lost = tree.size + 1; lost < firstSequence; lost++) tree.append(lost, LOST_DIGEST);
    tree.append(firstSequence, digests.subarray(at, at + count * DIGEST_BYTES));
    at += count * DIGEST_BYTES;
  }
}
