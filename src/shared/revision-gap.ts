/** Revisions of a stream are gapless as appended; only what a repair gave up, or what does not verify, is missing. */
import type { Holes } from './holes.js';

/**
 * What is wrong with the next event of a stream; undefined where nothing is.
 * @param before the revision of the one before it, -1 where there is none
 * @param since the sequence of the one before it, 0 where there is none
 * @param missing the sequences that are known to be missing
 */
export function revisionGap(
  before: number,
  since: number,
  revision: number,
  sequence: number,
  ...missing: readonly Holes[]
): string | undefined {
  const expected = before + 1;
  if (revision === expected) return undefined;
  if (revision > expected && missing.some((holes) => holes.isBetween(since, sequence))) return undefined;
  return `sequence ${sequence} has revision ${revision} where ${expected} is expected`;
}
