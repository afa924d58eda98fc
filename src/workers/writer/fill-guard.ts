/**
 * The writer's half of an agreement with the background thread, which writes zeros ahead of the log: neither ever writes
 * where the other does. The writer publishes the frontier, then looks whether zeros are under way behind it; the other
 * announces its zeros, then looks at the frontier. Both are sequentially consistent, so at least one of them sees the
 * other: the background thread gives way, the writer waits for the chunk to end.
 */
import { KeeperError } from '../../shared/portable/errors.js';
import {
  loadPosition,
  packPlace,
  POSITION,
  type SharedState,
  storePosition,
  unpackPlace,
  WORD,
} from '../../shared/ring/layout.js';

/** The frontier is told on in steps of this. Unit: bytes. */
const STEP_BYTES = 1024 * 1024;
/** A chunk of zeros takes milliseconds; after this the background thread must be dead. */
const PATIENCE_MS = 30_000;

export class FillGuard {
  readonly #state: SharedState;
  readonly #poke: () => void;
  #told = -1;

  constructor(state: SharedState, poke: () => void) {
    this.#state = state;
    this.#poke = poke;
  }

  /** The log ends here; nothing is being filled yet. */
  moveTo(segment: number, offset: number): void {
    storePosition(this.#state, POSITION.frontier, packPlace(segment, offset));
    this.#tell(segment, offset);
  }

  /** The writer is about to write up to an offset. */
  enter(segment: number, endOffset: number): void {
    storePosition(this.#state, POSITION.frontier, packPlace(segment, endOffset));
    this.#waitWhile((zeros) => zeros.segment === segment && zeros.offset < endOffset);
    this.#tell(segment, endOffset);
  }

  /** The writer takes over a segment's file. Returns whether it was made ahead and is ready. */
  takeSegment(number: number): boolean {
    storePosition(this.#state, POSITION.frontier, packPlace(number, 0));
    this.#waitWhile((zeros) => zeros.segment === number);
    return Atomics.load(this.#state.words, WORD.prepared) === number;
  }

  #waitWhile(inTheWay: (zeros: { segment: number; offset: number }) => boolean): void {
    const deadline = Date.now() + PATIENCE_MS;
    while (Atomics.load(this.#state.words, WORD.filling) === 1) {
      if (!inTheWay(unpackPlace(loadPosition(this.#state, POSITION.fillPlace)))) return;
      if (Date.now() > deadline) {
        throw new KeeperError('ERR_STORAGE', 'the background thread died while it filled the log ahead', {
          errno: 'ETIMEDOUT',
          syscall: 'write',
        });
      }
      Atomics.wait(this.#state.words, WORD.filling, 1, 100);
    }
  }

  #tell(segment: number, offset: number): void {
    const step = packPlace(segment, Math.floor(offset / STEP_BYTES));
    if (step === this.#told) return;
    this.#told = step;
    this.#poke();
  }
}
