/** From what a query asks of an index to the records that are looked at: the cheapest postings, cut down by others. */
import type { PostingQuery, Served } from '../../../shared/portable/query/narrow.js';
import type { Postings } from '../postings.js';
import type { Candidates } from '../sought.js';

/** Another list is put together to cut the candidates down only if it has at most so many entries for each of them. */
const WORTHWHILE = 16;

/** Lists that records are in: in all of them, or in any. */
type Lists = Uint32Array | { readonly kind: 'all' | 'any'; readonly of: readonly Lists[]; readonly count: number };

/** What postings came to. */
export interface Chosen extends Candidates {
  /** Entries that were looked at. */
  readonly read: number;
}

/** The records of a range that may match; undefined where the postings leave nothing out. */
export function choose({ postings, exact }: Served, source: Postings, low: number, high: number): Chosen | undefined {
  const found = new Lookup(source, low, high);
  const lists = found.listsOf(postings);
  if (lists === undefined) return undefined;
  const ordinals = found.resolve(lists);
  return { ordinals, exact: exact && found.exact, read: found.read };
}

class Lookup {
  readonly #source: Postings;
  readonly #low: number;
  readonly #high: number;
  read = 0;
  /** Whether nothing that was asked for was left out. */
  exact = true;

  constructor(source: Postings, low: number, high: number) {
    this.#source = source;
    this.#low = low;
    this.#high = high;
  }

  listsOf(query: PostingQuery): Lists | undefined {
    switch (query.kind) {
      case 'value':
        return this.#source.ofValue(query.field, query.value, this.#low, this.#high);
      case 'prefix': {
        const lists = this.#source.ofPrefix(query.field, query.value, this.#low, this.#high);
        return lists && { kind: 'any', of: lists, count: total(lists) };
      }
      case 'any': {
        const of = query.of.map((part) => this.listsOf(part));
        return of.every((lists) => lists !== undefined) ? { kind: 'any', of, count: total(of) } : undefined;
      }
      case 'all': {
        const parts = query.of.map((part) => this.listsOf(part));
        const of = parts.filter((lists) => lists !== undefined);
        if (of.length < parts.length) this.exact = false;
        return of.length === 0 ? undefined : { kind: 'all', of, count: Math.min(...of.map(countOf)) };
      }
    }
  }

  /** The records, ascending, each once. */
  resolve(lists: Lists): Uint32Array {
    if (lists instanceof Uint32Array) {
      this.read += lists.length;
      return lists;
    }
    return lists.kind === 'all' ? this.#intersection(lists.of) : union(lists.of.map((part) => this.resolve(part)));
  }

  #intersection(of: readonly Lists[]): Uint32Array {
    const [cheapest, ...others] = [...of].sort((one, other) => countOf(one) - countOf(other));
    let common = this.resolve(cheapest!);
    for (const lists of others) {
      if (lists instanceof Uint32Array) {
        this.read += common.length;
        common = intersection(common, lists);
      } else if (countOf(lists) <= WORTHWHILE * common.length) {
        common = intersection(common, this.resolve(lists));
      } else {
        this.exact = false;
      }
    }
    return common;
  }
}

function countOf(lists: Lists): number {
  return lists instanceof Uint32Array ? lists.length : lists.count;
}

function total(lists: readonly Lists[]): number {
  return lists.reduce((sum, part) => sum + countOf(part), 0);
}

function union(lists: readonly Uint32Array[]): Uint32Array {
  if (lists.length === 1) return lists[0]!;
  const joined = new Uint32Array(total(lists));
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
function intersection(one: Uint32Array, other: Uint32Array): Uint32Array {
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
