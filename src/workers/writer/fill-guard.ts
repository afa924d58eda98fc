/**
 * The writer's half of an agreement with the background thread, which fills the next segment with zeros: it never touches
 * a segment that the writer has taken. The writer publishes the frontier, then looks whether that segment is being touched;
 * the other announces the segment that it touches, then looks at the frontier. All of it is sequentially consistent, so at
 * least one of them sees the other: the background thread gives way, the writer waits for the chunk to end.
 */
import { KeeperError } from '../../shared/portable/errors.js';
import { POSITION, packPlace, type SharedState, storePosition, WORD } from '../../shared/ring/layout.js';

/** The frontier is told on in steps of this. Unit: bytes. */
const STEP_BYTES = 1024 * 1024;
/** A chunk of zeros takes milliseconds; after this the background thread must be dead. */
const PATIENCE_MS = 30_000;

export class FillGuard {
  readonly #state: SharedState;
  readonly #poke: () => void;
  #told = -1;

  /** @param poke tells the background thread that the frontier has moved by a step */
  constructor(state: SharedState, poke: () => void) {
    this.#state = state;
    this.#poke = poke;
  }

  /** The log has come to an offset of a segment. */
  moveTo(segment: number, offset: number): void {
    const step = packPlace(segment, Math.floor(offset / STEP_BYTES));
    if (step === this.#told) return;
    this.#told = step;
    storePosition(this.#state, POSITION.frontier, packPlace(segment, offset));
    this.#poke();
  }

  /** The writer takes over a segment's file. Returns whether it was made ahead and is ready. */
  takeSegment(number: number): boolean {
    storePosition(this.#state, POSITION.frontier, packPlace(number, 0));
    const deadline = Date.now() + PATIENCE_MS;
    while (Atomics.load(this.#state.words, WORD.filling) === number) {
      if (Date.now() > deadline) {
        throw new KeeperError('ERR_STORAGE', 'the background thread died while it filled the next segment', {
          errno: 'ETIMEDOUT',
          syscall: 'write',
        });
      }
      Atomics.wait(this.#state.words, WORD.filling, number, 100);
    }
    return Atomics.load(this.#state.words, WORD.prepared) === number;
  }
}
