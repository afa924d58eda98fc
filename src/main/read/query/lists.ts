/** Ascending lists of places, none of them there twice, as postings are. */

/** What is in any of the lists. */
export function union(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 1) return lists[0]!;
  const joined = new Uint32Array(lists.reduce((sum, list) => sum + list.length, 0));
  let end = 0;
  for (const list of lists) {
    joined.set(list, end);
    end += list.length;
  }
  joined.sort();
  let count = 0;
  for (let i = 0; i < joined.length; i++) if (i === 0 || joined[i] !== joined[i - 1]) joined[count++] = joined[i]!;
  return joined.subarray(0, count);
}

/** What is in both: each of the fewer is searched in what is left of the more. */
export function intersection(one: Uint32Array, other: Uint32Array): Uint32Array {
  const [fewer, more] = one.length <= other.length ? [one, other] : [other, one];
  const common = new Uint32Array(fewer.length);
  let count = 0;
  let from = 0;
  for (const wanted of fewer) {
    from = placeOf(more, wanted, from);
    if (from === more.length) break;
    if (more[from] === wanted) common[count++] = wanted;
  }
  return common.subarray(0, count);
}

/** The place of the first number from a place on that is not less: steps that double, then halves. */
function placeOf(list: Uint32Array, wanted: number, from: number): number {
  let step = 1;
  while (from + step < list.length && list[from + step]! < wanted) step *= 2;
  let low = from + (step >>> 1);
  if (low >= list.length || list[low]! >= wanted) low = from;
  let high = Math.min(from + step, list.length);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Those from one place to another. */
export function between(list: Uint32Array, low: number, high: number): Uint32Array {
  return list.subarray(countBefore(list, low), countBefore(list, high + 1));
}

/** How many come before a place. */
function countBefore(list: Uint32Array, wanted: number): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}
