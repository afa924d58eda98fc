/** A record as a predicate sees it: one view for all records that are looked at in turn. */
import { type PathKey, pathKeysOf } from '../format/messagepack-path.js';
import { PAYLOAD } from '../format/payload.js';
import {
  type Memory,
  recordDataCodec,
  recordRevision,
  recordSchemaVersion,
  recordSequence,
  recordTimestampMs,
  recordTimestampNs,
} from '../format/record.js';
import { formatEventId } from '../portable/event-id.js';
import type { EventMetadata } from '../portable/events.js';
import { type Examined, followPath } from '../portable/query/evaluate.js';
import { RecordHeader } from './record-header.js';
import { decodeData, decodeDataAt, decodeMetadata } from './record-payload.js';

const UNREAD = Symbol('unread');

export class RecordView implements Examined {
  readonly #nodeId: string;
  #memory: Memory;
  #at: number;
  readonly #header: RecordHeader;
  /** Whether the header is that of this record. */
  #isHere = true;
  #data: unknown = UNREAD;
  #metadata: EventMetadata | undefined;
  #isPartlyDecoded = false;
  /** Those that were asked for, ready to be looked for; undefined for one that is followed in the decoded data. */
  readonly #paths = new Map<readonly string[], readonly PathKey[] | undefined>();

  constructor(memory: Memory, at: number, nodeId: string) {
    this.#memory = memory;
    this.#at = at;
    this.#nodeId = nodeId;
    this.#header = new RecordHeader(memory, at);
  }

  moveTo(memory: Memory, at: number): void {
    this.#memory = memory;
    this.#at = at;
    this.#isHere = false;
    this.#data = UNREAD;
    this.#metadata = undefined;
    this.#isPartlyDecoded = false;
  }

  /** Whether anything of the payload was decoded. */
  get decoded(): boolean {
    return this.#isPartlyDecoded || this.#data !== UNREAD || this.#metadata !== undefined;
  }

  get #parts(): RecordHeader {
    if (!this.#isHere) {
      this.#header.moveTo(this.#memory, this.#at);
      this.#isHere = true;
    }
    return this.#header;
  }

  get id(): string {
    return formatEventId(this.timestampNs, this.sequence, this.#nodeId);
  }

  get sequence(): number {
    return recordSequence(this.#memory.view, this.#at);
  }

  get timestampNs(): bigint {
    return recordTimestampNs(this.#memory.view, this.#at);
  }

  get time(): number {
    return recordTimestampMs(this.#memory.view, this.#at);
  }

  get stream(): string {
    return this.#parts.stream;
  }

  get revision(): number {
    return recordRevision(this.#memory.view, this.#at);
  }

  get type(): string {
    return this.#parts.type;
  }

  get tags(): readonly string[] {
    return this.#parts.tags;
  }

  get causes(): readonly string[] {
    return this.#parts.causes(this.#nodeId);
  }

  get agent(): string | undefined {
    return this.#parts.agent;
  }

  get session(): string | undefined {
    return this.#parts.session;
  }

  get correlationId(): string | undefined {
    return this.#parts.correlationId;
  }

  get schemaVersion(): number {
    return recordSchemaVersion(this.#memory.view, this.#at);
  }

  get idempotencyKey(): string | undefined {
    return this.#parts.key;
  }

  get data(): unknown {
    if (this.#data === UNREAD) this.#data = decodeData(this.#memory, this.#at);
    return this.#data;
  }

  dataAt(path: readonly string[]): unknown {
    if (this.#data !== UNREAD || recordDataCodec(this.#memory.view, this.#at) !== PAYLOAD.msgpack)
      return followPath(this.data, path);
    let keys = this.#paths.get(path);
    if (keys === undefined && !this.#paths.has(path)) {
      keys = pathKeysOf(path);
      this.#paths.set(path, keys);
    }
    if (keys === undefined) return followPath(this.data, path);
    this.#isPartlyDecoded = true;
    return decodeDataAt(this.#memory, this.#at, keys);
  }

  get metadata(): EventMetadata {
    this.#metadata ??= decodeMetadata(this.#parts, this.#memory, this.#at);
    return this.#metadata;
  }
}
