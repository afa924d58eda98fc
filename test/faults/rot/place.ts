/** Where a damaged store is looked at: on a disk in memory and without threads, or on real files with them. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store } from '../../../dist/main/index.js';
import { openStoreOn } from '../../../dist/main/store.js';
import { InlineRuntime } from '../../crash/inline-runtime.js';
import { ROT_OPTIONS } from './bases.js';
import { diskOf, type Files, filesOf } from './files.js';

export interface Place {
  open(readOnly: boolean): Promise<Store>;
  /** What is there now. */
  files(): Files;
}

export function inMemory(files: Files): Place {
  const disk = diskOf(files);
  return {
    open: (readOnly) => openStoreOn({ ...ROT_OPTIONS, readOnly }, new InlineRuntime(disk)),
    files: () => filesOf(disk),
  };
}

/** @param dir an empty directory */
export function onFiles(dir: string, files: Files): Place {
  for (const [name, bytes] of files) fs.writeFileSync(path.join(dir, name), bytes);
  return {
    open: (readOnly) => openStore({ ...ROT_OPTIONS, readOnly, dir }),
    files: () => {
      const names = fs.readdirSync(dir).filter((name) => name !== 'keeperlog.lock');
      return new Map(names.map((name) => [name, fs.readFileSync(path.join(dir, name))]));
    },
  };
}
