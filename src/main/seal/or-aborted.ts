/** Waiting that an abort ends. */
import { aborted } from '../../shared/portable/errors.js';

/** What waits behind others hears of an abort at once; what is done hears of it between two slices. */
export async function orAborted<T>(run: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (signal === undefined) return run;
  if (signal.aborted) throw aborted(signal, what);
  let onAbort = (): void => {};
  const abort = new Promise<never>((_, reject) => {
    onAbort = () => reject(aborted(signal, what));
  });
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([run, abort]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
