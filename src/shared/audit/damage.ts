/** Damage of the audit tree, which is none of the log. */
import { corrupt } from '../damage.js';
import type { KeeperError } from '../portable/errors.js';

const HINT =
  'Nothing was changed, and the log is another matter. `keeperlog repair` makes it anew of the log, as far as that still has what it takes; else bring the file back from a backup.';

/** Of a tile that alone had digests of removed events. */
export const UNMENDED_HINT =
  'Close the store, put this file back from a backup (tile/ of its directory), and verify with `keeperlog verify --deep`. Without a backup, begin a new tree: move keeperlog.tree, tile/ and keeperlog.key away and keep them; the next compaction or retention signs anew, with a new key that those who verify must be told of. See "The audit tree is damaged" in docs/operations.md.';

/** The tree has gone, or is older than it was, and what it had cannot be computed any more. */
export function lostTree(file: string, firstSequence: number, lastSequence: number): KeeperError {
  const what = `the audit tree is lost that had the digests of what was removed, sequences ${firstSequence} to ${lastSequence}`;
  return corrupt(file, 0, what, {
    firstSequence,
    lastSequence,
    hint: 'The key that is there does not sign another one. Bring keeperlog.tree and tile/ back from a backup; or move them away with keeperlog.key: then a new key signs a new tree, without these digests.',
  });
}

export function damagedTree(
  file: string,
  offset: number,
  message: string,
  range: { firstSequence?: number; lastSequence?: number; hint?: string } = {},
): KeeperError {
  return corrupt(file, offset, message, { hint: HINT, ...range });
}
