/** One job of the thread that copies. */
import type { CopyHooks, CopyJob, CopyReports } from '../../shared/backup-jobs.js';
import { fromWire, isKeeperError, toWire } from '../../shared/portable/errors.js';
import { STORAGE_HINT, type Storage } from '../../shared/storage.js';
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
    if (!isKeeperError(error, 'ERR_STORAGE') || error.hint !== STORAGE_HINT) throw error;
    throw fromWire({ ...toWire(error), hint: HINTS[job.kind] });
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
