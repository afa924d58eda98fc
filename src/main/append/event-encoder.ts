/**
 * From a user's event to a record: checks every member against its limit and writes the record, except for its place in
 * the order. Input objects are read here and never again.
 */
import { type PayloadCodec, PayloadEncoder } from '../../shared/format/payload.js';
import {
  align,
  FLAG,
  LOCAL_CAUSE,
  type Memory,
  RECORD_HEADER_BYTES,
  type RecordLayout,
  writeRecordHeader,
} from '../../shared/format/record.js';
import { hasControlCharacter, invalidEvent, NameCache, writeText } from '../../shared/names.js';
import { KeeperError } from '../../shared/portable/errors.js';

/** Limits of the contract. Unit: bytes, except for the counts. */
const MAX_TYPE_BYTES = 256;
const MAX_LABEL_BYTES = 256;
const MAX_TAGS = 32;
const MAX_CAUSES = 32;

interface EventInput {
  type?: unknown;
  data?: unknown;
  metadata?: unknown;
  tags?: unknown;
  causes?: unknown;
  schemaVersion?: unknown;
  idempotencyKey?: unknown;
}

/** The stream that an append goes to, in bytes. */
export interface StreamName {
  readonly bytes: Uint8Array;
}

/**
 * {@link read} takes one event in, {@link maxBytes} says what room it needs at most, {@link write} writes it. Not
 * reentrant.
 */
