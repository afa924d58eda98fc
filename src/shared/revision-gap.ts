/** Revisions of a stream are gapless as appended; only what a repair gave up, or what does not verify, is missing. */
import type { Holes } from './holes.js';
import type { Problem } from './problem.js';

/**
 * What is wrong with the next event of a stream; undefined where nothing is.
 * @param before the revision of the one before it, -1 where there is none
 * @param since the sequence of the one before it, 0 where there is none
 * @param problems what does not verify besides
 */
export function revisionGap(
  before: number,
  since: number,
  revision: number,
  sequence: number,
  holes: Holes,
  problems: readonly Problem[],
): string | undefined {
  const expected = before + 1;
  if (revision === expected) return undefined;
  const isMissing = ({ firstSequence = 0, lastSequence = 0 }: Problem): boolean =>
    firstSequence > since && lastSequence < sequence;
  if (revision > expected && (holes.isBetween(since, sequence) || problems.some(isMissing))) return undefined;
  return `sequence ${sequence} has revision ${revision} where ${expected} is expected`;
}
