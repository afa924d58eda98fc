/** An event as it is read: owns a copy of its record, and decodes each part when it is first asked for. */
import { inspect } from 'node:util';
import { decodePayload, PAYLOAD } from '../../shared/format/payload.js';
import {
  type Memory,
  memoryOf,
  recordDataCodec,
  recordLength,
  recordRevision,
  recordSchemaVersion,
  recordSequence,
  recordTimestampNs,
} from '../../shared/format/record.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { EventMetadata, EventObject, RecordedEvent } from '../../shared/portable/events.js';
import { RecordHeader } from './record-header.js';

const NS_PER_MS = 1_000_000n;
const UNREAD = Symbol('unread');

class StoredEvent {
  readonly #memory: Memory;
  readonly #header: RecordHeader;
  readonly #nodeId: string;
  #data: unknown = UNREAD;
  #metadata: EventMetadata | undefined;
  #causes: readonly string[] | undefined;

  constructor(memory: Memory, nodeId: string) {
    this.#memory = memory;
    this.#header = new RecordHeader(memory, 0);
    this.#nodeId = nodeId;
  }

  get id(): string {
    return formatEventId(this.timestampNs, this.sequence, this.#nodeId);
  }

  get sequence(): number {
    return recordSequence(this.#memory.view, 0);
  }

  get stream(): string {
    return this.#header.stream;
  }

  get revision(): number {
    return recordRevision(this.#memory.view, 0);
  }

  get timestampNs(): bigint {
    return recordTimestampNs(this.#memory.view, 0);
  }

  get time(): Date {
    return new Date(Number(this.timestampNs / NS_PER_MS));
  }

  get type(): string {
    return this.#header.type;
  }

  get data(): unknown {
    if (this.#data === UNREAD) {
      const { data, end } = this.#header.parts;
      const codec = recordDataCodec(this.#memory.view, 0);
      this.#data = decodePayload(codec, this.#memory.bytes.subarray(data, end));
    }
    return this.#data;
  }

  get metadata(): Readonly<EventMetadata> {
    if (this.#metadata === undefined) {
      const { agent, session, correlationId, parts } = this.#header;
      this.#metadata = {};
      if (agent !== undefined) this.#metadata.agent = agent;
      if (session !== undefined) this.#metadata.session = session;
      if (correlationId !== undefined) this.#metadata.correlationId = correlationId;
      if (parts.metadata !== parts.data) {
        Object.assign(
          this.#metadata,
          decodePayload(PAYLOAD.msgpack, this.#memory.bytes.subarray(parts.metadata, parts.data)),
        );
      }
    }
    return this.#metadata;
  }

  get tags(): readonly string[] {
    return this.#header.tags;
  }

  get causes(): readonly string[] {
    this.#causes ??= this.#header.causes(this.#nodeId);
    return this.#causes;
  }

  get schemaVersion(): number {
    return recordSchemaVersion(this.#memory.view, 0);
  }

  get idempotencyKey(): string | undefined {
    return this.#header.key;
  }

  toJSON(): EventObject {
    const { idempotencyKey } = this;
    return {
      id: this.id,
      sequence: this.sequence,
      stream: this.stream,
      revision: this.revision,
      timestampNs: String(this.timestampNs),
      time: this.time.toISOString(),
      type: this.type,
      data: this.data,
      metadata: { ...this.metadata },
      tags: [...this.tags],
      causes: [...this.causes],
      schemaVersion: this.schemaVersion,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    };
  }

  toObject(): EventObject {
    return this.toJSON();
  }

  [inspect.custom](): EventObject {
    return this.toJSON();
  }
}

/** The event of a record in some memory, which is copied. */
export function storedEvent(memory: Memory, at: number, nodeId: string): RecordedEvent<any> {
  const length = recordLength(memory.view, at);
  const bytes = Buffer.allocUnsafeSlow(length);
  memory.bytes.copy(bytes, 0, at, at + length);
  return new StoredEvent(memoryOf(bytes), nodeId);
}
