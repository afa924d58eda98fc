/** The audit tree grows: the digests of some records become its leaves, and it is signed as it is then. */
import { AuditTree, LOST_DIGEST } from '../../shared/audit/audit-tree.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { DIGEST_BYTES } from '../../shared/format/sealed.js';
import type { SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import { digestsOf } from './digest.js';
import { type FramesRead, framesFrom } from './frames.js';

/** @throws ERR_CORRUPT where a frame, or the tree, does not verify; ERR_STORAGE */
export function audit(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'audit'>): SealResults['audit'] {
  const tree = AuditTree.open(storage, task.dir, Buffer.from(task.storeId).toString('hex'));
  if (task.part === 'rotate-key') return { checkpoint: tree.rotateKey(), to: undefined };
  const read = task.part && framesFrom(storage, hasher, task, task.part);
  if (read !== undefined) appendRead(tree, read);
  return { checkpoint: tree.checkpoint(), to: read?.to };
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
