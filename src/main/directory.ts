/** A directory that a store has to itself while it is open for writing. */
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { makeDirDurable } from '../shared/directories.js';
import { MANIFEST_FILE } from '../shared/format/file-names.js';
import type { Runtime } from './runtime.js';
import type { OperatorLog } from './telemetry/operator-log.js';

export interface Directory {
  readonly dir: string;
  /** @param log is told of a lock file that could not be emptied */
  release(log: OperatorLog): Promise<void>;
}

/** Have the directory to oneself, until it is released. */
export async function takeDirectory(dir: string, runtime: Runtime): Promise<Directory> {
  if (dir === ':memory:') {
    const temporary = await fs.mkdtemp(path.join(os.tmpdir(), 'keeperlog-'));
    return { dir: temporary, release: () => fs.rm(temporary, { recursive: true, force: true }) };
  }
  // With a manifest in it, the directory's name is durable already.
  if (!runtime.storage.exists(path.join(dir, MANIFEST_FILE))) makeDirDurable(runtime.storage, dir);
  const lock = runtime.lock(dir);
  const release = async (log: OperatorLog): Promise<void> => {
    const left = lock.release();
    if (left !== undefined) log.lockFileLeft(left);
  };
  return { dir, release };
}
