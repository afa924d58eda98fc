/** What a command that ends badly says: exit code, what is wrong, and the next command to try. */
import { isKeeperError, type KeeperError, toWire } from '../../shared/portable/errors.js';
import { isOutOfSpace } from '../../shared/storage-error.js';

export const EXIT = { done: 0, failed: 1, usage: 2, conflict: 3, locked: 4, corrupt: 5, degraded: 6 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What a refusal by the command line itself is called in JSON, unless its facts have a code. */
export function codeOf(exitCode: ExitCode): string {
  return exitCode === EXIT.usage ? 'ERR_USAGE' : 'ERR_FAILED';
}

/** A refusal by the command line itself. */
export class Refusal extends Error {
  readonly exitCode: ExitCode;
  /** The next command to try, without the program's name and the directory. */
  readonly next: string;
  /** Its own facts, for --json. */
  readonly facts: Readonly<Record<string, unknown>>;

  constructor(exitCode: ExitCode, message: string, next: string, facts: Record<string, unknown> = {}) {
    super(message);
    this.exitCode = exitCode;
    this.next = next;
    this.facts = facts;
  }
}

/** A failure as it is told. */
export interface Failure {
  readonly exitCode: ExitCode;
  readonly message: string;
  readonly hint: string;
  /** A whole command line. */
  readonly next: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/**
 * Any error as a failure.
 * @param command the command that failed
 */
export function describeFailure(error: unknown, command: string, dir: string): Failure {
  if (error instanceof Refusal) {
    const { exitCode, message, facts } = error;
    const next = commandLine(error.next, dir);
    return { exitCode, message, hint: '', next, facts: { code: codeOf(exitCode), ...facts } };
  }
  if (isKeeperError(error)) {
    // An interruption says itself what is left to do.
    if (error.code === 'ERR_ABORTED' && error.cause instanceof Refusal)
      return describeFailure(error.cause, command, dir);
    const { message, hint, ...facts } = toWire(error);
    const [exitCode, next] = outcomeOf(error, command);
    return { exitCode, message, hint, next: commandLine(next, dir), facts };
  }
  const message = error instanceof Error ? error.message : String(error);
  const next = commandLine(`${command} --help`, dir);
  return { exitCode: EXIT.failed, message, hint: '', next, facts: { code: codeOf(EXIT.failed) } };
}

/** A command line of this program that acts on a directory, fit for a shell. */
export function commandLine(command: string, dir: string): string {
  return `keeperlog ${command}${dir === './data' || command.endsWith('--help') ? '' : ` --dir ${quote(dir)}`}`;
}

/** A word as a shell takes it. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function outcomeOf(error: KeeperError, command: string): [ExitCode, string] {
  switch (error.code) {
    case 'ERR_INVALID_OPTIONS':
    case 'ERR_INVALID_EVENT':
    case 'ERR_INVALID_QUERY':
    case 'ERR_EVENT_TOO_LARGE':
    case 'ERR_BATCH_TOO_LARGE':
      return [EXIT.usage, `${command} --help`];
    case 'ERR_CONFLICT':
    case 'ERR_CONDITION_FAILED': {
      const stream = Reflect.get(error, 'stream');
      return [
        EXIT.conflict,
        `read ${typeof stream === 'string' ? `--stream ${quote(stream)} ` : ''}--backwards --limit 1`,
      ];
    }
    case 'ERR_IDEMPOTENCY_REUSED':
      return [EXIT.conflict, 'read --backwards --limit 10'];
    case 'ERR_LOCKED':
      if (command === 'backup' || command === 'restore') return [EXIT.locked, `${command} --help`];
      return [EXIT.locked, 'tail -f'];
    case 'ERR_CORRUPT':
      if (command === 'restore') return [EXIT.corrupt, 'backup --help'];
      return [EXIT.corrupt, command === 'verify' ? 'repair --dry-run' : 'verify --deep'];
    case 'ERR_DEGRADED':
    case 'ERR_BACKPRESSURE':
    case 'ERR_RATE_LIMITED':
      return [EXIT.degraded, 'info'];
    case 'ERR_NOT_FOUND':
      if (command === 'restore') return [EXIT.failed, 'backup --help'];
      return [
        EXIT.failed,
        error.message.startsWith('there is no store') ? 'ingest --help' : 'read --backwards --limit 10',
      ];
    case 'ERR_PRUNED':
      return [EXIT.failed, 'info'];
    case 'ERR_UNSUPPORTED_FORMAT':
      return [EXIT.failed, '--version'];
    default:
      // Where there is no store yet to look at, the machine is.
      if (command === 'restore') return [EXIT.failed, 'doctor'];
      // A full disk, too, is the machine's.
      if (isOutOfSpace(error)) return [EXIT.failed, 'doctor'];
      return [EXIT.failed, command === 'verify' ? 'info' : 'verify'];
  }
}
