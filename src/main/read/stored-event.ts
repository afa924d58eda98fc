/**
 * An event as it is read: owns a copy of its record, and decodes each part when it is first asked for.
 *
 * The copy is a string with a character for each byte: V8 makes and frees one for less than a buffer, and the event keeps
 * nothing else alive. To be decoded it is written to a place that all events of
 * the thread share, where it stays until another one is asked for something.
 */
import { inspect } from 'node:util';
import { RecordHeader } from '../../shared/decoding/record-header.js';
import { decodeData, decodeMetadata } from '../../shared/decoding/record-payload.js';
import {
  type Memory,
  memoryOf,
  recordLength,
  recordRevision,
  recordSchemaVersion,
  recordSequence,
  recordTimestampNs,
} from '../../shared/format/record.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { EventMetadata, EventObject, RecordedEvent } from '../../shared/portable/events.js';

const NS_PER_MS = 1_000_000n;
const UNREAD = Symbol('unread');

/** Room for most records; more only while a larger one is looked at. Unit: bytes. */
const PLACE_BYTES = 64 * 1024;

/** Whose record lies there. */
const place: { owner: object | undefined; memory: Memory; header: RecordHeader | undefined } = {
  owner: undefined,
  memory: memoryOf(Buffer.allocUnsafeSlow(PLACE_BYTES)),
  header: undefined,
};

class StoredEvent {
  readonly #record: string;
  readonly #nodeId: string;
  #data: unknown = UNREAD;
  #metadata: EventMetadata | undefined;
  #causes: readonly string[] | undefined;

  constructor(record: string, nodeId: string) {
    this.#record = record;
    this.#nodeId = nodeId;
  }

  /** The record's memory. To be used before anything of another event. */
  get #memory(): Memory {
    if (place.owner === this) return place.memory;
    const { length } = this.#record;
    const room = Math.max(length, PLACE_BYTES);
    if (room !== place.memory.bytes.length) place.memory = memoryOf(Buffer.allocUnsafeSlow(room));
    place.memory.bytes.write(this.#record, 0, 'latin1');
    place.owner = this;
    place.header = undefined;
    return place.memory;
  }

  get #header(): RecordHeader {
    const memory = this.#memory;
    place.header ??= new RecordHeader(memory, 0);
    return place.header;
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
    if (this.#data === UNREAD) this.#data = decodeData(this.#memory, 0);
    return this.#data;
  }

  get metadata(): Readonly<EventMetadata> {
    this.#metadata ??= decodeMetadata(this.#header, this.#memory, 0);
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
  const record = memory.bytes.toString('latin1', at, at + recordLength(memory.view, at));
  return new StoredEvent(record, nodeId);
}
