/**
 * Values in a block of an index file, ascending by their UTF-8 bytes, each by what it has more than the one before it:
 *
 *   varint  2 * bytes that it begins with as the one before it does; 1 for the id of an event of this store
 *   others: varint bytes that follow, and these
 *   an id:  varint seconds of its timestamp less those of the id before it in the block (0 before the first one),
 *           varint nanoseconds of the second, less those of that id where the seconds are the same,
 *           varint, signed, its sequence less that of the id before it
 *
 * Here they are strings of a character for each byte ("latin1"), which compare as the bytes do.
 */
import { type ByteReader, type ByteWriter, MalformedBytes } from './varint.js';

const TIMESTAMP_DIGITS = 19;
const SECOND_DIGITS = 10;
const NS_PER_SECOND = 1_000_000_000;
/** No varint is needed for more. */
const HIGHEST_SEQUENCE = 2 ** 50;
const DIGIT = { zero: 48, nine: 57 } as const;
const UNDERSCORE = 95;

/** The id of an event of this store, without the node id. */
export interface OwnId {
  readonly seconds: number;
  readonly ns: number;
  readonly sequence: number;
}

const FIRST: OwnId = { seconds: 0, ns: 0, sequence: 0 };

/** A value as it is kept here. */
export function keyOf(value: string): string {
  return Buffer.from(value, 'utf8').toString('latin1');
}

export function textOf(key: string): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}

export class KeyWriter {
  readonly #nodeId: string;
  #before = '';
  #id = FIRST;

  /** @param nodeId of the store's own ids */
  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** Begin another block. */
  reset(): void {
    this.#before = '';
    this.#id = FIRST;
  }

  write(writer: ByteWriter, key: string): void {
    const id = ownIdIn(key, this.#nodeId);
    if (id !== undefined && id.seconds >= this.#id.seconds) {
      const same = id.seconds === this.#id.seconds;
      writer.varint(1);
      writer.varint(id.seconds - this.#id.seconds);
      writer.varint(same ? id.ns - this.#id.ns : id.ns);
      writer.signed(id.sequence - this.#id.sequence);
      this.#id = id;
    } else {
      const shared = sharedBytes(this.#before, key);
      writer.varint(2 * shared);
      writer.varint(key.length - shared);
      writer.latin1(key.slice(shared));
    }
    this.#before = key;
  }
}

export class KeyReader {
  readonly #nodeId: string;
  #before = '';
  #id = FIRST;
  /** While one is looked for: of the key before, how long it is, and how many bytes it begins with as the wanted one does. */
  #length = 0;
  #common = 0;

  constructor(nodeId: string) {
    this.#nodeId = nodeId;
  }

  /** The next key. @throws MalformedBytes */
  read(reader: ByteReader): string {
    const head = reader.varint();
    this.#before = head === 1 ? this.#readId(reader) : this.#readText(reader, head);
    return this.#before;
  }

  /** The key that was read last, or the first one that was not below what was looked for. */
  get last(): string {
    return this.#before;
  }

  /**
   * How the next key is ordered to a wanted one: below 0, 0, or above. To be asked from the first key of a block on, as long as
   * they are not above it. A key is not put together before one is reached that is not below: where it shares more with the key before
   * it than that does with the wanted one, it is below as that was.
   * @throws MalformedBytes
   */
  compare(reader: ByteReader, wanted: string): number {
    const head = reader.varint();
    if (head === 1) return this.#compareId(this.#readId(reader), wanted);
    const shared = head / 2;
    if (!Number.isInteger(shared) || shared > this.#length) throw new MalformedBytes('a value has no beginning');
    const more = reader.varint();
    this.#length = shared + more;
    if (shared > this.#common) {
      reader.skip(more);
      return -1;
    }
    this.#common = shared + reader.commonWith(wanted, shared, more);
    const order = this.#order(wanted, this.#common === this.#length ? -1 : reader.peek(this.#common - shared));
    if (order < 0) reader.skip(more);
    else this.#before = wanted.slice(0, shared) + reader.latin1(more);
    return order;
  }

  #compareId(id: string, wanted: string): number {
    this.#before = id;
    this.#length = id.length;
    this.#common = sharedBytes(id, wanted);
    return this.#order(wanted, this.#common === id.length ? -1 : id.charCodeAt(this.#common));
  }

  /** @param next the byte of the key behind those in common, -1 where it ends there */
  #order(wanted: string, next: number): number {
    return next - (this.#common === wanted.length ? -1 : wanted.charCodeAt(this.#common));
  }

  #readText(reader: ByteReader, head: number): string {
    const shared = head / 2;
    if (!Number.isInteger(shared) || shared > this.#before.length) throw new MalformedBytes('a value has no beginning');
    return this.#before.slice(0, shared) + reader.latin1(reader.varint());
  }

  #readId(reader: ByteReader): string {
    const later = reader.varint();
    const ns = reader.varint() + (later === 0 ? this.#id.ns : 0);
    const seconds = this.#id.seconds + later;
    const sequence = this.#id.sequence + reader.signed();
    const isId = seconds < 10 ** SECOND_DIGITS && ns < NS_PER_SECOND && sequence > 0 && sequence <= HIGHEST_SEQUENCE;
    if (!isId) throw new MalformedBytes('an id is none');
    this.#id = { seconds, ns, sequence };
    return formatOwnId(this.#id, this.#nodeId);
  }
}

/** What a text says that is the canonical form of an own id; undefined where it is none. */
export function ownIdIn(text: string, nodeId: string): OwnId | undefined {
  const end = text.length - nodeId.length - 1;
  const sequenceAt = TIMESTAMP_DIGITS + 1;
  if (end <= sequenceAt || text.charCodeAt(TIMESTAMP_DIGITS) !== UNDERSCORE || text.charCodeAt(end) !== UNDERSCORE) {
    return undefined;
  }
  if (!text.endsWith(nodeId) || text.charCodeAt(sequenceAt) === DIGIT.zero) return undefined;
  if (!areDigits(text, 0, TIMESTAMP_DIGITS) || !areDigits(text, sequenceAt, end)) return undefined;
  const sequence = Number(text.slice(sequenceAt, end));
  if (sequence > HIGHEST_SEQUENCE) return undefined;
  const seconds = Number(text.slice(0, SECOND_DIGITS));
  return { seconds, ns: Number(text.slice(SECOND_DIGITS, TIMESTAMP_DIGITS)), sequence };
}

/** Of an event of this store; undefined where its id has another form. */
export function ownIdOf(timestampNs: bigint, sequence: number): OwnId | undefined {
  const seconds = Number(timestampNs / BigInt(NS_PER_SECOND));
  const hasDigits = seconds >= 10 ** (SECOND_DIGITS - 1) && seconds < 10 ** SECOND_DIGITS;
  if (!hasDigits || sequence > HIGHEST_SEQUENCE) return undefined;
  return { seconds, ns: Number(timestampNs % BigInt(NS_PER_SECOND)), sequence };
}

export function formatOwnId({ seconds, ns, sequence }: OwnId, nodeId: string): string {
  const timestamp = padded(seconds, SECOND_DIGITS) + padded(ns, TIMESTAMP_DIGITS - SECOND_DIGITS);
  return `${timestamp}_${sequence}_${nodeId}`;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}

function areDigits(text: string, from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i);
    if (code < DIGIT.zero || code > DIGIT.nine) return false;
  }
  return true;
}

function sharedBytes(one: string, other: string): number {
  const most = Math.min(one.length, other.length);
  let shared = 0;
  while (shared < most && one.charCodeAt(shared) === other.charCodeAt(shared)) shared++;
  return shared;
}
