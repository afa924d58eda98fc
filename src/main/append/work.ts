/** Whether the store has something to do: it keeps Node alive as long as it has. */
import type { Pending } from './pending.js';
import type { Waiters } from './waiters.js';
import type { WriterLink } from './writer-link.js';

export class Work {
  readonly #pending: Pending;
  readonly #waiters: Waiters;
  readonly #link: WriterLink;
  #onDone: (() => void)[] = [];

  constructor(pending: Pending, waiters: Waiters, link: WriterLink) {
    this.#pending = pending;
    this.#waiters = waiters;
    this.#link = link;
  }

  /** An append is pending or waits. */
  begin(): void {
    this.#link.hold(true);
  }

  /** Some have ended: with nothing left to do, let Node end, and tell who waits for that. */
  rest(): void {
    if (!this.#isDone) return;
    this.#link.hold(false);
    const listeners = this.#onDone;
    this.#onDone = [];
    for (const listener of listeners) listener();
  }

  /** Resolves when nothing is pending or waiting. */
  whenDone(): Promise<void> {
    if (this.#isDone) return Promise.resolve();
    return new Promise((resolve) => this.#onDone.push(resolve));
  }

  get #isDone(): boolean {
    return this.#pending.count === 0 && this.#waiters.count === 0;
  }
}
