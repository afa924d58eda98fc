/** So much of a new file is synced at once: a large sync would hold up those of the log, many small ones the sealing. Unit: bytes. */
const SYNC_BYTES = 1024 * 1024;

/** Whether a file that has grown is to be synced before its end. */
export function isSyncDue(from: number, to: number): boolean {
  return Math.floor(to / SYNC_BYTES) > Math.floor(from / SYNC_BYTES);
}
