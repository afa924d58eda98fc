/** Revisions of a stream are gapless as appended; only what was given up or removed, or does not verify, is missing. */

/** Sequences that are missing. */
export interface Missing {
  /** Whether any of them is between two others. */
  isBetween(low: number, high: number): boolean;
}

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
  missing: readonly Missing[],
): string | undefined {
  const expected = before + 1;
  if (revision === expected) return undefined;
  if (revision > expected && missing.some((some) => some.isBetween(since, sequence))) return undefined;
  return `sequence ${sequence} has revision ${revision} where ${expected} is expected`;
}
