/** Ranges of sequences, both ends inclusive, ascending. */
import type { Hole } from '../../shared/holes.js';

/** What is left of ranges without others. Ranges of no sequences take nothing away. */
export function without(ranges: readonly Hole[], taken: readonly Hole[]): Hole[] {
  const left: Hole[] = [];
  let place = 0;
  for (const [first, last] of ranges) {
    let next = first;
    while (place < taken.length && taken[place]![1] < first) place++;
    for (let i = place; i < taken.length && taken[i]![0] <= last; i++) {
      const [from, to] = taken[i]!;
      if (to < from) continue;
      if (from > next) left.push([next, from - 1]);
      next = Math.max(next, to + 1);
    }
    if (next <= last) left.push([next, last]);
  }
  return left;
}

/** Ranges in any order as ascending ones that do not touch. One of no sequences goes where another ends before it. */
export function joinHoles(ranges: readonly Hole[]): Hole[] {
  const joined: [number, number][] = [];
  for (const [first, last] of [...ranges].sort((a, b) => a[0] - b[0] || b[1] - a[1])) {
    const before = joined.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else joined.push([first, last]);
  }
  return joined;
}
