/** The errors of what is on the disk: damage, and formats of other programs. */
import { LOG_FILES_HINT } from './format/file-names.js';
import type { Hole } from './holes.js';
import { KeeperError } from './portable/errors.js';

/** Bytes that were durable and do not verify. */
export function corrupt(
  file: string,
  offset: number,
  message: string,
  range: { firstSequence?: number; lastSequence?: number; cause?: unknown; hint?: string } = {},
): KeeperError {
  return new KeeperError('ERR_CORRUPT', `${file} at ${offset}: ${message}`, {
    file,
    offset,
    firstSequence: range.firstSequence ?? 0,
    lastSequence: range.lastSequence ?? 0,
    hint: range.hint ?? LOG_FILES_HINT,
    cause: range.cause,
  });
}

/** A segment that is missing, or has no header that belongs there. */
export function lostSegment(file: string, firstSequence: number, lastSequence: number): KeeperError {
  const what = `sequences ${firstSequence} to ${lastSequence} are in a segment that is missing or has no valid header`;
  return corrupt(file, 0, what, { firstSequence, lastSequence });
}

/** A sequence of a hole: what it named was lost, and a repair has said so. */
export function givenUp(file: string, [firstSequence, lastSequence]: Hole): KeeperError {
  return new KeeperError(
    'ERR_CORRUPT',
    `sequences ${firstSequence} to ${lastSequence} were lost: a repair gave them up`,
    {
      file,
      offset: 0,
      firstSequence,
      lastSequence,
      hint: 'What the repair could not keep is in a file of its own, whose name ends in .damaged.',
    },
  );
}

export function unsupported(file: string, found: string, supported: number): KeeperError {
  return new KeeperError('ERR_UNSUPPORTED_FORMAT', `${file} has format ${found}; this program reads ${supported}`, {
    found,
    supported: String(supported),
    hint: 'Open the store with the version of keeperlog that wrote it, or a newer one.',
  });
}
