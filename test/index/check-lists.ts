/** Whether an index says of values and prefixes what a plain look at the records says. */
import { expect } from 'vitest';
import type { SegmentIndex } from '../../dist/main/read/postings.js';
import type { PostedField } from '../../dist/shared/portable/query/narrow.js';
import { FIRST, listsOf, type Made } from './kit.js';

export interface AskedLists {
  readonly field: PostedField;
  /** A value that may not be there. */
  readonly other: string;
  /** Places. */
  readonly low: number;
  readonly high: number;
  /** Makes a prefix of one of the values. */
  readonly cut: number;
}

/** @param places of the segment */
export async function checkLists(
  index: SegmentIndex,
  records: readonly Made[],
  places: number,
  { field, other, low, high, cut }: AskedLists,
): Promise<void> {
  const lists = listsOf(records, field);
  const within = (list: readonly number[]): number[] => list.filter((place) => place >= low && place <= high);
  for (const value of [...lists.keys(), other]) {
    const list = await index.ofValue(field, value);
    const wanted = lists.get(value) ?? [];
    expect(list.count).toBe(wanted.length);
    expect([...(await list.within(FIRST + low, FIRST + high))]).toEqual(within(wanted));
    const some = records.map(({ place }) => place).filter((place) => place % 3 !== 0);
    expect([...(await list.among(Uint32Array.from(some)))]).toEqual(wanted.filter((place) => place % 3 !== 0));
  }
  // Cut between the halves of a character as well.
  const prefix = [...lists.keys(), other][cut % (lists.size + 1)]!.slice(0, cut % 4);
  const named = [...lists].filter(([value]) => value.startsWith(prefix));
  const joined = [...new Set(named.flatMap(([, list]) => list))].sort((one, next) => one - next);
  const ofPrefix = await index.ofPrefix(field, prefix);
  expect([...(await ofPrefix.within(FIRST + low, FIRST + high))]).toEqual(within(joined));
  expect([...(await ofPrefix.among(Uint32Array.from(joined)))]).toEqual(joined);
  const each: [string, number[]][] = [];
  for await (const list of index.ofEach(field, prefix)) {
    const own = [...(await list.within(FIRST, FIRST + places))];
    expect([list.count, list.first, list.last]).toEqual([own.length, own[0], own.at(-1)]);
    each.push([list.value, own]);
  }
  expect(new Map(each)).toEqual(new Map(named));
  expect(each).toHaveLength(named.length);
}
