/** Waiting on a shared word: always bounded, so that every loop around it can look whether the other side still lives. */
import type { SharedState } from './layout.js';

/** Sleep while a word has a value, for so long at most. */
export function waitWhile(state: SharedState, word: number, value: number, timeoutMs: number): void {
  Atomics.wait(state.words, word, value, timeoutMs);
}
