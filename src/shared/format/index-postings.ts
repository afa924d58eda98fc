/**
 * Postings in an index file: the places of records in their segment, ascending. A long list is kept in parts, one for each
 * 65,536 places in which it has any, so that a range of it is read without the rest; as in Roaring bitmaps (Chambi, Lemire,
 * Kaser, Godin 2016) a part is what takes fewer bytes:
 *
 *   gaps    the first place within the part, then for each next one the gap before it less one, as varints
 *   bitmap  8,192 bytes; place p is bit p mod 8 of byte p / 8
 */
import { ByteReader, ByteWriter, MalformedBytes } from './varint.js';

/** Places of a part. */
export const PART_PLACES = 65_536;
export const BITMAP_BYTES = PART_PLACES / 8;

export interface EncodedPart {
  readonly bytes: Buffer;
  readonly isBitmap: boolean;
}

/** @param places within the part, ascending */
export function encodePart(places: Uint32Array): EncodedPart {
  const gaps = new ByteWriter();
  writeGaps(gaps, places);
  if (gaps.length < BITMAP_BYTES) return { bytes: gaps.take(), isBitmap: false };
  const bytes = Buffer.alloc(BITMAP_BYTES);
  for (const place of places) bytes[place >>> 3]! |= 1 << (place & 7);
  return { bytes, isBitmap: true };
}

/**
 * The places of a part, so many, put into a list from a place in it on.
 * @param base of the part
 * @throws MalformedBytes
 */
export function decodePart(
  { bytes, isBitmap }: EncodedPart,
  count: number,
  base: number,
  into: Uint32Array,
  at: number,
): void {
  if (!isBitmap) return readGaps(new ByteReader(bytes), count, base, base + PART_PLACES, into, at);
  if (bytes.length !== BITMAP_BYTES) throw new MalformedBytes('a bitmap is not as long as they are');
  let next = at;
  for (let i = 0; i < bytes.length; i++) {
    for (let bits = bytes[i]!; bits !== 0; bits &= bits - 1) {
      if (next === at + count) throw new MalformedBytes('a bitmap has more than its list says');
      into[next++] = base + i * 8 + (31 - Math.clz32(bits & -bits));
    }
  }
  if (next !== at + count) throw new MalformedBytes('a bitmap has less than its list says');
}

/** The first place, then the gap before each other one less one. */
function writeGaps(writer: ByteWriter, places: Uint32Array): void {
  writer.varint(places[0]!);
  for (let i = 1; i < places.length; i++) writer.varint(places[i]! - places[i - 1]! - 1);
}

/**
 * @param base added to the first one
 * @param limit above all of them
 */
function readGaps(reader: ByteReader, count: number, base: number, limit: number, into: Uint32Array, at: number): void {
  let place = base - 1;
  for (let i = 0; i < count; i++) {
    place += 1 + reader.varint();
    if (place >= limit) throw new MalformedBytes('a place is beyond its part');
    into[at + i] = place;
  }
  if (reader.left > 0) throw new MalformedBytes('bytes follow a list');
}

/** The places behind the first one of a short list, by their gaps. */
export function readFollowing(gaps: Buffer, count: number, first: number, limit: number): Uint32Array {
  // Each takes a byte at least: no memory is taken for what is not there.
  if (count - 1 > gaps.length) throw new MalformedBytes('a list is shorter than it says');
  const places = new Uint32Array(count);
  places[0] = first;
  if (count > 1) readGaps(new ByteReader(gaps), count - 1, first + 1, limit, places, 1);
  return places;
}
