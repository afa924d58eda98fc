/** The errors of a store that does not take appends. */
import { KeeperError } from '../shared/portable/errors.js';

/** When to try again while the disk is full. Unit: milliseconds. */
const SUSPENDED_RETRY_MS = 1000;

export function suspendedError(cause: KeeperError): KeeperError {
  return new KeeperError('ERR_DEGRADED', `writes are suspended: ${cause.message}`, {
    retryAfterMs: SUSPENDED_RETRY_MS,
    mode: 'suspended',
    outcome: 'not-appended',
    cause,
    hint: 'Free space on the disk: writes resume by themselves.',
  });
}

export function closedError(): KeeperError {
  return new KeeperError('ERR_CLOSED', 'the store is closed', { outcome: 'not-appended' });
}

export function writerDied(why: string, cause?: Error): KeeperError {
  return new KeeperError('ERR_STORAGE', `the writer has died: ${why}`, {
    errno: 'EPIPE',
    syscall: 'worker',
    cause,
    hint: 'Close the store and open it again: recovery finds everything that was acknowledged.',
  });
}
