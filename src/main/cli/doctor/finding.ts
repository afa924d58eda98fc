/** What one check of `keeperlog doctor` has found. */
export type Level = 'ok' | 'warning' | 'problem';

export interface Finding {
  /** What was looked at, in a word or two. */
  readonly check: string;
  readonly level: Level;
  /** What was found, for people. */
  readonly value: string;
  /** The same for programs. */
  readonly measured: Readonly<Record<string, unknown>>;
  /** What to change; empty where nothing is to be changed. */
  readonly advice: string;
  /** Whether bytes that were durable do not verify. */
  readonly corrupt?: true;
}

export function ok(check: string, value: string, measured: Finding['measured']): Finding {
  return { check, level: 'ok', value, measured, advice: '' };
}

export function warning(check: string, value: string, measured: Finding['measured'], advice: string): Finding {
  return { check, level: 'warning', value, measured, advice };
}

export function problem(check: string, value: string, measured: Finding['measured'], advice: string): Finding {
  return { check, level: 'problem', value, measured, advice };
}

/** The code of a failed system call, or the message of another error. */
export function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // A KeeperError has the name of the errno there, Node's errors have its number.
  const names = [Reflect.get(error, 'errno'), Reflect.get(error, 'code')];
  return names.find((name) => typeof name === 'string') ?? error.message;
}
