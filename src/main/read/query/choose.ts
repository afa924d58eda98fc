/** From what a query asks of an index to the records that are looked at: the cheapest postings, cut down by others. */
import type { PostingQuery, Served } from '../../../shared/portable/query/narrow.js';
import type { Postings } from '../postings.js';
import type { Candidates } from '../sought.js';
import { intersection, union } from './lists.js';

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
