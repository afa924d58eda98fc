/** Values that a query compares with, in one form for each value, and how values are compared. */

/** A moment, as a Date in data and the time of an event are. */
export interface Instant {
  /** Milliseconds since 1970. */
  readonly ms: number;
}

/**
 * What something is compared with. Of numbers that are equal only one form is used: a number where it is not an integer
 * beyond the safe ones, which is a bigint if 64 bits hold it.
 */
export type Operand = null | boolean | number | bigint | string | Instant;

/** Characters of a text that something is compared with. */
export const MAX_TEXT_CHARACTERS = 8192;

const LOWEST_BIGINT = -(2n ** 63n);
const HIGHEST_BIGINT = 2n ** 64n - 1n;
const LOWEST_AS_DOUBLE = -(2 ** 63);
const ABOVE_AS_DOUBLE = 2 ** 64;

/** The one form of a number. */
export function oneForm(value: number | bigint): number | bigint {
  if (typeof value === 'bigint') {
    const double = Number(value);
    return Number.isSafeInteger(double) ? double : value;
  }
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value;
  const fits = Number.isInteger(value) && value >= LOWEST_AS_DOUBLE && value < ABOVE_AS_DOUBLE;
  return fits ? BigInt(value) : value;
}

/** Whether a bigint is one that data can hold. */
export function isStorable(value: bigint): boolean {
  return value >= LOWEST_BIGINT && value <= HIGHEST_BIGINT;
}

export function isInstant(operand: Operand): operand is Instant {
  return typeof operand === 'object' && operand !== null;
}

const MOMENT = /^((?:\d{4}|[+-]\d{6})-\d\d-\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,3}0*)?(?:Z|[+-]\d\d:\d\d)$/;

/** Milliseconds since 1970 of a text of RFC 3339 or ISO 8601 that names a millisecond and an offset; else undefined. */
export function parseMoment(text: string): number | undefined {
  const day = MOMENT.exec(text)?.[1];
  if (day === undefined) return undefined;
  const midnight = new Date(`${day}T00:00:00Z`);
  // The 30th of February would be taken for the 2nd of March.
  if (Number.isNaN(midnight.getTime()) || !midnight.toISOString().startsWith(day)) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Compares texts by code point: below zero where the first comes first. */
export function compareText(one: string, other: string): number {
  const length = Math.min(one.length, other.length);
  for (let i = 0; i < length; i++) {
    const a = one.charCodeAt(i);
    const b = other.charCodeAt(i);
    if (a !== b) return rank(a) - rank(b);
  }
  return one.length - other.length;
}

/** UTF-16 has the code points above U+FFFF, as surrogates, before those from U+E000 on. */
function rank(unit: number): number {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}
