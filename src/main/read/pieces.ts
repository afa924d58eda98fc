/** What a search reads, piece by piece, in its order: as indexes name records, or all of them. */
import type { Hole } from '../../shared/holes.js';
import { aborted } from '../../shared/portable/errors.js';
import type { Direction } from '../../shared/portable/log.js';
import type { Segment } from './catalog.js';
import type { IndexInUse } from './indexes.js';
import type { RecordPlaces } from './postings.js';
import type { Search } from './search.js';
import type { Candidates } from './sought.js';
import { there } from './spans.js';

/** Of what an index has named it is asked where so many are at first, and then at a time. */
const FIRST_PLACES = 512;
const MORE_PLACES = 4096;

/** Records that stand where an index says, by their places in the segment, ascending. */
export interface Placed {
  readonly kind: 'placed';
  readonly segment: Segment;
  readonly ordinals: Uint32Array;
  readonly records: RecordPlaces;
  /** Whether they are known to be looked for; or at least to have all that an index can tell of that. */
  readonly exact: boolean;
  readonly areAllAsked: boolean;
}

/** Records that are found through whole blocks, in the order of reading. */
export interface Listed {
  readonly kind: 'listed';
  readonly sequences: Iterable<number>;
  readonly exact: boolean;
}

export type Piece =
  | { readonly kind: 'hole'; readonly hole: Hole }
  /** A segment begins, at a sequence. */
  | { readonly kind: 'segment'; readonly low: number }
  /** Records were taken in as postings tell of them, once this is called. */
  | { readonly kind: 'counted'; readonly add: () => void }
  | Placed
  | Listed;

export async function* piecesOf(query: Search<unknown>): AsyncGenerator<Piece, void, void> {
  const { records, range, durable } = query;
  const { low, high, direction } = range;
  const forwards = direction === 'forwards';
  let size = FIRST_PLACES;
  for (let next = forwards ? low : high; next >= low && next <= high; ) {
    const hole = records.holes.at(next);
    if (hole !== undefined) {
      yield { kind: 'hole', hole: [Math.max(low, hole[0]), Math.min(high, hole[1])] };
      next = forwards ? hole[1] + 1 : hole[0] - 1;
      continue;
    }
    const [from, to] = records.holes.around(next);
    const segment = records.catalog.holding(next);
    const first = Math.max(low, from, segment.firstSequence);
    const last = Math.min(high, to, records.catalog.lastSequenceOf(segment, durable));
    yield { kind: 'segment', low: first };
    for await (const piece of piecesIn(query, segment, first, last, size)) {
      yield piece;
      if (piece.kind === 'placed') size = MORE_PLACES;
    }
    next = forwards ? last + 1 : first - 1;
  }
}

async function* piecesIn(
  query: Search<unknown>,
  segment: Segment,
  low: number,
  high: number,
  size: number,
): AsyncGenerator<Piece, void, void> {
  const { records, sought, indexes, range } = query;
  const check = (): void => checkAbort(query);
  check();
  const index = sought.isSelective ? await indexes.open(segment, low, high, check, records) : undefined;
  if (index === undefined) {
    yield* allOf(query, segment, low, high);
    return;
  }
  for (const [from, to] of windows(low, high, sought.windowRecords, range.direction)) {
    check();
    const candidates = await index.ask((asked) => sought.candidates(segment, asked, from, to));
    if (candidates === undefined) yield* allOf(query, segment, from, to);
    else if ('add' in candidates) yield { kind: 'counted', add: candidates.add };
    else yield* placed(query, segment, index, candidates, size);
  }
}

/** A whole range, from where an index file says that it is, where blocks would have to be looked at to find it. */
async function* allOf(
  query: Search<unknown>,
  segment: Segment,
  low: number,
  high: number,
): AsyncGenerator<Piece, void, void> {
  const { records, indexes, range, sought } = query;
  const isNear = sought.elsewhere === undefined && segment.blocks.isNear(range.direction === 'forwards' ? low : high);
  const index = isNear ? undefined : await indexes.openFile(segment, records);
  if (index === undefined) {
    yield { kind: 'listed', sequences: each(low, high, range.direction), exact: false };
    return;
  }
  for (const [from, to] of windows(low, high, MORE_PLACES, range.direction)) {
    checkAbort(query);
    const ordinals = Uint32Array.from({ length: to - from + 1 }, (_, i) => from - segment.firstSequence + i);
    yield* placed(query, segment, index, { ordinals, exact: false }, MORE_PLACES);
  }
}

/** Parts of a range, in the direction of reading: of a list that is long, no more than one is in memory. */
function* windows(low: number, high: number, size: number, direction: Direction): Generator<[number, number]> {
  if (direction === 'forwards') {
    for (let from = low; from <= high; from += size) yield [from, Math.min(high, from + size - 1)];
  } else {
    for (let to = high; to >= low; to -= size) yield [Math.max(low, to - size + 1), to];
  }
}

/** What an index has named, some at a time, as it tells where they are. */
async function* placed(
  query: Search<unknown>,
  segment: Segment,
  index: IndexInUse,
  { ordinals, exact, areAllAsked = false }: Candidates,
  firstSize: number,
): AsyncGenerator<Piece, void, void> {
  const forwards = query.range.direction === 'forwards';
  for (let done = 0, size = firstSize; done < ordinals.length; done += size, size = MORE_PLACES) {
    const rest = ordinals.length - done;
    const some = forwards ? ordinals.subarray(done, done + size) : ordinals.subarray(Math.max(0, rest - size), rest);
    const records = await index.ask((asked) => asked.recordsAt(some));
    if (records !== undefined) {
      const [places, where] = there(some, records);
      yield { kind: 'placed', segment, ordinals: places, records: where, exact, areAllAsked };
    } else {
      const wanted = Array.from(some, (ordinal) => segment.firstSequence + ordinal);
      yield { kind: 'listed', sequences: forwards ? wanted : wanted.reverse(), exact };
    }
  }
}

function* each(low: number, high: number, direction: Direction): Generator<number> {
  if (direction === 'forwards') for (let sequence = low; sequence <= high; sequence++) yield sequence;
  else for (let sequence = high; sequence >= low; sequence--) yield sequence;
}

/** @throws ERR_ABORTED */
export function checkAbort({ signal }: Search<unknown>): void {
  if (signal?.aborted === true) throw aborted(signal, 'the read');
}
