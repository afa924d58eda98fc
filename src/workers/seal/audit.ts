/** The audit tree grows: the digests of some records become its leaves, and it is signed as it is then. */
import { AuditTree, LOST_DIGEST } from '../../shared/audit/audit-tree.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { recordSequence } from '../../shared/format/record.js';
import { isRemoved } from '../../shared/format/removed-record.js';
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

/** What lies between two frames was lost, and what was removed before there was a tree is gone: their leaves say so. */
function appendRead(tree: AuditTree, { memory, starts, frames }: FramesRead): void {
  const { view } = memory;
  const lack = (upTo: number): void => {
    for (let lost = tree.size + 1; lost <= upTo; lost++) tree.append(lost, LOST_DIGEST);
  };
  let run: number[] = [];
  const append = (): void => {
    if (run.length === 0) return;
    const first = recordSequence(view, run[0]!);
    lack(first - 1);
    tree.append(first, digestsOf({ memory, starts: run }));
    run = [];
  };
  for (const at of starts) {
    const follows = run.length > 0 && recordSequence(view, at) === recordSequence(view, run.at(-1)!) + 1;
    if (!follows || isRemoved(view, at)) append();
    if (!isRemoved(view, at)) run.push(at);
  }
  append();
  const last = frames.at(-1);
  if (last !== undefined) lack(last.firstSequence + last.count - 1);
}
