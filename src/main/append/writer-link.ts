/** The caller's end of the line to the writer: its watermarks, its messages, and whether it lives. */
import { type MessagePort, receiveMessageOnPort, type Worker } from 'node:worker_threads';
import type { FromWriter, ToWriter } from '../../shared/messages.js';
import { bump, loadPosition, POSITION, type SharedState, WORD } from '../../shared/ring/layout.js';
import { threadHasEnded } from '../../shared/thread-life.js';

/** What the store does when the writer has something to say. */
export type OnMessage = (message: FromWriter) => void;

/** A writer, in a thread of its own or, in tests, in this one. */
export interface WriterLink {
  readonly state: SharedState;
  post(message: ToWriter): void;
  /** Handle the messages that have arrived, without waiting for one. */
  drain(): void;
  /** Keep Node alive, or no longer. */
  hold(pending: boolean): void;
  /** Wait a little for the writer to settle something; undefined as long as it may be alive, else why it is not. */
  block(settled: number): string | undefined;
  /** Let go of thread and port. */
  release(): Promise<void>;
}

/** How long a blocked caller sleeps at most before it looks whether the writer lives. Unit: milliseconds. */
const BLOCK_MS = 100;
/** No turn was seen yet. */
const NO_BEAT = -1;
/** A writer that is not in a system call and does not beat for so long is dead. Unit: milliseconds. */
const DEAD_AFTER_MS = 5000;

/** A writer in a worker thread. */
export class ThreadLink implements WriterLink {
  readonly state: SharedState;
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #onMessage: OnMessage;
  #held = true;
  #beat = NO_BEAT;
  #beatAt = 0;

  /** @param onExit called if the thread ends, with its error if it had one */
  constructor(
    state: SharedState,
    worker: Worker,
    port: MessagePort,
    onMessage: OnMessage,
    onExit: (error: Error | undefined) => void,
  ) {
    this.state = state;
    this.#worker = worker;
    this.#port = port;
    this.#onMessage = onMessage;
    let failure: Error | undefined;
    worker.on('error', (error) => {
      failure = error;
    });
    worker.on('exit', () => {
      // What it said last may not have been handled yet: why it refused to open.
      this.drain();
      onExit(failure);
    });
    port.on('message', (message: FromWriter) => onMessage(message));
  }

  post(message: ToWriter): void {
    this.#port.postMessage(message);
    Atomics.add(this.state.words, WORD.control, 1);
    bump(this.state, WORD.signal);
  }

  drain(): void {
    for (let next = receiveMessageOnPort(this.#port); next !== undefined; next = receiveMessageOnPort(this.#port)) {
      this.#onMessage(next.message as FromWriter);
    }
  }

  hold(pending: boolean): void {
    if (pending === this.#held) return;
    this.#held = pending;
    if (pending) {
      this.#worker.ref();
      this.#port.ref();
    } else {
      this.#worker.unref();
      this.#port.unref();
    }
  }

  block(settled: number): string | undefined {
    const { words } = this.state;
    if (Atomics.wait(words, WORD.settled, settled, BLOCK_MS) !== 'timed-out') {
      this.#beat = NO_BEAT; // between two calls the writer may sleep as long as it likes
      return undefined;
    }
    // Inside of a system call it may take any time, if only it is there.
    if (threadHasEnded(Atomics.load(words, WORD.thread))) return 'the writer thread has ended';
    const beat = Atomics.load(words, WORD.beat);
    const now = performance.now();
    if (beat !== this.#beat || Atomics.load(words, WORD.phase) === 1) {
      this.#beat = beat;
      this.#beatAt = now;
      return undefined;
    }
    // An idle writer is woken by the bump and beats; one that does not is gone. This thread cannot see its exit event.
    bump(this.state, WORD.signal);
    return now - this.#beatAt > DEAD_AFTER_MS ? 'the writer thread does not answer' : undefined;
  }

  async release(): Promise<void> {
    this.#port.close();
    await this.#worker.terminate();
  }
}

export function durablePosition(state: SharedState): number {
  return loadPosition(state, POSITION.durable);
}

export function writtenPosition(state: SharedState): number {
  return loadPosition(state, POSITION.written);
}
