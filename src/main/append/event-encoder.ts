/**
 * From a user's event to a record: checks every member against its limit and writes the record, except for its place in
 * the order. Input objects are read here and never again, straight to where the record is to be.
 */
import { NO_ROOM } from '../../shared/format/messagepack-writer.js';
import { PayloadWriter } from '../../shared/format/payload.js';
import { isPlainObject } from '../../shared/format/plain.js';
import {
  align,
  FLAG,
  LOCAL_CAUSE,
  type Memory,
  RECORD_ALIGNMENT,
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

/**
 * A record may turn out to be shorter than it is thought to be while it is written, by no more than this: labels and texts
 * are first counted as three bytes a character. Unit: bytes.
 */
export const ESTIMATE_SLACK = 64 * 1024;

/** {@link write} takes one event in and writes it as a record. One for each thread, and not reentrant. */
export class EventEncoder {
  readonly #payload: PayloadWriter;
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
  /** The members of the metadata that have no fields of their own; undefined where there are none. */
  #metadata: object | undefined;
  #place = 0;

  constructor(options: { dataCodec: 'msgpack' | 'json'; maxEventBytes: number }) {
    this.#payload = new PayloadWriter(options.dataCodec);
    this.#maxEventBytes = options.maxEventBytes;
  }

  /** The idempotency key of the event that was written last, or empty. */
  get key(): string {
    return this.#key;
  }

  /**
   * Check an event and write it as a record, from `at` on. Returns the record's length, or {@link NO_ROOM} where there may
   * be too little before `end`; the event may then be written again to a larger place. What is written when it does not
   * return a length means nothing.
   * @param place of the event in its call, zero-based: what numeric causes are held against
   * @param flags of FLAG, any together
   * @throws ERR_INVALID_EVENT with the path within the event, ERR_EVENT_TOO_LARGE
   */
  write(
    input: unknown,
    place: number,
    target: Memory,
    at: number,
    end: number,
    stream: Uint8Array,
    flags: number,
  ): number {
    const data = this.#read(input, place);
    const largest = at + this.#maxEventBytes + ESTIMATE_SLACK;
    const length = this.#write(data, target, at, Math.min(end, largest), stream, flags);
    if (length !== NO_ROOM && length <= this.#maxEventBytes) return length;
    if (length === NO_ROOM && end < largest) return NO_ROOM;
    throw tooLarge(Math.max(length, this.#maxEventBytes + 1), this.#maxEventBytes);
  }

  /** Take in everything but the data, which is returned. */
  #read(input: unknown, place: number): unknown {
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
    return data;
  }

  /** No fewer bytes than the record takes without its metadata and data, padding included. */
  #mostWithoutPayloads(stream: Uint8Array): number {
    let bytes = RECORD_HEADER_BYTES + stream.length + this.#type.length + RECORD_ALIGNMENT;
    bytes += 3 * (this.#agent.length + this.#session.length + this.#correlationId.length + this.#key.length);
    for (let i = 0; i < this.#tags.length; i++) bytes += 2 + 3 * this.#tags[i]!.length;
    for (let i = 0; i < this.#causes.length; i++) bytes += 4 + 3 * String(this.#causes[i]).length;
    return bytes;
  }

  #write(data: unknown, target: Memory, at: number, end: number, stream: Uint8Array, flags: number): number {
    if (at + this.#mostWithoutPayloads(stream) > end) return NO_ROOM;
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
    // Room is kept for the zeros behind the data.
    const payloadEnd = end - RECORD_ALIGNMENT;
    layout.metadataBytes = 0;
    if (this.#metadata !== undefined) {
      const length = this.#payload.writeMessagePack(this.#metadata, 'metadata', target, next, payloadEnd);
      if (length === NO_ROOM) return NO_ROOM;
      next += layout.metadataBytes = length;
    }
    const length = this.#payload.write(data, 'data', target, next, payloadEnd);
    if (length === NO_ROOM) return NO_ROOM;
    next += layout.dataBytes = length;
    layout.streamBytes = stream.length;
    layout.typeBytes = this.#type.length;
    layout.tagCount = this.#tags.length;
    layout.causeCount = this.#causes.length;
    layout.dataCodec = this.#payload.codec;
    layout.flags = flags;
    layout.length = align(next - at);
    for (const recordEnd = at + layout.length; next < recordEnd; next++) bytes[next] = 0;
    writeRecordHeader(target.view, at, layout);
    return layout.length;
  }

  #readMetadata(metadata: unknown): void {
    this.#agent = this.#session = this.#correlationId = '';
    this.#metadata = undefined;
    if (metadata === undefined) return;
    if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata)) {
      throw invalidEvent('metadata', 'must be an object');
    }
    if (!isPlainObject(metadata)) throw invalidEvent('metadata', 'is a class instance, not a plain object');
    const { agent, session, correlationId, ...others } = metadata as Record<string, unknown>;
    this.#agent = checkLabel(agent, 'metadata.agent');
    this.#session = checkLabel(session, 'metadata.session');
    this.#correlationId = checkLabel(correlationId, 'metadata.correlationId');
    checkLabel(others.traceparent, 'metadata.traceparent');
    for (const _ in others) {
      this.#metadata = others;
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

/** @param bytes that it takes at least */
function tooLarge(bytes: number, limit: number): KeeperError {
  return new KeeperError('ERR_EVENT_TOO_LARGE', `the event takes more than the ${limit} bytes that an event may take`, {
    bytes,
    limit,
    hint: 'Store large content elsewhere and append a reference to it, or raise maxEventBytes.',
  });
}
