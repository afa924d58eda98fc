/** Rows to stdout, a line each, at the pace of whoever reads them, until they end or are interrupted. */

export interface Printed<T> {
  /** Rows that have left this process, and the last of them. */
  readonly count: number;
  readonly last: T | undefined;
}

/**
 * @param signal ends the printing, also while nobody reads; then it depends on the reader how much is printed
 * @param onRow called with each row and their number, for progress
 */
export async function printRows<T>(
  rows: AsyncIterable<T> | Iterable<T>,
  lineOf: (row: T) => string,
  signal: AbortSignal,
  onRow: (row: T, count: number) => void = () => {},
): Promise<Printed<T>> {
  const printed: { count: number; last: T | undefined } = { count: 0, last: undefined };
  let given = 0;
  try {
    for await (const row of rows) {
      const hasRoom = process.stdout.write(`${lineOf(row)}\n`, (error) => {
        if (error) return;
        printed.count++;
        printed.last = row;
      });
      if (!hasRoom) await untilWritten(signal);
      if (signal.aborted) break;
      onRow(row, ++given);
    }
    if (!signal.aborted) await untilWritten(signal);
  } catch (error) {
    // What was interrupted is for the caller to tell.
    if (!signal.aborted) throw error;
  }
  return printed;
}

/** Resolves once everything before has left this process, or at the abort. */
function untilWritten(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    process.stdout.write('', done);
  });
}