export class EventEncoder {
  readonly #data: PayloadEncoder;
  readonly #metadata: PayloadEncoder;
  readonly #types = new NameCache((type, path) => checkType(type, path), MAX_TYPE_BYTES);
  readonly #maxEventBytes: number;
  readonly #layout: RecordLayout = {
    length: 0,
    flags: 0,
    dataCodec: 0,
    tagCount: 0,
    causeCount: 0,
    schemaVersion: 1,
    streamBytes: 0,
    typeBytes: 0,
    agentBytes: 0,
    sessionBytes: 0,
    correlationBytes: 0,
    keyBytes: 0,
    listBytes: 0,
    metadataBytes: 0,
    dataBytes: 0,
  };
  #type: Uint8Array = new Uint8Array(0);
  #agent = '';
  #session = '';
  #correlationId = '';
  #key = '';
  #tags: readonly string[] = [];
  #causes: readonly (string | number)[] = [];
  #hasMetadata = false;
  #place = 0;
  #maxBytes = 0;

  constructor(options: { dataCodec: 'msgpack' | 'json'; maxEventBytes: number }) {
    this.#data = new PayloadEncoder(options.dataCodec, options.maxEventBytes);
    this.#metadata = new PayloadEncoder('msgpack', options.maxEventBytes);
    this.#maxEventBytes = options.maxEventBytes;
  }

  /** The idempotency key of the event that was read, or empty. */
  get key(): string {
    return this.#key;
  }

  /** No fewer bytes than {@link write} will take, stream and padding included. */
  get maxBytes(): number {
    return this.#maxBytes;
  }

  /**
   * Check an event and encode its payloads.
   * @param place of the event in its call, zero-based: what numeric causes are held against
   * @throws ERR_INVALID_EVENT with the path within the event, ERR_EVENT_TOO_LARGE
   */
  read(input: unknown, place: number): void {
    if (typeof input !== 'object' || input === null) throw invalidEvent('', 'must be an object');
    for (const key in input) checkMember(key);
    const { type, data, metadata, tags, causes, schemaVersion, idempotencyKey } = input as EventInput;
    this.#place = place;
    this.#type = this.#types.get(type, 'type');
    this.#layout.schemaVersion = schemaVersion === undefined ? 1 : checkSchemaVersion(schemaVersion);
    this.#key = checkLabel(idempotencyKey, 'idempotencyKey');
    this.#tags = checkList(tags, 'tags', MAX_TAGS);
    this.#causes = checkList(causes, 'causes', MAX_CAUSES);
    this.#readMetadata(metadata);
    this.#data.encode(data, 'data');
    let bytes = RECORD_HEADER_BYTES + 512 + this.#type.length + this.#data.maxBytes + 8;
    bytes += 3 * (this.#agent.length + this.#session.length + this.#correlationId.length + this.#key.length);
    if (this.#hasMetadata) bytes += this.#metadata.maxBytes;
    for (const tag of this.#tags) bytes += 2 + 3 * tag.length;
    for (const cause of this.#causes) bytes += typeof cause === 'string' ? 2 + 3 * cause.length : 4;
    this.#maxBytes = align(bytes);
  }

  /**
   * Write the event that was read as a record, and return its length.
   * @param flags FLAG.first, FLAG.last
   * @throws ERR_INVALID_EVENT, ERR_EVENT_TOO_LARGE; what has been written then means nothing
   */
  write(target: Memory, at: number, stream: Uint8Array, flags: number): number {
    const { bytes } = target;
    const layout = this.#layout;
    let next = at + RECORD_HEADER_BYTES;
    next += copy(stream, bytes, next);
    next += copy(this.#type, bytes, next);
    next += layout.agentBytes = this.#writeLabel(bytes, next, this.#agent, 'metadata.agent');
    next += layout.sessionBytes = this.#writeLabel(bytes, next, this.#session, 'metadata.session');
    next += layout.correlationBytes = this.#writeLabel(bytes, next, this.#correlationId, 'metadata.correlationId');
    next += layout.keyBytes = this.#writeLabel(bytes, next, this.#key, 'idempotencyKey');
    next += layout.listBytes = this.#writeLists(target, next);
    next += layout.metadataBytes = this.#hasMetadata ? this.#metadata.writeTo(bytes, next) : 0;
    next += layout.dataBytes = this.#data.writeTo(bytes, next);
    layout.streamBytes = stream.length;
    layout.typeBytes = this.#type.length;
    layout.tagCount = this.#tags.length;
    layout.causeCount = this.#causes.length;
    layout.dataCodec = this.#data.codec satisfies PayloadCodec;
    layout.flags = flags;
    layout.length = align(next - at);
    for (const end = at + layout.length; next < end; next++) bytes[next] = 0;
    if (layout.length > this.#maxEventBytes) throw tooLarge(layout.length, this.#maxEventBytes);
    writeRecordHeader(target.view, at, layout);
    return layout.length;
  }

  #readMetadata(metadata: unknown): void {
    this.#agent = this.#session = this.#correlationId = '';
    this.#hasMetadata = false;
    if (metadata === undefined) return;
    if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
      throw invalidEvent('metadata', 'must be an object');
    }
    const prototype: unknown = Object.getPrototypeOf(metadata);
    // Another realm's Object.prototype is the end of a chain as well.
    if (prototype !== Object.prototype && prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      throw invalidEvent('metadata', 'is a class instance, not a plain object');
    }
    const { agent, session, correlationId, ...others } = metadata as Record<string, unknown>;
    this.#agent = checkLabel(agent, 'metadata.agent');
    this.#session = checkLabel(session, 'metadata.session');
    this.#correlationId = checkLabel(correlationId, 'metadata.correlationId');
    checkLabel(others.traceparent, 'metadata.traceparent');
    for (const _ in others) {
      this.#hasMetadata = true;
      this.#metadata.encodeByReference(others, 'metadata');
      return;
    }
  }

  #writeLabel(target: Buffer, at: number, text: string, name: string): number {
    return text === '' ? 0 : writeText(target, at, text, MAX_LABEL_BYTES, name);
  }

  #writeLists({ bytes, view }: Memory, at: number): number {
    let next = at;
    for (let i = 0; i < this.#tags.length; i++) {
      const length = writeText(bytes, next + 2, this.#tags[i]!, MAX_LABEL_BYTES, 'tags', i);
      view.setUint16(next, length, true);
      next += 2 + length;
    }
    for (let i = 0; i < this.#causes.length; i++) {
      const cause = this.#causes[i]!;
      if (typeof cause === 'string') {
        const length = writeText(bytes, next + 2, cause, MAX_LABEL_BYTES, 'causes', i);
        view.setUint16(next, length, true);
        next += 2 + length;
      } else {
        if (!(Number.isInteger(cause) && cause >= 0 && cause < this.#place)) {
          throw invalidEvent(`causes[${i}]`, `is ${cause}, which is no earlier event of this call`);
        }
        view.setUint16(next, LOCAL_CAUSE, true);
        view.setUint16(next + 2, this.#place - cause, true);
        next += 4;
      }
    }
    return next - at;
  }
}

/** Refuse what an event does not have: a misspelt member must not be lost silently. */
function checkMember(key: string): void {
  switch (key) {
    case 'type':
    case 'data':
    case 'metadata':
    case 'tags':
    case 'causes':
    case 'schemaVersion':
    case 'idempotencyKey':
      return;
    default:
      throw invalidEvent(
        key,
        'is not a member of an event: type, data, metadata, tags, causes, schemaVersion, idempotencyKey',
      );
  }
}

/** The flags of an event by its place in its append. */
export function flagsOf(place: number, count: number): number {
  return (place === 0 ? FLAG.first : 0) | (place === count - 1 ? FLAG.last : 0);
}

function copy(source: Uint8Array, target: Buffer, at: number): number {
  // Names are short: a loop costs less than a call into the runtime.
  for (let i = 0; i < source.length; i++) target[at + i] = source[i]!;
  return source.length;
}

function checkType(type: string, path: string): void {
  if (type.includes('*')) throw invalidEvent(path, 'must not contain *');
  if (hasControlCharacter(type)) throw invalidEvent(path, 'must not contain control characters');
}

function checkSchemaVersion(version: unknown): number {
  if (typeof version === 'number' && Number.isInteger(version) && version >= 1 && version < 2 ** 32) return version;
  throw invalidEvent('schemaVersion', 'must be an integer from 1 to 4294967295');
}

/** A label, or empty where there is none. Its bytes are counted when it is written. */
function checkLabel(label: unknown, path: string): string {
  if (label === undefined) return '';
  if (typeof label !== 'string' || label === '' || label.length > MAX_LABEL_BYTES) {
    throw invalidEvent(path, `must be a string of 1 to ${MAX_LABEL_BYTES} bytes`);
  }
  return label;
}

const NONE: readonly never[] = [];

function checkList<T extends string | number>(list: unknown, path: string, max: number): readonly T[] {
  if (list === undefined) return NONE;
  if (!Array.isArray(list) || list.length > max) throw invalidEvent(path, `must be a list of at most ${max}`);
  for (let i = 0; i < list.length; i++) {
    const item: unknown = list[i];
    if (typeof item === 'string' && item !== '' && item.length <= MAX_LABEL_BYTES) continue;
    if (path === 'causes' && typeof item === 'number') continue;
    throw invalidEvent(`${path}[${i}]`, `must be a string of 1 to ${MAX_LABEL_BYTES} bytes`);
  }
  return list;
}

function tooLarge(bytes: number, limit: number): KeeperError {
  return new KeeperError('ERR_EVENT_TOO_LARGE', `the event takes ${bytes} bytes; an event may take ${limit}`, {
    bytes,
    limit,
    hint: 'Store large content elsewhere and append a reference to it, or raise maxEventBytes.',
  });
}
