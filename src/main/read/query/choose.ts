/** From what a query asks of an index to the records that are looked at: the cheapest postings, cut down by others. */
import { common, type Intervals, reaches } from '../../../shared/portable/query/intervals.js';
import type { PostingQuery, Served } from '../../../shared/portable/query/narrow.js';
import type { PlaceList, Postings } from '../postings.js';
import type { Candidates } from '../sought.js';
import { intersection, union } from './lists.js';

/** Another list is put together to cut the candidates down only if it has at most so many entries for each of them. */
const WORTHWHILE = 16;

/** Lists that records are in: in all of them, or in any. */
type Lists =
  | { readonly kind: 'list'; readonly list: PlaceList; readonly count: number; readonly isPosted: boolean }
  | { readonly kind: 'all' | 'any'; readonly of: readonly Lists[]; readonly count: number };

/** What postings came to. */
export interface Chosen extends Candidates {
  /** Entries that were looked at. */
  readonly read: number;
  readonly areAllAsked: boolean;
}

/** The records of a range of sequences that may match. */
export async function choose(
  { postings, exact }: Served,
  source: Postings,
  low: number,
  high: number,
): Promise<Chosen> {
  const found = new Lookup(source, low, high);
  const ordinals = await found.resolve(await found.listsOf(postings));
  return { ordinals, exact: exact && found.exact, areAllAsked: found.exact, read: found.read };
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

  async listsOf(query: PostingQuery): Promise<Lists> {
    if (query.kind === 'sequences') {
      const list = listOf(query.intervals, this.#source.firstSequence, this.#low, this.#high);
      return { kind: 'list', list, count: list.count, isPosted: false };
    }
    if (!('of' in query)) {
      const { field, value } = query;
      const asked = query.kind === 'value' ? this.#source.ofValue(field, value) : this.#source.ofPrefix(field, value);
      const list = await asked;
      return { kind: 'list', list, count: list.count, isPosted: true };
    }
    const of: Lists[] = [];
    for (const part of query.of) {
      const lists = await this.listsOf(part);
      of.push(lists);
      // Nothing is in all of them then, whatever the others are.
      if (query.kind === 'all' && lists.count === 0) return lists;
    }
    if (query.kind === 'all') return { kind: 'all', of, count: Math.min(...of.map(({ count }) => count)) };
    return { kind: 'any', of, count: of.reduce((sum, { count }) => sum + count, 0) };
  }

  /** The records, ascending, each once. */
  async resolve(lists: Lists): Promise<Uint32Array> {
    if (lists.kind === 'all') return this.#intersection(lists.of);
    if (lists.kind === 'list') {
      const places = await lists.list.within(this.#low, this.#high);
      if (lists.isPosted) this.read += places.length;
      return places;
    }
    const parts: Uint32Array[] = [];
    for (const part of lists.of) parts.push(await this.resolve(part));
    return union(parts);
  }

  async #intersection(of: readonly Lists[]): Promise<Uint32Array> {
    const [cheapest, ...others] = [...of].sort((one, other) => one.count - other.count);
    let found = await this.resolve(cheapest!);
    for (const lists of others) {
      if (found.length === 0) break;
      if (lists.kind === 'list') {
        if (lists.isPosted) this.read += found.length;
        found = await lists.list.among(found);
      } else if (lists.count <= WORTHWHILE * found.length) {
        found = intersection(found, await this.resolve(lists));
      } else {
        this.exact = false;
      }
    }
    return found;
  }
}

/** The places of sequences in a range: no postings have to be read for them. */
function listOf(intervals: Intervals, firstSequence: number, low: number, high: number): PlaceList {
  const here = common(intervals, [{ low, high }]);
  const count = here.reduce((sum, interval) => sum + interval.high - interval.low + 1, 0);
  return {
    count,
    within: async () => {
      const places = new Uint32Array(count);
      let at = 0;
      for (const interval of here) {
        for (let sequence = interval.low; sequence <= interval.high; sequence++)
          places[at++] = sequence - firstSequence;
      }
      return places;
    },
    among: async (places) =>
      places.filter((place) => reaches(here, { low: firstSequence + place, high: firstSequence + place })),
  };
}
