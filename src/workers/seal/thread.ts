/** A thread of the pool. */
import { isKeeperError, toWire } from '../../shared/portable/errors.js';
import type { PoolAnswer, SealTask } from '../../shared/seal-tasks.js';
import { nodeStorage } from '../../shared/storage.js';
import { runSealTask } from './seal.js';

export default async function run(task: SealTask): Promise<PoolAnswer> {
  try {
    return { result: await runSealTask(nodeStorage, task) };
  } catch (error) {
    // Errors lose their class and code between threads.
    if (isKeeperError(error)) return { error: toWire(error) };
    throw error;
  }
}
