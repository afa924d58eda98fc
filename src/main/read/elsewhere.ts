/** Records whose payloads decide are looked at by the pool, once there are many of them. */
import type { Filtered } from '../../shared/filter-task.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { Piece, Placed } from './pieces.js';
import type { Search } from './search.js';
import type { Elsewhere } from './sought.js';

/** A thread of the pool has to be started, and asked: so many records are looked at before that is worth it. */
const LOOKED_AT_HERE = 4096;
/** The pool is given so many bytes of records at a time. */
const MOST_BYTES = 1024 * 1024;

/** A piece, and what the pool finds in it, where it looks at it. */
export interface Begun {
  readonly piece: Piece;
  /** Undefined where it is to be looked at on this thread after all. */
  readonly filtered?: Promise<Filtered | undefined>;
}

/** Pieces, and those that the pool looks at begun. */
export async function* begin(
  query: Search<unknown>,
  pieces: AsyncGenerator<Piece, void, void>,
): AsyncGenerator<Begun, void, void> {
  const { elsewhere } = query.sought;
  let here = 0;
  for await (const piece of pieces) {
    if (elsewhere === undefined || piece.kind !== 'placed' || piece.exact || here < LOOKED_AT_HERE) {
      if (piece.kind === 'placed') here += piece.ordinals.length;
      yield { piece };
    } else {
      for (const part of partsOf(piece, query.range.direction === 'forwards')) {
        const found = filtered(query, elsewhere, part);
        found.catch(() => {}); // raised where it is awaited, if that still happens
        yield { piece: part, filtered: found };
      }
    }
  }
}

async function filtered(
  { records: { seed, nodeId } }: Search<unknown>,
  { pool, predicate: whole, rest }: Elsewhere,
  { segment, ordinals, records, areAllAsked }: Placed,
): Promise<Filtered | undefined> {
  const { number, firstSequence } = segment;
  const predicate = areAllAsked ? rest : whole;
  try {
    return await pool.filter(number, { firstSequence, ordinals, ...records, predicate, seed, nodeId });
  } catch (error) {
    // Whatever it is, whoever reads the same on this thread meets it, in its place.
    if (isKeeperError(error)) return undefined;
    throw error;
  }
}

/** Parts of as many records as the pool is given at a time, in the order of reading. */
function partsOf(piece: Placed, forwards: boolean): Placed[] {
  const { ordinals, records } = piece;
  const parts: Placed[] = [];
  for (let from = 0; from < ordinals.length; ) {
    let to = from;
    for (let bytes = 0; to < ordinals.length && (to === from || bytes < MOST_BYTES); to++) {
      bytes += records.ends[to]! - records.starts[to]!;
    }
    // Not views: with those, all that they are views of would be sent.
    const [starts, ends] = [records.starts.slice(from, to), records.ends.slice(from, to)];
    parts.push({ ...piece, ordinals: ordinals.slice(from, to), records: { starts, ends } });
    from = to;
  }
  return forwards ? parts : parts.reverse();
}
