/** The directory that a restore writes into. */
import path from 'node:path';
import {
  baseFloor,
  HEADS_FILE,
  MANIFEST_FILE,
  sealedNumber,
  segmentNumber,
  TEMPORARY,
  TREE_FILE,
  WATERMARK_FILE,
} from '../../shared/format/file-names.js';
import type { Storage } from '../../shared/storage.js';
import { removeTiles } from './tiles.js';

const FILES: readonly string[] = [MANIFEST_FILE, WATERMARK_FILE, HEADS_FILE, TREE_FILE];

/** Remove whatever a restore writes, the manifest first. Files of other names stay. */
export function emptyStore(storage: Storage, dir: string): void {
  const names = storage.list(dir).filter(isWritten);
  for (const name of names.sort((a, b) => Number(b === MANIFEST_FILE) - Number(a === MANIFEST_FILE))) {
    storage.remove(path.join(dir, name));
  }
  removeTiles(storage, dir);
}

function isWritten(name: string): boolean {
  const file = name.endsWith(TEMPORARY) ? name.slice(0, -TEMPORARY.length) : name;
  return FILES.includes(file) || [segmentNumber, sealedNumber, baseFloor].some((kind) => kind(file) !== undefined);
}
