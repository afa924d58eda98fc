/** A whole append in bytes: into the ring's draft where there is room, else into the heap. */

import { NO_ROOM } from '../../shared/format/messagepack-writer.js';
import { type Memory, memoryOf } from '../../shared/format/record.js';
import { invalidEvent, within } from '../../shared/names.js';
import type { Settings } from '../../shared/options.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { RingProducer } from '../../shared/ring/producer.js';
import { type Encoded, eventOf, type Part } from './call.js';
import { EventEncoder, flagsOf } from './event-encoder.js';

/** The heap's first memory. Unit: bytes. */
const HEAP_BYTES = 64 * 1024;

export class AppendEncoder {
  readonly #encoder: EventEncoder;
  readonly #ring: RingProducer;
  readonly #memory: Memory;
  readonly #maxBatchEvents: number;
  readonly #maxBatchBytes: number;
  readonly #starts: number[] = [];
  #keys: string[] | undefined;
  #bytes = 0;

  constructor(settings: Settings, ring: RingProducer) {
    this.#encoder = new EventEncoder(settings);
    this.#ring = ring;
    this.#memory = { bytes: ring.state.ring, view: ring.state.view };
    this.#maxBatchEvents = settings.maxBatchEvents;
    this.#maxBatchBytes = settings.maxBatchBytes;
  }

  /**
   * How many events a call has.
   * @throws ERR_INVALID_EVENT for none, ERR_BATCH_TOO_LARGE for too many
   */
  countOf(parts: readonly Part[]): number {
    let count = 0;
    for (const part of parts) count += part.count;
    if (count === 0) throw invalidEvent('events', 'is empty: an append has one event at least');
    if (count <= this.#maxBatchEvents) return count;
    const limit = this.#maxBatchEvents;
    throw new KeeperError('ERR_BATCH_TOO_LARGE', `the call has ${count} events; a call may have ${limit}`, {
      bytes: 0,
      events: count,
      limit,
      hint: 'Append in several calls, or raise maxBatchEvents.',
    });
  }

  /** The idempotency key of each event that was encoded last, or undefined if none has one. */
  get keys(): readonly string[] | undefined {
    return this.#keys;
  }

  /**
   * Encode into the ring's draft. Returns the offset of each record (what stands behind means nothing), to be used before
   * the next call; undefined, the draft discarded, where there is no room.
   * @throws ERR_INVALID_EVENT, ERR_EVENT_TOO_LARGE, ERR_BATCH_TOO_LARGE, the draft discarded
   */
  intoRing(parts: readonly Part[], count: number, system: boolean): readonly number[] | undefined {
    this.#begin();
    const ring = this.#ring;
    let place = 0;
    for (const part of parts) {
      for (let i = 0; i < part.count; i++, place++) {
        try {
          const at = this.#addToRing(
            eventOf(part, i),
            place,
            part.head.bytes,
            flagsOf(place, count) | part.flags,
            system,
          );
          if (at === -1) {
            ring.discard();
            return undefined;
          }
          this.#starts[place] = at;
        } catch (error) {
          ring.discard();
          throw inCall(part, i, error);
        }
      }
    }
    return this.#starts;
  }

  /** Encode into memory of its own. Fails as {@link intoRing} does. */
  intoHeap(parts: readonly Part[], count: number): Encoded {
    this.#begin();
    const heap = new Heap();
    let place = 0;
    for (const part of parts) {
      for (let i = 0; i < part.count; i++, place++) {
        try {
          this.#starts[place] = heap.end;
          this.#addToHeap(heap, eventOf(part, i), place, part.head.bytes, flagsOf(place, count) | part.flags);
        } catch (error) {
          throw inCall(part, i, error);
        }
      }
    }
    return { memory: heap.exact(), starts: this.#starts.slice(0, count), bytes: heap.end };
  }

  #begin(): void {
    this.#keys = undefined;
    this.#bytes = 0;
  }

  /** Returns the record's offset in the ring, or -1. */
  #addToRing(event: unknown, place: number, stream: Uint8Array, flags: number, system: boolean): number {
    const ring = this.#ring;
    const { draftOffset } = ring;
    const end = draftOffset + ring.room(system);
    const length = this.#encoder.write(event, place, this.#memory, draftOffset, end, stream, flags);
    if (length !== NO_ROOM) {
      this.#count(length, place);
      ring.add(length);
      return draftOffset;
    }
    // How long it is shows elsewhere; then it may go to the ring's start.
    const heap = new Heap();
    this.#addToHeap(heap, event, place, stream, flags);
    return ring.addCopy(heap.memory.bytes, 0, heap.end, system);
  }

  #addToHeap(heap: Heap, event: unknown, place: number, stream: Uint8Array, flags: number): void {
    for (;;) {
      const length = this.#encoder.write(event, place, heap.memory, heap.end, heap.memory.bytes.length, stream, flags);
      if (length === NO_ROOM) {
        heap.grow();
        continue;
      }
      this.#count(length, place);
      heap.end += length;
      return;
    }
  }

  /** A record was written. */
  #count(length: number, place: number): void {
    this.#bytes += length;
    if (this.#bytes > this.#maxBatchBytes) {
      throw new KeeperError(
        'ERR_BATCH_TOO_LARGE',
        `the call takes more than ${this.#maxBatchBytes} bytes, which a call may take`,
        { bytes: this.#bytes, limit: this.#maxBatchBytes, hint: 'Append in several calls, or raise maxBatchBytes.' },
      );
    }
    const { key } = this.#encoder;
    if (key !== '' || this.#keys !== undefined) {
      this.#keys ??= new Array<string>(place).fill('');
      this.#keys.push(key);
    }
  }
}

/** Memory that grows with what is written to it. */
class Heap {
  memory = memoryOf(Buffer.allocUnsafeSlow(HEAP_BYTES));
  end = 0;

  /** Twice the memory, with the same first bytes. */
  grow(): void {
    const larger = Buffer.allocUnsafeSlow(this.memory.bytes.length * 2);
    this.memory.bytes.copy(larger, 0, 0, this.end);
    this.memory = memoryOf(larger);
  }

  /** No more memory than is used: waiting is paid for by the byte. */
  exact(): Memory {
    const bytes = Buffer.allocUnsafeSlow(this.end);
    this.memory.bytes.copy(bytes, 0, 0, this.end);
    return memoryOf(bytes);
  }
}

/** An error of one event with the place of that event in the call. */
function inCall(part: Part, place: number, error: unknown): unknown {
  return within(part.single ? part.path : `${part.path}[${place}]`, error);
}
