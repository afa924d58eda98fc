/** Damage of the audit tree, which is none of the log. */
import { corrupt } from '../damage.js';
import type { KeeperError } from '../portable/errors.js';

const HINT =
  'Nothing was changed, and the log is another matter. `keeperlog repair` makes it anew of the log, as far as that still has what it takes; else bring the file back from a backup.';

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
