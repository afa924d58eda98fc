/** A whole append in bytes: into the ring's draft where there is room, else into the heap. */
import type { Settings } from '../../shared/options.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { align, type Memory, memoryOf } from '../../shared/format/record.js';
import type { RingProducer } from '../../shared/ring/producer.js';
import type { Encoded, Part } from './call.js';
import { EventEncoder, flagsOf } from './event-encoder.js';
import { within } from './names.js';

/** The events of one stream, as they were given. */
export interface Input {
  readonly events: readonly unknown[];
  /** Where they stand in the call: `event`, or the list's path. */
  readonly path: string;
  readonly single: boolean;
}

export interface InRing {
  /** The offset of each record. */
  readonly starts: readonly number[];
  readonly keys: readonly string[] | undefined;
}

const HEAP_BYTES = 64 * 1024;

export class AppendEncoder {
  readonly #encoder: EventEncoder;
  readonly #ring: RingProducer;
  readonly #memory: Memory;
  readonly #maxBatchBytes: number;
  #starts: number[] = [];
  #keys: string[] | undefined;
  #bytes = 0;

  constructor(settings: Settings, ring: RingProducer) {
    this.#encoder = new EventEncoder(settings);
    this.#ring = ring;
    this.#memory = { bytes: ring.state.ring, view: ring.state.view };
    this.#maxBatchBytes = settings.maxBatchBytes;
  }

  /**
   * Encode into the ring's draft. Returns undefined, the draft discarded, where there may not be room.
   * @throws ERR_INVALID_EVENT, ERR_EVENT_TOO_LARGE, ERR_BATCH_TOO_LARGE, the draft discarded
   */
  intoRing(parts: readonly Part[], inputs: readonly Input[], count: number, system: boolean): InRing | undefined {
    this.#begin();
    let fits = true;
    try {
      this.#forEach(parts, inputs, (stream, place) => {
        const at = this.#ring.claim(this.#encoder.maxBytes, system);
        if (at === -1) {
          fits = false;
          return false;
        }
        this.#ring.add(this.#write(this.#memory, at, stream, flagsOf(place, count), place));
        return true;
      });
    } catch (error) {
      this.#ring.discard();
      throw error;
    }
    if (!fits) {
      this.#ring.discard();
      return undefined;
    }
    return { starts: this.#starts, keys: this.#keys };
  }

  /** Encode into memory of its own. Fails as {@link intoRing} does. */
  intoHeap(
    parts: readonly Part[],
    inputs: readonly Input[],
    count: number,
  ): { encoded: Encoded; keys: readonly string[] | undefined } {
    this.#begin();
    let memory = memoryOf(Buffer.allocUnsafeSlow(HEAP_BYTES));
    let end = 0;
    this.#forEach(parts, inputs, (stream, place) => {
      const needed = end + this.#encoder.maxBytes;
      if (needed > memory.bytes.length) {
        const larger = Buffer.allocUnsafeSlow(align(needed * 2));
        memory.bytes.copy(larger, 0, 0, end);
        memory = memoryOf(larger);
      }
      end += this.#write(memory, end, stream, flagsOf(place, count), place);
      return true;
    });
    // Waiting is paid for by the byte: keep no more than there is.
    const exact = memoryOf(Buffer.allocUnsafeSlow(end));
    memory.bytes.copy(exact.bytes, 0, 0, end);
    return { encoded: { memory: exact, starts: this.#starts, bytes: end }, keys: this.#keys };
  }

  #begin(): void {
    this.#starts = [];
    this.#keys = undefined;
    this.#bytes = 0;
  }

  /** Read each event in, and hand it on with its stream's name; ends early where that returns false. */
  #forEach(
    parts: readonly Part[],
    inputs: readonly Input[],
    write: (stream: Uint8Array, place: number) => boolean,
  ): void {
    let place = 0;
    for (let p = 0; p < parts.length; p++) {
      const { events, path, single } = inputs[p]!;
      const stream = parts[p]!.head.bytes;
      for (let i = 0; i < events.length; i++, place++) {
        try {
          this.#encoder.read(events[i], place);
          if (!write(stream, place)) return;
        } catch (error) {
          throw within(single ? path : `${path}[${i}]`, error);
        }
      }
    }
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
    this.#starts.push(at);
    const { key } = this.#encoder;
    if (key !== '' || this.#keys !== undefined) {
      this.#keys ??= new Array<string>(place).fill('');
      this.#keys.push(key);
    }
    return length;
  }
}
