/** One job of the thread that copies. */
import type { CopyHooks, CopyJob, CopyReports } from '../../shared/backup-jobs.js';
import type { Storage } from '../../shared/storage.js';
import { backUp } from './backup.js';
import { restore } from './restore.js';

export function runCopyJob(storage: Storage, job: CopyJob, hooks: CopyHooks): Promise<CopyReports[CopyJob['kind']]> {
  switch (job.kind) {
    case 'backup':
      return backUp(storage, job, hooks);
    case 'restore':
      return restore(storage, job, hooks);
    default:
      throw new Error(`unknown job: ${JSON.stringify(job satisfies never)}`);
  }
}
