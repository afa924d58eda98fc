/** The thread that copies: it does one job, and ends. Its calls may block: nobody waits for it but who has asked for the job. */
import os from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import type { CopyData, FromCopy } from '../../shared/backup-jobs.js';
import { isKeeperError, toWire } from '../../shared/portable/errors.js';
import { nodeStorage } from '../../shared/storage.js';
import { CopyPace } from './pace.js';
import { runCopyJob } from './run.js';

const { job, control } = workerData as CopyData;
const port = parentPort;
if (port === null) throw new Error('this file runs in a worker thread only');

// What copies gives way to what appends and reads. There the priority is that of the calling thread; elsewhere of the process.
if (process.platform === 'linux') {
  // It may be lower already, and cannot be raised.
  os.setPriority(Math.max(os.getPriority(), os.constants.priority.PRIORITY_BELOW_NORMAL));
}

const tell = (message: FromCopy): void => port.postMessage(message);

const pace = new CopyPace(control);
const hooks = {
  pause: () => pace.pause(),
  onProgress: (progress: Extract<FromCopy, { kind: 'progress' }>['progress']) => tell({ kind: 'progress', progress }),
};

try {
  tell({ kind: 'done', report: await runCopyJob(nodeStorage, job, hooks) });
} catch (error) {
  // Errors lose their class and code between threads.
  if (!isKeeperError(error)) throw error;
  tell({ kind: 'failed', error: toWire(error) });
}
