/** Taking things before they are asked for. */

/**
 * The same, in the same order. Where it is left early, no more is taken than what was begun.
 * @param most how many are taken at a time; asked anew each time
 */
export async function* ahead<T>(source: AsyncGenerator<T, void, void>, most: () => number): AsyncGenerator<T> {
  const end: IteratorResult<T, void> = { done: true, value: undefined };
  const taken: Promise<IteratorResult<T, void>>[] = [];
  let last: Promise<IteratorResult<T, void> | undefined> = Promise.resolve(undefined);
  let isLeft = false;
  try {
    for (;;) {
      while (taken.length < most()) {
        const next = last.then((before) => (isLeft || before?.done === true ? end : source.next()));
        next.catch(() => {}); // raised where it is awaited, if that still happens
        taken.push(next);
        last = next;
      }
      const { done, value } = (await taken.shift())!;
      if (done === true) return;
      yield value as T;
    }
  } finally {
    isLeft = true;
    await source.return();
  }
}
