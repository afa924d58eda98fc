/** Going through the crash states of a journal. */
import { type CrashState, crashStates, DEEP, type Depth, NORMAL } from './crash-states.js';
import type { Promised } from './history.js';
import type { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';

/** Set by `npm run crash:sweep`: every state that the enumerator knows how to make, for as long as it takes. */
const SWEEP = process.env.CRASH_DEPTH === 'deep';

export const DEPTH: Depth = SWEEP ? DEEP : NORMAL;

/** How long a test may take on a machine that is busy. Unit: milliseconds. */
export const TIMEOUT_MS = SWEEP ? 7_200_000 : 300_000;

/** Every so-manieth of a list, from the first on; in a sweep all of it. */
export function sample<T>(list: readonly T[], every: number): T[] {
  return SWEEP ? [...list] : list.filter((_, i) => i % every === 0);
}

/** The states of a disk's journal, from a number of steps on. */
export function statesOf(disk: MemoryDisk<Promised>, from = 0): Generator<CrashState<Promised>> {
  return crashStates(disk.base, disk.journal, DEPTH, from);
}

/**
 * Recover every state of a disk's journal, and check what comes of it.
 * @throws at the first state from which something was lost
 */
export async function checkAll(disk: MemoryDisk<Promised>, from = 0): Promise<void> {
  for (const state of statesOf(disk, from)) {
    try {
      await checkRecovery(state.image, state.note);
    } catch (error) {
      throw new Error(`after step ${state.steps} of ${disk.journal.length}: ${(error as Error).message}`, {
        cause: error,
      });
    }
  }
}
