/** The thread that copies, from the caller's side: a job goes in, progress and one answer come out. */
import { Worker } from 'node:worker_threads';
import type { CopyData, CopyJob, CopyReports, FromCopy } from '../shared/backup-jobs.js';
import type { BackupProgress } from '../shared/backup-report.js';
import { fromWire, KeeperError } from '../shared/portable/errors.js';

/** Who is told how far a job is, and may end it. */
export interface CopyControl {
  /** Ends the job between two slices: it fails with ERR_ABORTED then. */
  readonly signal: AbortSignal;
  onProgress(progress: BackupProgress): void;
}

/**
 * Do a job in a thread of its own. Resolves, or rejects, when the thread has ended: nothing is written any more then.
 * @param file what the thread runs
 */
export async function copyInThread<K extends CopyJob['kind']>(
  file: URL,
  job: Extract<CopyJob, { kind: K }>,
  { signal, onProgress }: CopyControl,
): Promise<CopyReports[K]> {
  const stop = new Int32Array(new SharedArrayBuffer(4));
  const abort = (): void => void Atomics.store(stop, 0, 1);
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  // What this package runs: options of the caller's program, such as --input-type, are not for it.
  const workerData: CopyData = { job, stop };
  const thread = new Worker(file, { name: 'keeperlog backup', execArgv: [], workerData });
  let answer: FromCopy | undefined;
  let failure: unknown;
  thread.on('message', (message: FromCopy) => {
    if (message.kind !== 'progress') answer = message;
    else if (!signal.aborted) tell(message.progress);
  });
  // What the caller's function throws ends the job, and is what it fails with.
  const tell = (progress: BackupProgress): void => {
    try {
      onProgress(progress);
    } catch (error) {
      failure ??= error;
      abort();
    }
  };
  thread.on('error', (error) => {
    failure ??= threadEnded(error);
  });
  await new Promise<void>((resolve) => thread.on('exit', () => resolve()));
  signal.removeEventListener('abort', abort);
  if (failure !== undefined) throw failure;
  if (answer?.kind === 'done') return answer.report as CopyReports[K];
  throw answer?.kind === 'failed' ? fromWire(answer.error) : threadEnded(undefined);
}

/** The thread has ended before its job had: out of memory, or by an error that nobody expected. */
function threadEnded(cause: unknown): KeeperError {
  return new KeeperError(
    'ERR_STORAGE',
    `the thread that copies has ended: ${(cause as Error)?.message ?? 'it was killed'}`,
    {
      errno: 'EPIPE',
      syscall: 'worker',
      cause,
      hint: 'What was there before is whole. Try again; if it ends again, there may be too little memory.',
    },
  );
}
