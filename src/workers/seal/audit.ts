/** The audit tree grows: the digests of some records become its leaves, and it is signed as it is then. */
import { AuditTree } from '../../shared/audit/audit-tree.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { recordSequence } from '../../shared/format/record.js';
import { isRemoved, lastSequenceAt } from '../../shared/format/removed-record.js';
import { Holes } from '../../shared/holes.js';
import type { Checkpoint } from '../../shared/portable/proof/checkpoint.js';
import type { AuditPart, FramePosition, PrunedPart, SealResults, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Storage } from '../../shared/storage.js';
import { digestsOf } from './digest.js';
import { type FramesRead, framesFrom } from './frames.js';

/** @throws ERR_CORRUPT where a frame, or the tree, does not verify; ERR_STORAGE */
export function audit(storage: Storage, hasher: PlaceHasher, task: SealTaskOf<'audit'>): SealResults['audit'] {
  const tree = AuditTree.open(storage, task.dir, Buffer.from(task.storeId).toString('hex'));
  const { hasKey, isKeyExposed } = tree;
  const of = (checkpoint: Checkpoint, to?: FramePosition): SealResults['audit'] => ({
    ...{ checkpoint, to, isNewKey: !hasKey, isKeyExposed },
  });
  const { part } = task;
  if (part === 'rotate-key') return of(tree.rotateKey());
  let to: FramePosition | undefined;
  if (part !== undefined && 'prunedUpTo' in part) appendPruned(tree, new Holes(task.holes), part);
  else if (part !== undefined) {
    const read = framesFrom(storage, hasher, task, part);
    appendRead(tree, read, part);
    to = read.to;
  }
  return of(tree.checkpoint(), to);
}

/** What lies between two frames was lost, and what was removed is gone: their leaves are in tiles, or say so. */
function appendRead(tree: AuditTree, { memory, starts, frames }: FramesRead, { mayLack }: AuditPart): void {
  const { view } = memory;
  let run: number[] = [];
  const append = (): void => {
    if (run.length === 0) return;
    const first = recordSequence(view, run[0]!);
    tree.appendGone(first - 1, false);
    tree.append(first, digestsOf({ memory, starts: run }));
    run = [];
  };
  for (const at of starts) {
    const first = recordSequence(view, at);
    const follows = run.length > 0 && first === recordSequence(view, run.at(-1)!) + 1;
    if (!follows || isRemoved(view, at)) append();
    if (!isRemoved(view, at)) {
      run.push(at);
      continue;
    }
    tree.appendGone(first - 1, false);
    tree.appendGone(lastSequenceAt(view, at), !mayLack);
  }
  append();
  const last = frames.at(-1);
  if (last !== undefined) tree.appendGone(last.firstSequence + last.count - 1, false);
}

/** The segments are gone, and with them what was lost in them before. */
function appendPruned(tree: AuditTree, holes: Holes, { prunedUpTo: upTo, mayLack }: PrunedPart): void {
  while (tree.size < upTo) {
    const sequence = tree.size + 1;
    const next = holes.skip(sequence);
    if (next > sequence) tree.appendGone(Math.min(next - 1, upTo), false);
    else tree.appendGone(sequence, !mayLack);
  }
}
