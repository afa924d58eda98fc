/** Which hashes prove what (RFC 9162, sections 2.1.3.1 and 2.1.4.1), by ranges of leaves. */
import { hashNode } from '../format/tree-hash.js';

/** Leaves `first` to `end`, without `end`. */
export interface LeafRange {
  readonly first: number;
  readonly end: number;
}

/** The ranges whose roots lead from a leaf to the root of a tree of `size` leaves, the leaf's neighbour first. */
export function inclusionPath(index: number, size: number): LeafRange[] {
  const path: LeafRange[] = [];
  let first = 0;
  let end = size;
  while (end - first > 1) {
    const middle = first + leftPart(end - first);
    if (index < middle) {
      path.unshift({ first: middle, end });
      end = middle;
    } else {
      path.unshift({ first, end: middle });
      first = middle;
    }
  }
  return path;
}

/** The ranges whose roots lead from the root of the first `older` leaves to the root of `newer` leaves. */
export function consistencyPath(older: number, newer: number): LeafRange[] {
  if (older === 0) return [];
  const path: LeafRange[] = [];
  let first = 0;
  let end = newer;
  while (older !== end) {
    const middle = first + leftPart(end - first);
    if (older <= middle) {
      path.unshift({ first: middle, end });
      end = middle;
    } else {
      path.unshift({ first, end: middle });
      first = middle;
    }
  }
  // The older tree's own root is known to whoever verifies; a part of it is not.
  if (first > 0) path.unshift({ first, end });
  return path;
}

/** The root over a range of leaves. @param perfect gives that of 2^height leaves from `index * 2^height` on */
export function rootOfRange({ first, end }: LeafRange, perfect: (height: number, index: number) => Buffer): Buffer {
  const roots: Buffer[] = [];
  for (let at = first; at < end; ) {
    const height = heightOf(end - at);
    roots.push(perfect(height, at / 2 ** height));
    at += 2 ** height;
  }
  return roots.reduceRight((right, left) => hashNode(left, right));
}

/** Of a tree of more than one leaf: the largest power of two that is less. */
function leftPart(size: number): number {
  return 2 ** heightOf(size - 1);
}

/** The height of the largest perfect tree of not more than so many leaves. */
function heightOf(size: number): number {
  let height = 0;
  while (2 ** (height + 1) <= size) height++;
  return height;
}
