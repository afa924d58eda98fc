/** How a query is refused: by code, with the path of what is wrong. */
import { KeeperError } from '../errors.js';

const NAME = /^[A-Za-z_$][\w$]*$/;

/** The path of an object's member. */
export function memberPath(path: string, key: string): string {
  if (NAME.test(key)) return `${path}.${key}`;
  return `${path}['${key.replace(/[\\']/g, '\\$&')}']`;
}

export function refuse(path: string, what: string): KeeperError {
  return new KeeperError('ERR_INVALID_QUERY', `${path} ${what}`, { path });
}

/** Whether a value is an object that says what it says by its own members: not a list, a date, or another class's. */
export function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
