/** Has the log go on in another segment before the newest one is full: the writer is asked, and answers. */
import type { FromWriter, ToWriter } from '../shared/messages.js';
import { fromWire } from '../shared/portable/errors.js';
import { withResolvers } from './with-resolvers.js';

/** A timer that keeps Node alive for so long, and is cleared long before. Unit: milliseconds. */
const LONG_MS = 2 ** 31 - 1;

export class Rotating {
  readonly #post: (message: ToWriter) => void;
  #asked: ReturnType<typeof withResolvers<boolean>> | undefined;
  /** Why the writer will not answer any more. */
  #gone: Error | undefined;

  constructor(post: (message: ToWriter) => void) {
    this.#post = post;
  }

  /**
   * Have the log go on behind a segment, unless it does by now. One after the other.
   * @returns false where there is no space for another segment: then the log is as it was
   * @throws ERR_STORAGE where the log does not go on any more
   */
  async behind(segment: number): Promise<boolean> {
    if (this.#gone !== undefined) throw this.#gone;
    const asked = withResolvers<boolean>();
    this.#asked = asked;
    const pending = setTimeout(() => {}, LONG_MS);
    try {
      this.#post({ kind: 'rotate', segment });
      return await asked.promise;
    } finally {
      clearTimeout(pending);
    }
  }

  onWriter(message: FromWriter): void {
    if (message.kind === 'rotated') this.#asked?.resolve(message.isDone);
    else if (message.kind === 'rotate-failed') this.#asked?.reject(fromWire(message.error));
  }

  /** It will not answer any more. */
  onExit(error: Error): void {
    this.#gone = error;
    this.#asked?.reject(error);
  }
}
