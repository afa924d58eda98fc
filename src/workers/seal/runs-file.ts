/** The file of the runs that an index is made of. It is of use to whoever writes it alone: nobody reads it after a crash. */
import path from 'node:path';
import { CHECKSUM_BYTES, type PlaceHasher } from '../../shared/format/checksum.js';
import { indexFile, TEMPORARY } from '../../shared/format/file-names.js';
import { verifiedBlock } from '../../shared/format/index-file.js';
import { isRemoved } from '../../shared/format/removed-record.js';
import type { IndexWork, Run } from '../../shared/index-tasks.js';
import { type Storage, storageError, writeFully } from '../../shared/storage.js';
import type { FramesRead } from './frames.js';
import type { ReadRuns } from './index-merge.js';
import { NO_SEGMENT, RunBuilder } from './index-run.js';

export type RunsPlace = Pick<IndexWork, 'dir' | 'number'>;

export function runsPath({ dir, number }: RunsPlace): string {
  return path.join(dir, `${indexFile(number)}.runs${TEMPORARY}`);
}

/** What a run is of. */
export interface RunSource extends RunsPlace {
  readonly nodeId: string;
  /** Of the segment. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly read: FramesRead;
}

/**
 * Write the run of some frames.
 * @param offset where it goes in the file; 0 begins another file
 * @throws ERR_STORAGE
 */
export function writeRun(
  storage: Storage,
  hasher: PlaceHasher,
  source: RunSource,
  offset: number,
): { run: Run; offset: number } {
  const { nodeId, firstSequence, lastSequence, read } = source;
  const { memory, starts, from, to } = read;
  const isFirst = offset === 0;
  // What a hole before the first frame took away begins where that does.
  const builder = new RunBuilder(nodeId, firstSequence, isFirst ? firstSequence : from.sequence, from.offset);
  for (const start of starts) {
    if (isRemoved(memory.view, start)) builder.addRemoved(memory, start, read.offset + start);
    else builder.add(memory, start, read.offset + start);
  }
  builder.skipTo(Math.min(to.sequence, lastSequence + 1));
  const built = builder.finish(hasher, offset);
  const handle = storage.openWrite(runsPath(source), isFirst ? 'create' : 'existing');
  try {
    if (built.blocks.length > 0) writeFully(storage, handle, [Buffer.concat(built.blocks)], offset);
  } finally {
    storage.close(handle);
  }
  return { run: built.run, offset: built.offset };
}

/** Have blocks of the file read while something is done. */
export function withRuns<T>(storage: Storage, hasher: PlaceHasher, place: RunsPlace, use: (read: ReadRuns) => T): T {
  const file = runsPath(place);
  const handle = storage.openRead(file);
  try {
    return use(({ offset, length }) => {
      const bytes = Buffer.allocUnsafe(length + CHECKSUM_BYTES);
      const stored = bytes.subarray(0, storage.read(handle, bytes, offset));
      const block = verifiedBlock(NO_SEGMENT, { offset, length }, stored, hasher);
      if (block !== undefined) return block;
      throw storageError(Object.assign(new Error('it does not verify'), { code: 'EIO' }), 'read', file);
    });
  } finally {
    storage.close(handle);
  }
}

export function removeRuns(storage: Storage, place: RunsPlace): void {
  if (storage.exists(runsPath(place))) storage.remove(runsPath(place));
}
