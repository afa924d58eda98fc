/**
 * A backup's directory in the hands of the one who writes it. Nothing that the list names is changed or removed; the list is
 * replaced last. So whatever stops a backup, the one before it is whole.
 */
import path from 'node:path';
import { readBackupList } from '../../shared/backup-dir.js';
import { makeDirDurable } from '../../shared/directories.js';
import {
  BACKUP_FILE,
  BACKUP_FORMAT,
  type BackupContent,
  type BackupFile,
  type BackupList,
  backupName,
  encodeBackupList,
  isBackupCopy,
  namesIn,
} from '../../shared/format/backup-list.js';
import { refuseNoBackup } from '../../shared/no-store.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { replaceFile, type Storage } from '../../shared/storage.js';
import { removeTiles } from './tiles.js';

export class BackupTarget {
  readonly dir: string;
  readonly #storage: Storage;
  #list: BackupList;

  private constructor(storage: Storage, dir: string, list: BackupList) {
    this.#storage = storage;
    this.dir = dir;
    this.#list = list;
  }

  /**
   * @param dir which the caller has locked
   * @throws ERR_INVALID_OPTIONS where it holds something else, or the backup of another store; ERR_CORRUPT where its list does not
   *   verify; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
   */
  static open(storage: Storage, dir: string, storeId: string): BackupTarget {
    makeDirDurable(storage, dir);
    refuseNoBackup(storage, dir);
    const list = readBackupList(storage, dir);
    if (list === undefined) {
      const empty = { format: BACKUP_FORMAT, storeId, number: 0, createdMs: 0, content: null };
      replaceFile(storage, dir, BACKUP_FILE, [encodeBackupList(empty)]);
      return new BackupTarget(storage, dir, empty);
    }
    if (list.storeId !== storeId) {
      throw otherBackup(`${dir} is the backup of another store: ${list.storeId}, not ${storeId}`);
    }
    const target = new BackupTarget(storage, dir, list);
    // Who has put this list in place may have died over it: what an older one names goes once this one is there for good.
    storage.syncDir(dir);
    target.sweep();
    if (list.content === null) removeTiles(storage, dir);
    return target;
  }

  /** What the last backup is made of; null where there is none. */
  get content(): BackupContent | null {
    return this.#list.content;
  }

  /** The number of the backup that is being made. */
  get number(): number {
    return this.#list.number + 1;
  }

  path(name: string, file: Pick<BackupFile, 'backup'> = { backup: this.number }): string {
    return path.join(this.dir, backupName(name, file));
  }

  /** Whether a file of the last backup is there, and as long as it was. Its bytes are looked at by who restores. */
  holds(name: string, file: BackupFile): boolean {
    const found = this.path(name, file);
    if (!this.#storage.exists(found)) return false;
    const handle = this.#storage.openRead(found);
    try {
      return this.#storage.size(handle) === file.bytes;
    } finally {
      this.#storage.close(handle);
    }
  }

  /** Have this be what the backup is made of, durably. */
  commit(content: BackupContent): void {
    // The names of what was copied.
    this.#storage.syncDir(this.dir);
    const list = { ...this.#list, number: this.number, createdMs: Date.now(), content };
    replaceFile(this.#storage, this.dir, BACKUP_FILE, [encodeBackupList(list)]);
    this.#list = list;
  }

  /** Remove what no list names: of older backups, and of those that have not come to their end. */
  sweep(): void {
    const named = namesIn(this.#list.content);
    for (const name of this.#storage.list(this.dir)) {
      if (isBackupCopy(name) && !named.has(name)) this.#storage.remove(path.join(this.dir, name));
    }
  }
}

export function otherBackup(what: string): KeeperError {
  return new KeeperError('ERR_INVALID_OPTIONS', what, {
    path: 'dir',
    hint: 'Nothing was changed: the backup that is there is whole. Back up into another directory.',
  });
}
