/** Looking through a whole index file, whether all of it verifies and decodes. */
import { INDEXED } from '../../shared/format/index-file.js';
import { chunksOf } from '../../shared/format/index-offsets.js';
import { decodePart, PART_PLACES, readFollowing } from '../../shared/format/index-postings.js';
import type { ValueEntry } from '../../shared/format/index-tree.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';
import type { ChainedSegment, IndexFiles } from './index-files.js';
import { IndexMemory } from './index-memory.js';
import { type EntryCursor, IndexDamage, type IndexReader } from './index-reader.js';
import type { Steps } from './segment-blocks.js';

/** Sections that are looked at several times. Unit: bytes. */
const MEMORY_BYTES = 1024 * 1024;
/** Values, or chunks of offsets, between two turns of others. */
const AT_ONCE = 1024;

/**
 * What is wrong with the index file of a segment; undefined where nothing is, or where there is none.
 * @param checkAbort throws where it is to end
 */
export async function checkIndex(
  files: IndexFiles,
  segment: ChainedSegment,
  checkAbort: () => void,
): Promise<IndexDamage | undefined> {
  const apart = files.apart(new IndexMemory(MEMORY_BYTES));
  const run = <T>(steps: Steps<T>): Promise<T> => {
    checkAbort();
    return apart.run(segment.number, steps);
  };
  try {
    const reader = await apart.reader(segment);
    if (reader === undefined) return undefined;
    const chunks = chunksOf(reader.header.places);
    for (let first = 0; first < chunks; first += AT_ONCE) await run(checkOffsets(reader, first, chunks));
    for (const field of INDEXED) {
      const cursor = reader.entriesFrom(field, '');
      let values = 0;
      let seen: Seen = { values: 0, last: undefined, isEnd: false };
      while (!seen.isEnd) {
        seen = await run(checkEntries(reader, field, cursor, seen.last));
        values += seen.values;
      }
      if (values !== reader.header.fields[field].values) throw new IndexDamage('it has not as many values as it says');
    }
    return undefined;
  } catch (error) {
    if (error instanceof IndexDamage) return error;
    throw error;
  } finally {
    apart.close();
  }
}

interface Seen {
  readonly values: number;
  readonly last: string | undefined;
  readonly isEnd: boolean;
}

function* checkOffsets(reader: IndexReader, first: number, chunks: number): Steps<void> {
  const end = Math.min(first + AT_ONCE, chunks);
  for (let chunk = first; chunk < end; ) chunk += (yield* reader.offsetsInRow(chunk, end - chunk)).length;
}

function* checkEntries(
  reader: IndexReader,
  field: PostedField,
  cursor: EntryCursor,
  after: string | undefined,
): Steps<Seen> {
  let last = after;
  for (let values = 0; values < AT_ONCE; values++) {
    const entry = yield* cursor.next();
    if (entry === undefined) return { values, last, isEnd: true };
    if (last !== undefined && entry.key <= last) throw new IndexDamage('its values are not in order');
    if (!(yield* reader.mayHave(field, entry.key))) throw new IndexDamage('a filter has not all values');
    yield* checkPlaces(reader, entry);
    last = entry.key;
  }
  return { values: AT_ONCE, last, isEnd: false };
}

function* checkPlaces(reader: IndexReader, { count, first, last, places }: ValueEntry): Steps<void> {
  let ends: [number | undefined, number | undefined];
  if ('gaps' in places) {
    const all = readFollowing(places.gaps, count, first, reader.header.places);
    ends = [all[0], all.at(-1)];
  } else {
    const all = new Uint32Array(count);
    let at = 0;
    for (const part of places.parts) {
      const bytes = yield* reader.block(part);
      decodePart({ bytes, isBitmap: part.isBitmap }, part.count, part.part * PART_PLACES, all, at);
      at += part.count;
    }
    ends = [all[0], all.at(-1)];
  }
  if (ends[0] !== first || ends[1] !== last) throw new IndexDamage('a list is not what its entry says');
}
