/**
 * How much is tried: the short form in every run of the tests, the long one under `npm run test:faults`, which also counts
 * what was tried.
 */
import fs from 'node:fs';

/** Whether this is the long form. */
export const LONG = process.env.FAULTS === 'long';

/** Where every random choice of the proofs begins; a failure tells it, and FAULTS_SEED repeats it. */
export const SEED = Number(process.env.FAULTS_SEED ?? 1);

/** How long a test may take on a machine that is busy. Unit: milliseconds. */
export const TIMEOUT_MS = LONG ? 4 * 3_600_000 : 300_000;

/** How much of something: so much in the short form, so much in the long one. */
export function effort<T>(short: T, long: T): T {
  return LONG ? long : short;
}

/** Every so-manieth of a list, from the first on; in the long form all of it. */
export function sample<T>(list: readonly T[], every: number): T[] {
  return LONG ? [...list] : list.filter((_, i) => i % every === 0);
}

/** Tell how far something long has come; in the long form alone. */
export function progress(text: string): void {
  if (LONG) process.stderr.write(`${text}\n`);
}

/**
 * Count what was tried, for the table at the end of the long form. Call it when it was tried, not when it begins.
 *
 * @param part of the proof, such as `crash states`
 * @param what was tried, in the plural: `distinct states`
 */
export function tally(part: string, what: string, count: number): void {
  const file = process.env.FAULTS_TALLY;
  if (file !== undefined) fs.appendFileSync(file, `${JSON.stringify({ part, what, count })}\n`);
}
