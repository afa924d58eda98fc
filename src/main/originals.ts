/** Where the events of earlier calls are looked up: in the log, or, below the floor, in the base. */

import type { NameHasher } from '../shared/format/name-hash.js';
import { isRemoved } from '../shared/format/removed-record.js';
import type { CurrentBase } from './append/base-file.js';
import { keptOriginal, type OriginalSync, recordedOriginal } from './append/duplicates.js';
import type { Records } from './read/records.js';

interface Places {
  readonly records: Records;
  readonly base: CurrentBase;
  /** Of names, with the store's own key. */
  readonly hasher: NameHasher;
}

/** @throws ERR_CORRUPT, ERR_STORAGE from what it returns */
export function originals({ records, base, hasher }: Places): OriginalSync {
  return (sequence) => {
    if (sequence < records.floor) {
      const kept = base.file?.find(sequence);
      return kept && keptOriginal(kept, hasher);
    }
    const record = records.recordSync(sequence);
    if (record === undefined) return undefined;
    return isRemoved(record.memory.view, record.at) ? 'removed' : recordedOriginal(record);
  };
}
