/** Going through the crash states of a journal. */
import { effort } from '../support/effort.js';
import { type CrashState, crashStates, DEEP, type Depth, NORMAL } from './crash-states.js';
import type { Promised } from './history.js';
import type { MemoryDisk } from './memory-disk.js';
import { checkRecovery } from './recovered.js';

export const DEPTH: Depth = effort(NORMAL, DEEP);

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
