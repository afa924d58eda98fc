/** A whole append in bytes: into the ring's draft where there is room, else into the heap. */

import { align, type Memory, memoryOf } from '../../shared/format/record.js';
import { within } from '../../shared/names.js';
import type { Settings } from '../../shared/options.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { RingProducer } from '../../shared/ring/producer.js';
import type { Encoded, Part } from './call.js';
import { EventEncoder, flagsOf } from './event-encoder.js';

const HEAP_BYTES = 64 * 1024;

export class AppendEncoder {
  readonly #encoder: EventEncoder;
  readonly #ring: RingProducer;
  readonly #memory: Memory;
  readonly #maxBatchBytes: number;
  readonly #starts: number[] = [];
  #keys: string[] | undefined;
  #bytes = 0;

  constructor(settings: Settings, ring: RingProducer) {
    this.#encoder = new EventEncoder(settings);
    this.#ring = ring;
    this.#memory = { bytes: ring.state.ring, view: ring.state.view };
    this.#maxBatchBytes = settings.maxBatchBytes;
  }

  /** The idempotency key of each event that was encoded last, or undefined if none has one. */
  get keys(): readonly string[] | undefined {
    return this.#keys;
  }

  /**
   * Encode into the ring's draft. Returns the offset of each record (what stands behind means nothing), to be used before
   * the next call; undefined, the
   * draft discarded, where there may not be room.
   * @throws ERR_INVALID_EVENT, ERR_EVENT_TOO_LARGE, ERR_BATCH_TOO_LARGE, the draft discarded
   */
  intoRing(parts: readonly Part[], count: number, system: boolean): readonly number[] | undefined {
    this.#begin();
    const ring = this.#ring;
    let place = 0;
    for (const part of parts) {
      for (let i = 0; i < part.events.length; i++, place++) {
        try {
          this.#encoder.read(part.events[i], place);
          const at = ring.claim(this.#encoder.maxBytes, system);
          if (at === -1) {
            ring.discard();
            return undefined;
          }
          ring.add(this.#write(this.#memory, at, part.head.bytes, flagsOf(place, count), place));
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
    let memory = memoryOf(Buffer.allocUnsafeSlow(HEAP_BYTES));
    let end = 0;
    let place = 0;
    for (const part of parts) {
      for (let i = 0; i < part.events.length; i++, place++) {
        try {
          this.#encoder.read(part.events[i], place);
          const needed = end + this.#encoder.maxBytes;
          if (needed > memory.bytes.length) memory = enlarged(memory, end, needed * 2);
          end += this.#write(memory, end, part.head.bytes, flagsOf(place, count), place);
        } catch (error) {
          throw inCall(part, i, error);
        }
      }
    }
    // Waiting is paid for by the byte: keep no more than there is.
    const exact = memoryOf(Buffer.allocUnsafeSlow(end));
    memory.bytes.copy(exact.bytes, 0, 0, end);
    return { memory: exact, starts: this.#starts.slice(0, count), bytes: end };
  }

  #begin(): void {
    this.#keys = undefined;
    this.#bytes = 0;
  }

  #write(target: Memory, at: number, stream: Uint8Array, flags: number, place: number): number {
    const length = this.#encoder.write(target, at, stream, flags);
    this.#bytes += length;
    if (this.#bytes > this.#maxBatchBytes) {
      throw new KeeperError(
        'ERR_BATCH_TOO_LARGE',
        `the call takes more than ${this.#maxBatchBytes} bytes, which a call may take`,
        { bytes: this.#bytes, limit: this.#maxBatchBytes, hint: 'Append in several calls, or raise maxBatchBytes.' },
      );
    }
    this.#starts[place] = at;
    const { key } = this.#encoder;
    if (key !== '' || this.#keys !== undefined) {
      this.#keys ??= new Array<string>(place).fill('');
      this.#keys.push(key);
    }
    return length;
  }
}

/** A larger memory with the same first bytes. */
function enlarged(memory: Memory, used: number, bytes: number): Memory {
  const larger = Buffer.allocUnsafeSlow(align(bytes));
  memory.bytes.copy(larger, 0, 0, used);
  return memoryOf(larger);
}

/** An error of one event with the place of that event in the call. */
function inCall(part: Part, place: number, error: unknown): unknown {
  return within(part.single ? part.path : `${part.path}[${place}]`, error);
}
