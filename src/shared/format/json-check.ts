/** Whether JSON holds a value as it is: what JSON.stringify writes, JSON.parse gives back. */
import { MAX_DEPTH } from './messagepack-check.js';
import { isPlainArray, isPlainObject } from './plain.js';

/** How JSON.stringify writes a lone surrogate, behind an even number of backslashes. */
const ESCAPED_SURROGATE = /(?:^|[^\\])(?:\\\\)*\\ud[89a-f]/;

/**
 * The JSON text of a value, or undefined where JSON does not hold it: NaN, infinities, bigints, dates, bytes, absent
 * members, lone surrogates, and whatever cannot be stored at all. Members are read twice.
 * @param maxBytes a value that surely takes more is not looked at to its end; undefined as well
 */
export function toJsonText(value: unknown, maxBytes: number): string | undefined {
  if (!new Check(maxBytes).holds(value, 1)) return undefined;
  const text = JSON.stringify(value);
  return text.includes('\\ud') && ESCAPED_SURROGATE.test(text) ? undefined : text;
}

class Check {
  #budget: number;

  constructor(budget: number) {
    this.#budget = budget;
  }

  holds(value: unknown, depth: number): boolean {
    if (--this.#budget < 0) return false;
    switch (typeof value) {
      case 'string':
        this.#budget -= value.length;
        return this.#budget >= 0;
      case 'number':
        return Number.isFinite(value);
      case 'boolean':
        return true;
      case 'object':
        return value === null || this.#holdsObject(value, depth);
      default:
        return false;
    }
  }

  #holdsObject(value: object, depth: number): boolean {
    if (depth > MAX_DEPTH || 'toJSON' in value) return false;
    if (Array.isArray(value)) {
      if (!isPlainArray(value)) return false;
      for (let i = 0; i < value.length; i++) if (!this.holds(value[i], depth + 1)) return false;
      return true;
    }
    if (!isPlainObject(value)) return false;
    // Inherited members can only come from a polluted Object.prototype, and are then checked in vain, not stored.
    for (const key in value) {
      if (key === '__proto__') return false;
      this.#budget -= key.length;
      if (!this.holds((value as Record<string, unknown>)[key], depth + 1)) return false;
    }
    return true;
  }
}
