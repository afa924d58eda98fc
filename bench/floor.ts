/**
 * The floor: the same events, encoded by the same codec, through a bare ring to a thread that writes and syncs, and a
 * promise an append. No header, no checksum, no order but the ring's; a file that grows. What the engine does
 * beyond this is what its figures are held against.
 */

import { once } from 'node:events';
import fs from 'node:fs';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { MessagePackWriter } from '#dist/shared/format/messagepack-writer.js';
import type { BenchEvent } from './events.js';
import type { Target } from './target.js';

export const FLOOR_RING_BYTES = 16 * 1024 * 1024;
/** Int32 words, a cache line apart; positions in units of 8 bytes. */
export const FLOOR_WORD = { head: 0, signal: 16, durable: 32, settled: 48, notified: 64, stop: 80 } as const;

/** As the engine does: so much is shown to the writer at once. */
const PUBLISH_BYTES = 128 * 1024;

export interface FloorData {
  readonly ring: SharedArrayBuffer;
  readonly words: SharedArrayBuffer;
  readonly file: string;
  readonly port: MessagePort;
}

/** @param codec what the payloads are encoded with */
export async function openFloor(file: string, codec: 'msgpack' | 'json'): Promise<Target> {
  const ring = new SharedArrayBuffer(FLOOR_RING_BYTES);
  const shared = new SharedArrayBuffer(4096);
  const words = new Int32Array(shared);
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(new URL('./floor-writer.js', import.meta.url), {
    workerData: { ring, words: shared, file, port: port2 },
    transferList: [port2],
  });
  await once(port1, 'message');
  const floor = new Floor(Buffer.from(ring), words, codec);
  port1.on('message', () => {
    Atomics.store(words, FLOOR_WORD.notified, 0);
    floor.settle();
  });
  return {
    append: (_stream, event) => floor.append([event]),
    appendBatch: (_stream, events) => floor.append(events),
    appendSync: (_stream, event) => floor.appendSync(event, () => receiveMessageOnPort(port1)),
    async close() {
      Atomics.store(words, FLOOR_WORD.stop, 1);
      Atomics.add(words, FLOOR_WORD.signal, 1);
      Atomics.notify(words, FLOOR_WORD.signal);
      await once(worker, 'exit');
      port1.close();
      fs.rmSync(file);
    },
  };
}

interface Waiting {
  readonly end: number;
  readonly resolve: (sequence: number) => void;
}

class Floor {
  readonly #ring: Buffer;
  readonly #words: Int32Array;
  readonly #json: boolean;
  readonly #messagePack = new MessagePackWriter();
  readonly #view: DataView;
  #head = 0;
  #published = 0;
  #durable = 0;
  #waiting: Waiting[] = [];
  #first = 0;
  #scheduled = false;
  readonly #publishSoon = (): void => {
    this.#scheduled = false;
    this.#publish();
  };

  constructor(ring: Buffer, words: Int32Array, codec: 'msgpack' | 'json') {
    this.#ring = ring;
    this.#view = new DataView(ring.buffer);
    this.#words = words;
    this.#json = codec === 'json';
  }

  append(events: readonly BenchEvent[]): Promise<number> {
    return new Promise((resolve) => {
      for (const event of events) this.#write(event.data);
      this.#waiting.push({ end: this.#head, resolve });
      if (this.#head - this.#published >= PUBLISH_BYTES) this.#publish();
      if (this.#scheduled) return;
      this.#scheduled = true;
      queueMicrotask(this.#publishSoon);
    });
  }

  appendSync(event: BenchEvent, drain: () => unknown): void {
    this.#write(event.data);
    const end = this.#head;
    this.#publish();
    for (;;) {
      const settled = Atomics.load(this.#words, FLOOR_WORD.settled);
      drain();
      this.settle();
      if (this.#durable >= end) return;
      Atomics.wait(this.#words, FLOOR_WORD.settled, settled, 100);
    }
  }

  settle(): void {
    const durable = Atomics.load(this.#words, FLOOR_WORD.durable);
    // The word wraps; the difference does not.
    this.#durable += ((durable - Math.floor(this.#durable / 8)) | 0) * 8;
    for (let next = this.#waiting[this.#first]; next !== undefined && next.end <= this.#durable; ) {
      this.#first++;
      next.resolve(next.end);
      next = this.#waiting[this.#first];
    }
    if (this.#first === this.#waiting.length) {
      this.#waiting = [];
      this.#first = 0;
    } else if (this.#first > 4096) {
      this.#waiting = this.#waiting.slice(this.#first);
      this.#first = 0;
    }
  }

  #publish(): void {
    if (this.#published === this.#head) return;
    this.#published = this.#head;
    Atomics.store(this.#words, FLOOR_WORD.head, (this.#head / 8) | 0);
    Atomics.add(this.#words, FLOOR_WORD.signal, 1);
    Atomics.notify(this.#words, FLOOR_WORD.signal);
  }

  /** Length, then payload; 8-byte aligned. Room is never short: what is in flight is far below the ring's size. */
  #write(data: unknown): void {
    let at = this.#head % FLOOR_RING_BYTES;
    const atMost = this.#json ? 128 * 1024 : 64 * 1024;
    if (FLOOR_RING_BYTES - at < atMost) {
      this.#head += FLOOR_RING_BYTES - at;
      at = 0;
    }
    let bytes: number;
    if (this.#json) {
      bytes = this.#ring.write(JSON.stringify(data), at + 8, 'utf8');
    } else {
      const target = { bytes: this.#ring, view: this.#view };
      bytes = this.#messagePack.write(data, 'data', target, at + 8, at + atMost);
    }
    this.#ring.writeUInt32LE(bytes, at);
    this.#head += (8 + bytes + 7) & ~7;
  }
}
