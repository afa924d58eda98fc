/** Why a proof is not believed. */
import type { ErrorFields } from '../error-fields.js';
import { KeeperError } from '../errors.js';

/** What about a proof does not hold; {@link ErrorFields} says what each means. */
export type UnverifiedReason = ErrorFields['ERR_UNVERIFIED']['reason'];

export function unverified(reason: UnverifiedReason, message: string, cause?: unknown): KeeperError {
  return new KeeperError('ERR_UNVERIFIED', message, { reason, cause });
}

/** An argument of the caller's that cannot be meant. */
export function invalid(path: string, what: string): KeeperError {
  return new KeeperError('ERR_INVALID_OPTIONS', `${path} ${what}`, { path });
}
