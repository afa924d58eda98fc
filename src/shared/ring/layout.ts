/**
 * The memory that the caller's thread and the writer share: the ring's bytes, and state words that each have one owner.
 *
 * | word | written by | meaning |
 * | --- | --- | --- |
 * | head | caller | end of the published records: bytes since opening, padding included |
 * | restart | caller | the position at which the ring goes on at its start, rather than where it was |
 * | written, durable | writer | end of what write(2) took, of what fdatasync returned for |
 * | signal | both | futex: the writer sleeps on it; bumped after head or control has changed |
 * | control | caller | how many control messages were sent |
 * | settled | writer | futex: a blocked caller sleeps on it; bumped after written, durable or mode has changed |
 * | notified | both | 1 while a progress message is on its way: at most one is |
 * | wantWritten | caller | 1 while somebody waits for `written` alone |
 * | mode | writer | MODE |
 * | phase | writer | 1 inside of system calls, where it cannot beat |
 * | beat | writer | counts its turns |
 * | thread | writer | what the system calls its thread, 0 where it does not tell |
 * | segment, endOffset | writer | where the durable log ends |
 * | prepared | background | the newest segment file that was made, its name durable; -errno where that sync has failed |
 *
 * Publication is one atomic store after plain writes: records are written, then head is stored, and a load of head that
 * sees the new value sees the records. The same holds for durable and what precedes it.
 */

/** The writer's modes. */
export const MODE = { opening: 0, running: 1, suspended: 2, failed: 3, closed: 4 } as const;
export type Mode = (typeof MODE)[keyof typeof MODE];

// One cache line a word, so that the two threads do not take lines from each other.
const LINE = 64;
const LINES = 13;

/** Indexes into {@link SharedState.words}. */
export const WORD = {
  signal: (LINE / 4) * 0,
  control: (LINE / 4) * 1,
  settled: (LINE / 4) * 2,
  notified: (LINE / 4) * 3,
  wantWritten: (LINE / 4) * 4,
  mode: (LINE / 4) * 5,
  phase: (LINE / 4) * 6,
  beat: (LINE / 4) * 7,
  thread: (LINE / 4) * 8 + 1,
  segment: (LINE / 4) * 8,
  prepared: (LINE / 4) * 9,
} as const;

/** Indexes into {@link SharedState.positions}. */
export const POSITION = {
  head: (LINE / 8) * 10,
  restart: (LINE / 8) * 10 + 1,
  written: (LINE / 8) * 11,
  durable: (LINE / 8) * 12,
  endOffset: (LINE / 8) * 12 + 1,
} as const;

/** The two shared buffers, as they are passed to a thread. */
export interface SharedBuffers {
  readonly ring: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
}

/** Views on the shared memory. */
export interface SharedState {
  readonly ring: Buffer;
  readonly view: DataView;
  readonly words: Int32Array;
  readonly positions: BigInt64Array;
}

/** @param ringBytes a multiple of 8 */
export function allocateShared(ringBytes: number): SharedBuffers {
  return { ring: new SharedArrayBuffer(ringBytes), state: new SharedArrayBuffer(LINE * LINES) };
}

export function attachShared(buffers: SharedBuffers): SharedState {
  return {
    ring: Buffer.from(buffers.ring),
    view: new DataView(buffers.ring),
    words: new Int32Array(buffers.state),
    positions: new BigInt64Array(buffers.state),
  };
}

/**
 * Where a record goes that does not fit before the ring's end: to its beginning. What is left at the end is padding,
 * marked where a header fits and understood where none does.
 */
export function fitsBeforeEnd(ringBytes: number, offset: number, bytes: number): boolean {
  return ringBytes - offset >= bytes;
}

export function loadPosition(state: SharedState, position: number): number {
  return Number(Atomics.load(state.positions, position));
}

export function storePosition(state: SharedState, position: number, value: number): void {
  Atomics.store(state.positions, position, BigInt(value));
}

/** Bump a futex word and wake who sleeps on it. */
export function bump(state: SharedState, word: number): void {
  Atomics.add(state.words, word, 1);
  Atomics.notify(state.words, word);
}
