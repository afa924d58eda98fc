/** A record as a predicate sees it: one view for all records that are looked at in turn. */

import {
  type Memory,
  recordRevision,
  recordSchemaVersion,
  recordSequence,
  recordTimestampMs,
  recordTimestampNs,
} from '../format/record.js';
import { formatEventId } from '../portable/event-id.js';
import type { EventMetadata } from '../portable/events.js';
import type { Examined } from '../portable/query/evaluate.js';
import { RecordHeader } from './record-header.js';
import { decodeData, decodeMetadata } from './record-payload.js';

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
  }

  /** Whether anything of the payload was decoded. */
  get decoded(): boolean {
    return this.#data !== UNREAD || this.#metadata !== undefined;
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

  get metadata(): EventMetadata {
    this.#metadata ??= decodeMetadata(this.#parts, this.#memory, this.#at);
    return this.#metadata;
  }
}
