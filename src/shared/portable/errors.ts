/** The errors of the contract: one class, literal codes, the fields a caller needs to act. */
import type { ErrorFields } from './error-fields.js';

/** Every code that a {@link KeeperError} can carry. {@link ErrorFields} says when each is raised. */
export type ErrorCode = keyof ErrorFields;

/** What became of an append that failed. `'unknown'`: it may be found in the log later. */
export type Outcome = 'not-appended' | 'unknown';

type Extras = { hint?: string; outcome?: Outcome; retryable?: boolean; cause?: unknown };

/** An error with a given code and that code's fields. */
export type KeeperErrorOf<C extends ErrorCode> = C extends ErrorCode
  ? KeeperError & {
      /** The literal code. */
      readonly code: C;
    } & Readonly<ErrorFields[C]>
  : never;

/** Errors whose call, unchanged, may succeed later. */
const RETRYABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_BACKPRESSURE',
  'ERR_DEGRADED',
  'ERR_RATE_LIMITED',
  'ERR_LOCKED',
  'ERR_TIMEOUT',
]);

/** Fields that say something about the machine and stay on it. */
const LOCAL_FIELDS: ReadonlySet<string> = new Set(['file', 'pid', 'host']);

const BRAND = Symbol.for('keeperlog.error');

/** Every error that Keeperlog raises. Recognise it by `code`, with {@link isKeeperError}. */
export class KeeperError extends Error {
  /** What it is. The fields that come with each code are in {@link ErrorFields}. */
  readonly code: ErrorCode;
  /** Whether the same call, unchanged, may succeed later. */
  readonly retryable: boolean;
  /** What to do now, in English; empty where there is nothing to say. */
  readonly hint: string;
  /** On appends: what became of the events. Absent on every other call. */
  readonly outcome?: Outcome;

  /** @internal */
  constructor(code: ErrorCode, message: string, fields: Extras & Record<string, unknown> = {}) {
    const { cause, hint, retryable, ...own } = fields;
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.name = code === 'ERR_ABORTED' ? 'AbortError' : 'KeeperError';
    this.retryable = retryable ?? RETRYABLE.has(code);
    this.hint = hint ?? '';
    Object.defineProperty(this, BRAND, { value: true });
    for (const [name, value] of Object.entries(own)) if (value !== undefined) Reflect.set(this, name, value);
  }

  /**
   * The same failure with what became of the append. Each waiting call gets an error of its own.
   * @internal
   */
  withOutcome(outcome: Outcome): KeeperError {
    const copy = fromWire(toWire(this));
    Reflect.set(copy, 'outcome', outcome);
    if (this.cause !== undefined) copy.cause = this.cause;
    return copy;
  }
}

/**
 * Whether an error is Keeperlog's, with this code if one is given. Narrows the error to that code's fields. Holds across
 * copies of the package, not across threads: see {@link fromWire}.
 */
export function isKeeperError<C extends ErrorCode = ErrorCode>(error: unknown, code?: C): error is KeeperErrorOf<C> {
  if (!(error instanceof Error) || Reflect.get(error, BRAND) !== true) return false;
  return code === undefined || (error as KeeperError).code === code;
}

/** A KeeperError as plain data, for a thread or a wire. */
export type WireError = {
  /** As {@link KeeperError.code}. */
  code: ErrorCode;
  /** For people. */
  message: string;
  /** As {@link KeeperError.hint}. */
  hint: string;
  /** As {@link KeeperError.retryable}. */
  retryable: boolean;
} & Record<string, unknown>;

/**
 * An error as plain data: `code`, `message`, `hint`, `retryable`, `outcome` where there is one, and the code's own fields.
 * Stack and cause are left out.
 * @param options.remote leave out what belongs to this machine: file, pid and host. Default false
 */
export function toWire(error: KeeperError, options: { remote?: boolean } = {}): WireError {
  const { code, message, hint, retryable } = error;
  const wire: WireError = { code, message, hint, retryable };
  for (const [name, value] of Object.entries(error)) {
    if (name === 'name' || name === 'cause' || (options.remote === true && LOCAL_FIELDS.has(name))) continue;
    wire[name] = value;
  }
  return wire;
}

/** The error that {@link toWire} described, with a stack of its own. */
export function fromWire(wire: WireError): KeeperError {
  const { code, message, ...fields } = wire;
  return new KeeperError(code, message, fields);
}

/** The error of an aborted signal. */
export function aborted(signal: AbortSignal, what: string, outcome?: Outcome): KeeperError {
  return new KeeperError('ERR_ABORTED', `${what} was aborted`, { cause: signal.reason, ...(outcome && { outcome }) });
}
