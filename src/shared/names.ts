/** Names in events: their bytes, their limits, and a cache for those that come again and again. */
import { fromWire, isKeeperError, KeeperError, toWire } from './portable/errors.js';

/** The longest name of a stream. Unit: bytes of UTF-8. */
export const MAX_STREAM_BYTES = 512;

/** Distinct names that a cache holds before it begins anew. */
const CACHED_NAMES = 4096;

/** Names that were found to be valid, with their bytes. */
export class NameCache {
  readonly #check: (name: string, path: string) => void;
  readonly #maxBytes: number;
  readonly #bytes = new Map<string, Uint8Array>();

  constructor(check: (name: string, path: string) => void, maxBytes: number) {
    this.#check = check;
    this.#maxBytes = maxBytes;
  }

  /** @throws ERR_INVALID_EVENT */
  get(name: unknown, path: string): Uint8Array {
    const known = this.#bytes.get(name as string);
    if (known !== undefined) return known;
    const bytes = encodeName(name, path, this.#maxBytes);
    this.#check(name as string, path);
    if (this.#bytes.size >= CACHED_NAMES) this.#bytes.clear();
    this.#bytes.set(name as string, bytes);
    return bytes;
  }
}

/**
 * The bytes of a stream's name.
 * @param system whether the system's names are allowed
 * @throws ERR_INVALID_EVENT
 */
export function encodeStream(stream: unknown, system: boolean, path = 'stream'): Uint8Array {
  const bytes = encodeName(stream, path, MAX_STREAM_BYTES);
  const name = stream as string;
  if (name.includes('*')) throw invalidEvent(path, 'must not contain *');
  if (hasControlCharacter(name)) throw invalidEvent(path, 'must not contain control characters');
  if (name.startsWith('$') && !system) throw invalidEvent(path, 'must not begin with $: such streams are the system’s');
  return bytes;
}

export function hasControlCharacter(name: string): boolean {
  return /[\u0000-\u001f\u007f-\u009f]/.test(name);
}

/**
 * Write a text as UTF-8 and return how many bytes it took.
 * @param place of the text where the path is that of a list
 * @throws ERR_INVALID_EVENT where it is too long or not well-formed
 */
export function writeText(
  target: Buffer,
  at: number,
  text: string,
  maxBytes: number,
  path: string,
  place = -1,
): number {
  let length = 0;
  while (length < text.length) {
    const code = text.charCodeAt(length);
    if (code >= 0x80) break;
    target[at + length] = code;
    length++;
  }
  if (length < text.length) {
    if (!text.isWellFormed()) throw invalidEvent(placed(path, place), 'has a lone surrogate, which UTF-8 cannot hold');
    length = target.write(text, at, 'utf8');
  }
  if (length > maxBytes) throw invalidEvent(placed(path, place), `takes ${length} bytes; it may take ${maxBytes}`);
  return length;
}

function placed(path: string, place: number): string {
  return place === -1 ? path : `${path}[${place}]`;
}

export function invalidEvent(path: string, what: string): KeeperError {
  return new KeeperError('ERR_INVALID_EVENT', `${path} ${what}`, { path });
}

/** The same error for an event that stands somewhere in a call. */
export function within(prefix: string, error: unknown): unknown {
  if (!isKeeperError(error)) return error;
  const { path, ...fields } = toWire(error);
  if (typeof path !== 'string') {
    return fromWire({ ...fields, message: `${prefix}: ${error.message}` });
  }
  const joined = path === '' ? prefix : `${prefix}.${path}`;
  return fromWire({ ...fields, message: `${joined}${error.message.slice(path.length)}`, path: joined });
}

function encodeName(name: unknown, path: string, maxBytes: number): Uint8Array {
  if (typeof name !== 'string' || name === '') throw invalidEvent(path, `must be a string of 1 to ${maxBytes} bytes`);
  if (!name.isWellFormed()) throw invalidEvent(path, 'has a lone surrogate, which UTF-8 cannot hold');
  const bytes = new TextEncoder().encode(name);
  if (bytes.length > maxBytes) throw invalidEvent(path, `takes ${bytes.length} bytes; it may take ${maxBytes}`);
  // A copy: of short ones V8 keeps the bytes in the object itself, where reading them touches no other memory.
  return new Uint8Array(bytes);
}
