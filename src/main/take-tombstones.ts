/** The tombstones in force when a store is opened: those in their file, and what the log has behind that. */

import { RecordHeader } from '../shared/decoding/record-header.js';
import type { Manifest } from '../shared/format/manifest.js';
import { isTombstone } from '../shared/format/record.js';
import { readTombstones, type TombstonesFound, type TombstonesPlace } from '../shared/tombstones-file.js';
import type { Records } from './read/records.js';
import { runsOf } from './replay.js';

/** What was found of the file. */
export interface TombstonesTaken {
  /** Whether there is to be one. */
  readonly isFiled: boolean;
  /** The newest tombstone that it has; 0 where it has none. */
  readonly newest: number;
  /** Why it could not be used, and so much of the log was read instead; undefined where it could, or was not there to be. */
  readonly lost: 'missing' | 'damaged' | undefined;
}

export interface TombstonesSource extends TombstonesPlace {
  readonly manifest: Manifest;
  readonly records: Records;
}

/**
 * Take in all tombstones up to a sequence.
 * @param end the last sequence of the log where that is known for sure: a file that knows of more is none of this log
 * @throws ERR_CORRUPT of the log, ERR_STORAGE, ERR_ABORTED
 */
export async function takeTombstones(
  source: TombstonesSource,
  upTo: number,
  end: number,
  signal?: AbortSignal,
): Promise<TombstonesTaken> {
  const { manifest, records } = source;
  const { tombstones } = records.catalog;
  if (manifest.tombstones === undefined) return { isFiled: false, newest: 0, lost: undefined };
  const found = usable(readTombstones(source), end);
  let from = manifest.tombstones;
  if (found.kind === 'valid') {
    for (const [stream, sequence] of found.content.tombstones) tombstones.add(stream, sequence);
    from = found.content.sequence + 1;
  }
  const { newest } = tombstones;
  const first = Math.max(from, records.floor);
  for await (const { run, first: low, last } of runsOf(records, first, upTo, signal)) {
    for (let next = low; next <= last; next++) {
      const at = run.at(next);
      if (isTombstone(run.memory.view, at)) tombstones.add(new RecordHeader(run.memory, at).stream, next);
    }
  }
  // A process that died may not have come to write the first one.
  const isMissed = found.kind === 'damaged' || (found.kind === 'missing' && first <= upTo);
  return { isFiled: true, newest, lost: isMissed ? found.kind : undefined };
}

function usable(found: TombstonesFound, end: number): TombstonesFound {
  return found.kind === 'valid' && found.content.sequence > end ? { kind: 'damaged' } : found;
}
