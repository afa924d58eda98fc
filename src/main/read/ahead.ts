/** Taking things before they are asked for. */

/**
 * The same, in the same order.
 * @param most how many are taken at a time; asked anew each time
 */
export async function* ahead<T>(source: AsyncGenerator<T, void, void>, most: () => number): AsyncGenerator<T> {
  const taken: Promise<IteratorResult<T, void>>[] = [];
  try {
    for (;;) {
      while (taken.length < most() || taken.length === 0) {
        const next = source.next();
        next.catch(() => {}); // raised where it is awaited, if that still happens
        taken.push(next);
      }
      const { done, value } = (await taken.shift())!;
      if (done === true) return;
      yield value as T;
    }
  } finally {
    await source.return();
  }
}
