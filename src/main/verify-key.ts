/** The signing key's part of a deep `verify`: without it nothing is signed or proven. */
import path from 'node:path';
import { SigningKeys } from '../shared/audit/keys.js';
import { originOf } from '../shared/audit/stored-tree.js';
import { KEY_FILE } from '../shared/format/file-names.js';
import { isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import type { Storage } from '../shared/storage.js';
import { problemOf } from './verify-problem.js';

/** The file is for the store's own user alone: another one who verifies need not be able to read it. */
const REFUSED: ReadonlySet<unknown> = new Set(['EACCES', 'EPERM']);

/** What is wrong with the file of the keys that sign; undefined where nothing is, or where there is none. */
export function problemOfKey(storage: Storage, dir: string, storeId: Uint8Array): Problem | undefined {
  const file = path.join(dir, KEY_FILE);
  try {
    new SigningKeys(storage, dir, originOf(Buffer.from(storeId).toString('hex')));
    return undefined;
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) {
      const what =
        'the keys that sign do not verify. The log and what was signed are not hit, but nothing is signed or proven any more: ' +
        'move the file away, and the next checkpoint makes a new key, which those who verify must be told of';
      return problemOf('ERR_CORRUPT', what, file, 0);
    }
    if (!isKeeperError(error, 'ERR_STORAGE')) throw error;
    return REFUSED.has(error.errno) ? undefined : problemOf('ERR_STORAGE', error.message, file);
  }
}
