/** One job of the thread that copies. */
import type { CopyHooks, CopyJob, CopyReports } from '../../shared/backup-jobs.js';
import type { Storage } from '../../shared/storage.js';
import { hinted } from '../../shared/storage-error.js';
import { backUp } from './backup.js';
import { restore } from './restore.js';

const HINTS: Readonly<Record<CopyJob['kind'], string>> = {
  backup:
    'The store, and the backup before this one, are as they were. Look at the disk of either, and back up once more.',
  restore: 'Nothing was restored, and the backup is as it was. Look at the disk of either, and restore once more.',
};

/** @throws what the job throws */
export async function runCopyJob(
  storage: Storage,
  job: CopyJob,
  hooks: CopyHooks,
): Promise<CopyReports[CopyJob['kind']]> {
  try {
    return await run(storage, job, hooks);
  } catch (error) {
    // Whatever has failed, no store needs a recovery for it.
    throw hinted(error, HINTS[job.kind]);
  }
}

function run(storage: Storage, job: CopyJob, hooks: CopyHooks): Promise<CopyReports[CopyJob['kind']]> {
  switch (job.kind) {
    case 'backup':
      return backUp(storage, job, hooks);
    case 'restore':
      return restore(storage, job, hooks);
    default:
      throw new Error(`unknown job: ${JSON.stringify(job satisfies never)}`);
  }
}
