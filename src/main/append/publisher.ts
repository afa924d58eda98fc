/** When the records in the ring are shown to the writer. */
import type { RingProducer } from '../../shared/ring/producer.js';

/** So much is shown at once: the writer writes while more is accepted. */
const PUBLISH_BYTES = 128 * 1024;

/**
 * At the end of the microtask at the latest. Earlier when much has come together, or half as many events as the last group
 * commit had: of many appenders that wait for the same sync, one half is written while the other is told and appends again.
 */
export class Publisher {
  readonly #ring: RingProducer;
  #events = 0;
  #lastGroup = 0;
  #scheduled = false;
  readonly #atEnd = (): void => {
    this.#scheduled = false;
    this.publish();
  };

  constructor(ring: RingProducer) {
    this.#ring = ring;
  }

  /** So many events were committed to the ring. */
  added(events: number): void {
    this.#events += events;
    if (this.#ring.unpublishedBytes >= PUBLISH_BYTES || this.#events * 2 >= this.#lastGroup) this.publish();
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#atEnd);
  }

  /** So many events became durable together. */
  settled(events: number): void {
    this.#lastGroup = events;
  }

  publish(): void {
    this.#events = 0;
    if (this.#ring.unpublishedBytes > 0) this.#ring.publish();
  }
}
