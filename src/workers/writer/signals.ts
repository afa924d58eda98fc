/** What the writer shows of itself: its mode, its watermarks and that it lives, in shared memory and by messages. */
import type { FromWriter, LogLine } from '../../shared/messages.js';
import { bump, type Mode, POSITION, type SharedState, storePosition, WORD } from '../../shared/ring/layout.js';

export class Signals {
  readonly #state: SharedState;
  readonly #post: (message: FromWriter) => void;

  constructor(state: SharedState, post: (message: FromWriter) => void) {
    this.#state = state;
    this.#post = post;
  }

  get mode(): Mode {
    return Atomics.load(this.#state.words, WORD.mode) as Mode;
  }

  setMode(mode: Mode, message: FromWriter): void {
    Atomics.store(this.#state.words, WORD.mode, mode);
    this.#post(message);
    bump(this.#state, WORD.settled);
  }

  /** Another turn. */
  beat(): void {
    Atomics.add(this.#state.words, WORD.beat, 1);
  }

  /** Inside, the writer cannot beat: a blocked caller must not take it for dead. */
  inSystemCalls(calls: () => void): void {
    Atomics.store(this.#state.words, WORD.phase, 1);
    try {
      calls();
    } finally {
      Atomics.store(this.#state.words, WORD.phase, 0);
    }
  }

  /** The ring is written up to a position. */
  written(position: number): void {
    storePosition(this.#state, POSITION.written, position);
    if (Atomics.load(this.#state.words, WORD.wantWritten) === 1) this.#tellProgress();
  }

  /** The durable log ends here. To be told before {@link durable}: who sees that one reads up to here. */
  endsAt(segment: number, endOffset: number): void {
    storePosition(this.#state, POSITION.endOffset, endOffset);
    Atomics.store(this.#state.words, WORD.segment, segment);
  }

  /** The ring is durable up to a position. */
  durable(position: number): void {
    storePosition(this.#state, POSITION.durable, position);
    this.#tellProgress();
  }

  log(level: LogLine['level'], fields: LogLine['fields'], message: string): void {
    this.#post({ kind: 'log', level, fields, message });
  }

  /** A watermark has moved: wake a blocked caller, and send a message unless one is on its way. */
  #tellProgress(): void {
    bump(this.#state, WORD.settled);
    if (Atomics.exchange(this.#state.words, WORD.notified, 1) === 0) this.#post({ kind: 'progress' });
  }
}
