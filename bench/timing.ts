/** Taking the time of single calls. */

/** Milliseconds that something took, and what came of it. */
export async function timed<T>(run: () => Promise<T>): Promise<[ms: number, result: T]> {
  const began = performance.now();
  const result = await run();
  return [performance.now() - began, result];
}

/** Milliseconds of each of so many calls, one after the other. */
export async function times(count: number, run: (i: number) => Promise<void>): Promise<number[]> {
  const taken: number[] = [];
  for (let i = 0; i < count; i++) taken.push((await timed(() => run(i)))[0]);
  return taken;
}

/** The same of calls that block. */
export function bareTimes(count: number, run: (i: number) => void): number[] {
  return Array.from({ length: count }, (_, i) => {
    const began = performance.now();
    run(i);
    return performance.now() - began;
  });
}

export function percentile(taken: readonly number[], part = 0.99): number {
  return [...taken].sort((a, b) => a - b)[Math.floor(taken.length * part)]!;
}
