/** The thread that copies, from the caller's side: a job goes in, progress and one answer come out. */
import { Worker } from 'node:worker_threads';
import { COPY_WORD, type CopyData, type CopyJob, type CopyReports, type FromCopy } from '../shared/backup-jobs.js';
import type { BackupProgress } from '../shared/backup-report.js';
import { fromWire, KeeperError } from '../shared/portable/errors.js';

/** Who is told how far a job is, and may end it. */
export interface CopyControl {
  /** Ends the job between two slices: it fails with ERR_ABORTED then. */
  readonly signal: AbortSignal;
  onProgress(progress: BackupProgress): void;
  /** Asked now and then: whether somebody appends, before whom it is to give way. */
  isBusy?(): boolean;
}

/**
 * Do a job in a thread of its own. Resolves, or rejects, when the thread has ended: nothing is written any more then.
 * @param file what the thread runs
 */
export async function copyInThread<K extends CopyJob['kind']>(
  file: URL,
  job: Extract<CopyJob, { kind: K }>,
  { signal, onProgress, isBusy = () => false }: CopyControl,
): Promise<CopyReports[K]> {
  const control = new Int32Array(new SharedArrayBuffer(4 * Object.keys(COPY_WORD).length));
  const abort = (): void => {
    Atomics.store(control, COPY_WORD.stop, 1);
    Atomics.notify(control, COPY_WORD.stop);
  };
  signal.addEventListener('abort', abort);
  if (signal.aborted) abort();
  // What this package runs: options of the caller's program, such as --input-type, are not for it.
  const workerData: CopyData = { job, control };
  const thread = new Worker(file, { name: 'keeperlog backup', execArgv: [], workerData });
  let answer: FromCopy | undefined;
  let failure: unknown;
  thread.on('message', (message: FromCopy) => {
    if (message.kind !== 'progress') answer = message;
    else if (!signal.aborted) tell(message.progress);
  });
  // What the caller's function throws ends the job, and is what it fails with.
  const tell = (progress: BackupProgress): void => {
    Atomics.store(control, COPY_WORD.busy, isBusy() ? 1 : 0);
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
