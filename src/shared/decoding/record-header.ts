/** A record's header as selectors see it, decoded from some memory. */
import { type Memory, type RecordParts, recordParts, recordSequence, recordTimestampNs } from '../format/record.js';
import { type RecordedCause, readLists } from '../format/record-lists.js';
import { formatEventId } from '../portable/event-id.js';
import type { Selectable } from '../portable/selector.js';

/** Decodes what is asked for, when it is asked for. Valid as long as the memory is. */
export class RecordHeader implements Selectable {
  #memory: Memory;
  #at: number;
  readonly #parts: RecordParts;
  #lists: [string[], RecordedCause[]] | undefined;

  constructor(memory: Memory, at: number) {
    this.#memory = memory;
    this.#at = at;
    this.#parts = recordParts(memory.view, at);
  }

  /** Look at another record: one header for all that are looked at in turn. */
  moveTo(memory: Memory, at: number): void {
    this.#memory = memory;
    this.#at = at;
    recordParts(memory.view, at, this.#parts);
    this.#lists = undefined;
  }

  get parts(): RecordParts {
    return this.#parts;
  }

  get stream(): string {
    return this.#text(this.#parts.stream, this.#parts.type)!;
  }

  get type(): string {
    return this.#text(this.#parts.type, this.#parts.agent)!;
  }

  get agent(): string | undefined {
    return this.#label(this.#parts.agent, this.#parts.session);
  }

  get session(): string | undefined {
    return this.#label(this.#parts.session, this.#parts.correlation);
  }

  get correlationId(): string | undefined {
    return this.#label(this.#parts.correlation, this.#parts.key);
  }

  get key(): string | undefined {
    return this.#label(this.#parts.key, this.#parts.lists);
  }

  get tags(): readonly string[] {
    return this.#decodeLists()[0];
  }

  /** The ids of the causes. One within the same append is as many places back as nanoseconds. */
  causes(nodeId: string): string[] {
    const { view } = this.#memory;
    return this.#decodeLists()[1].map((cause) =>
      typeof cause === 'string'
        ? cause
        : formatEventId(
            recordTimestampNs(view, this.#at) - BigInt(cause),
            recordSequence(view, this.#at) - cause,
            nodeId,
          ),
    );
  }

  #decodeLists(): [string[], RecordedCause[]] {
    this.#lists ??= readLists(this.#memory.bytes, this.#memory.view, this.#at, this.#parts.lists);
    return this.#lists;
  }

  #label(start: number, end: number): string | undefined {
    return start === end ? undefined : this.#text(start, end);
  }

  #text(start: number, end: number): string {
    return this.#memory.bytes.toString('utf8', start, end);
  }
}
