/** Damage of the audit tree, which is none of the log. */
import { corrupt } from '../damage.js';
import type { KeeperError } from '../portable/errors.js';

const HINT =
  'Nothing was changed, and the log is another matter. `keeperlog repair` makes it anew of the log, as far as that still has what it takes; else bring the file back from a backup.';

export function damagedTree(
  file: string,
  offset: number,
  message: string,
  range: { firstSequence?: number; lastSequence?: number } = {},
): KeeperError {
  return corrupt(file, offset, message, { ...range, hint: HINT });
}
