/** Bytes for tests of formats. */
import { PlaceHasher } from '../../dist/shared/format/checksum.js';

/** Two stores that are not the same. */
export const STORE = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
export const OTHER_STORE = Buffer.from('000102030405060708090a0b0c0d0e10', 'hex');

export const hasher = await PlaceHasher.create(STORE);
export const otherHasher = await PlaceHasher.create(OTHER_STORE);

export function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Each copy of some bytes in which one byte is another one. */
export function* flipped(bytes: Buffer): Generator<{ at: number; bytes: Buffer }> {
  for (let at = 0; at < bytes.length; at++) {
    const copy = Buffer.from(bytes);
    copy[at] = copy[at]! ^ (1 << (at % 8));
    yield { at, bytes: copy };
  }
}
