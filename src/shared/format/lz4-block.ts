/**
 * Unpacking of one LZ4 block (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md), as far as it is wanted, into memory that is there:
 * a native library makes a buffer for each block, and what collects those takes longer than unpacking. A block is a row of sequences: a token,
 * literals, then what is repeated of the bytes before, as an offset and a length; the last one ends with its literals.
 */

/** So many bytes at most are copied here, some at a time; more by the runtime, which takes longer to begin. */
const SHORT_BYTES = 96;
/** Bytes at a time. Behind the last ones up to three others may be written, where there is room for them. */
const STEP_BYTES = 4;
const MIN_REPEATED = 4;
/** A length of a token that goes on in further bytes, each of which adds up to 255. */
const GOES_ON = 15;

/**
 * @param packed the block, from an offset on
 * @param raw gets its bytes, and is as long as all of them
 * @param wanted how many are, from the first one on
 * @returns how many were unpacked, as many as are wanted or more, what is behind them meaning nothing; -1 where the bytes are none that
 *   a compressor wrote
 */
export function unpackLz4(packed: Uint8Array, start: number, raw: Uint8Array, wanted: number): number {
  const end = packed.length;
  const rawEnd = raw.length;
  const packedView = new DataView(packed.buffer, packed.byteOffset, end);
  const rawView = new DataView(raw.buffer, raw.byteOffset, rawEnd);
  let from = start;
  let to = 0;
  while (from < end) {
    const token = packed[from++]!;
    let length = token >>> 4;
    if (length === GOES_ON) {
      for (let more = 255; more === 255; length += more) {
        if (from === end) return -1;
        more = packed[from++]!;
      }
    }
    if (length > end - from || length > rawEnd - to) return -1;
    if (length <= SHORT_BYTES) {
      const stop = to + length;
      if (from + length + STEP_BYTES <= end && stop + STEP_BYTES <= rawEnd) {
        for (let at = from; to < stop; at += STEP_BYTES, to += STEP_BYTES) {
          rawView.setInt32(to, packedView.getInt32(at, true), true);
        }
        from += length;
        to = stop;
      } else while (to < stop) raw[to++] = packed[from++]!;
    } else {
      raw.set(packed.subarray(from, from + length), to);
      from += length;
      to += length;
    }
    if (from === end) return to === rawEnd ? to : -1;
    if (to >= wanted) return to;
    if (end - from < 2) return -1;
    const offset = packed[from]! | (packed[from + 1]! << 8);
    from += 2;
    length = (token & 15) + MIN_REPEATED;
    if (length === GOES_ON + MIN_REPEATED) {
      for (let more = 255; more === 255; length += more) {
        if (from === end) return -1;
        more = packed[from++]!;
      }
    }
    if (offset === 0 || offset > to || length > rawEnd - to) return -1;
    let source = to - offset;
    const stop = to + length;
    if (length <= SHORT_BYTES && offset >= STEP_BYTES && stop + STEP_BYTES <= rawEnd) {
      for (; to < stop; source += STEP_BYTES, to += STEP_BYTES) {
        rawView.setInt32(to, rawView.getInt32(source, true), true);
      }
      to = stop;
    } else if (length <= SHORT_BYTES || offset < length) while (to < stop) raw[to++] = raw[source++]!;
    else {
      raw.copyWithin(to, source, source + length);
      to = stop;
    }
    if (to >= wanted && to < rawEnd) return to;
  }
  return -1;
}
