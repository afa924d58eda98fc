/** The tree as RFC 9162 defines it, word for word and without haste: what everything else is held against. */
import { hash } from 'node:crypto';

export function sha256(...parts: readonly Uint8Array[]): Buffer {
  return Buffer.from(hash('sha256', Buffer.concat(parts), 'hex'), 'hex');
}

export const leafHash = (data: Uint8Array): Buffer => sha256(Buffer.of(0), data);
export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => sha256(Buffer.of(1), left, right);

/** The largest power of two less than n. */
function k(n: number): number {
  let power = 1;
  while (power * 2 < n) power *= 2;
  return power;
}

/** MTH(D_n). */
export function mth(data: readonly Uint8Array[]): Buffer {
  if (data.length === 0) return sha256();
  if (data.length === 1) return leafHash(data[0]!);
  const left = k(data.length);
  return nodeHash(mth(data.slice(0, left)), mth(data.slice(left)));
}

/** PATH(m, D_n). */
export function path(m: number, data: readonly Uint8Array[]): Buffer[] {
  if (data.length <= 1) return [];
  const left = k(data.length);
  return m < left
    ? [...path(m, data.slice(0, left)), mth(data.slice(left))]
    : [...path(m - left, data.slice(left)), mth(data.slice(0, left))];
}

/** PROOF(m, D_n). */
export function proof(m: number, data: readonly Uint8Array[]): Buffer[] {
  return m === 0 ? [] : subproof(m, data, true);
}

function subproof(m: number, data: readonly Uint8Array[], isWhole: boolean): Buffer[] {
  if (m === data.length) return isWhole ? [] : [mth(data)];
  const left = k(data.length);
  return m <= left
    ? [...subproof(m, data.slice(0, left), isWhole), mth(data.slice(left))]
    : [...subproof(m - left, data.slice(left), false), mth(data.slice(0, left))];
}
