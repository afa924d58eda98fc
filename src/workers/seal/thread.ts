/** A thread of the pool. */
import os from 'node:os';
import { isKeeperError, toWire } from '../../shared/portable/errors.js';
import type { PoolAnswer, SealTask } from '../../shared/seal-tasks.js';
import { nodeStorage } from '../../shared/storage.js';
import { runSealTask } from './seal.js';

// What seals gives way to what appends and reads. There the priority is that of the calling thread; elsewhere of the process.
if (process.platform === 'linux') {
  // It may be lower already, and cannot be raised.
  os.setPriority(Math.max(os.getPriority(), os.constants.priority.PRIORITY_BELOW_NORMAL));
}

export default async function run(task: SealTask): Promise<PoolAnswer> {
  const began = performance.now();
  try {
    const result = await runSealTask(nodeStorage, task);
    return { result, tookMs: performance.now() - began };
  } catch (error) {
    // Errors lose their class and code between threads.
    if (isKeeperError(error)) return { error: toWire(error) };
    throw error;
  }
}
