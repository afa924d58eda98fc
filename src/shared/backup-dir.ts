/** The list of a backup's directory, read. */
import path from 'node:path';
import { corrupt, unsupported } from './damage.js';
import {
  BACKUP_FILE,
  BACKUP_FORMAT,
  type BackupList,
  decodeBackupList,
  MAX_BACKUP_LIST_BYTES,
} from './format/backup-list.js';
import { type ReadStorage, readFile } from './storage.js';

const HINT = 'Nothing was changed. Without its list a backup is not known to be whole: back up into another directory.';

/** The list; undefined where there is none. @throws ERR_CORRUPT, ERR_UNSUPPORTED_FORMAT, ERR_STORAGE */
export function readBackupList(storage: ReadStorage, dir: string): BackupList | undefined {
  const file = path.join(dir, BACKUP_FILE);
  if (!storage.exists(file)) return undefined;
  const found = decodeBackupList(readFile(storage, file, MAX_BACKUP_LIST_BYTES + 1));
  if (found.kind === 'valid') return found.list;
  if (found.kind === 'unsupported') throw unsupported(file, found.format, BACKUP_FORMAT);
  throw corrupt(file, 0, `the list of the backup does not verify: ${found.why}`, { hint: HINT });
}
