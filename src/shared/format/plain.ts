/** Which objects are data: plain objects and arrays, also those of another realm (a vm context). */

/** Whether an array is no instance of a class of its own. */
export function isPlainArray(value: readonly unknown[]): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Array.prototype || isForeign(prototype, 'Array');
}

/** Whether an object is no instance of a class, nor anything built in. */
export function isPlainObject(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null || isForeign(prototype, 'Object');
}

/** Whether a prototype is Object.prototype or Array.prototype of another realm. */
function isForeign(prototype: unknown, name: 'Object' | 'Array'): boolean {
  if (typeof prototype !== 'object' || prototype === null) return false;
  const base: unknown = Object.getPrototypeOf(prototype);
  if (name === 'Object') return base === null;
  return Array.isArray(prototype) && base !== null && Object.getPrototypeOf(base) === null;
}
