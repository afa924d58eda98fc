/** Telling of what the writer found when it opened a directory, and that the store is open. */
import type { Opened } from '../shared/messages.js';
import type { StoreNotes } from './store-notes.js';
import { recoverChannel } from './telemetry/channels.js';
import type { OpenedFields, OperatorLog } from './telemetry/operator-log.js';

/** @param replayedFrom heads and keys behind this sequence were taken from the log */
export function reportOpening(
  dir: string,
  log: OperatorLog,
  notes: StoreNotes,
  { recovery, lastSequence: durable }: Opened,
  fields: Omit<OpenedFields, 'durable' | 'clean'>,
  replayedFrom: number,
): void {
  const { clean, tornBytes, tornFile } = recovery;
  log.recovered(recovery);
  log.opened({ ...fields, durable, clean }, durable - replayedFrom);
  if (recoverChannel.hasSubscribers && !(clean && tornFile === undefined)) recoverChannel.publish({ dir, recovery });
  if (tornFile !== undefined) void notes.add('TornTailSetAside', { bytes: tornBytes, file: tornFile });
}
