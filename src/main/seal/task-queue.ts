/** What waits for a thread of the pool: queries go before what keeps the log. */
import type { TaskQueue } from 'piscina';

type Task = Parameters<TaskQueue['push']>[0];

/** In the order in which they came, but for those that go first. */
export class TwoQueues implements TaskQueue {
  readonly #first: Task[] = [];
  readonly #others: Task[] = [];
  readonly #goesFirst: (task: Task) => boolean;

  constructor(goesFirst: (task: Task) => boolean) {
    this.#goesFirst = goesFirst;
  }

  get size(): number {
    return this.#first.length + this.#others.length;
  }

  push(task: Task): void {
    this.#queueOf(task).push(task);
  }

  /** No thread was there for it after all. */
  unshift(task: Task): void {
    this.#queueOf(task).unshift(task);
  }

  shift(): Task | null {
    return this.#first.shift() ?? this.#others.shift() ?? null;
  }

  remove(task: Task): void {
    const queue = this.#queueOf(task);
    queue.splice(queue.indexOf(task), 1);
  }

  #queueOf(task: Task): Task[] {
    return this.#goesFirst(task) ? this.#first : this.#others;
  }
}
