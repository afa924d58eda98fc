/** Two threads over shared memory, of which one takes a step at a time: whoever holds the world says which. */
import type { Operation, Steps } from './coroutines.js';

export type ThreadName = 'caller' | 'writer';

/** Something that may happen next. */
export interface Transition {
  /** Whether another thread could have gone on. */
  readonly preempts: boolean;
  readonly label: string;
  run(): void;
}

/** What was found: a property that does not hold. */
export class Violation extends Error {}

class Thread {
  readonly name: ThreadName;
  readonly steps: Steps;
  next: Operation | undefined;
  /** Where it sleeps, until it is woken. */
  asleep: { array: object; index: number; timeoutMs: number } | undefined;
  done = false;
  dead = false;
  /** A digest of everything it has seen: with it what it will do is known. */
  seen = 17;
  also = 31;

  constructor(name: ThreadName, steps: Steps) {
    this.name = name;
    this.steps = steps;
  }
}

export interface WorldOptions {
  /** Names of the words and positions, for the schedule. */
  nameOf(array: object, index: number): string;
  /** Words that one thread alone goes by: an operation on them is no step of its own. */
  isQuiet(array: object, index: number): boolean;
  /** Memory that belongs to the state. */
  readonly memory: readonly Int32Array[];
  /** Whether the writer may die now. */
  mayDie(): boolean;
  /** Sleeps may end by their timeouts at any moment, so many of them in a run. */
  readonly timeouts: number;
  /** Called where nothing can happen any more but what only time brings. */
  atRest(world: World): void;
}

export class World {
  readonly #options: WorldOptions;
  readonly threads: Thread[] = [];
  readonly queues: Record<ThreadName, any[]> = { caller: [], writer: [] };
  readonly #told: (() => string)[] = [];
  #last: string | undefined;
  /** How often a thread was taken from its work though it could have gone on. */
  preemptions = 0;
  /** What was found inside of code that catches what is thrown. */
  violation: Violation | undefined;
  nowMs = 0;
  #timeouts = 0;
  /** Timeouts that had to come because nothing else could. */
  waits = 0;

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  start(name: ThreadName, steps: Steps): void {
    const thread = new Thread(name, steps);
    this.threads.push(thread);
    this.#resume(thread, undefined);
  }

  thread(name: ThreadName): Thread {
    return this.threads.find((thread) => thread.name === name)!;
  }

  /** Put a message into a thread's queue at once. */
  send(to: ThreadName, message: unknown): void {
    this.queues[to].push(message);
  }

  /** Atomics as code sees it that is no coroutine: done at once. */
  readonly atomics = Object.fromEntries(
    ['load', 'store', 'add', 'exchange', 'notify'].map((name) => [
      name,
      (...args: any[]) => this.#perform(undefined, [name, ...args]),
    ]),
  );

  /** What can happen next. */
  transitions(): Transition[] {
    const found: Transition[] = [];
    for (const thread of this.threads) {
      if (!this.#canStep(thread)) continue;
      const before = this.threads.find(({ name }) => name === this.#last);
      found.push({
        label: thread.name,
        preempts: before !== undefined && before !== thread && this.#canStep(before),
        run: () => this.#step(thread),
      });
    }
    // Whoever ran goes on first: what is tried before anything else is the run without preemption.
    found.sort((a, b) => Number(a.preempts) - Number(b.preempts));
    const { timeouts } = this.#options;
    const writer = this.thread('writer');
    if (this.#options.mayDie() && !writer.done && !writer.dead && !this.thread('caller').done) {
      found.push({ label: 'death', preempts: false, run: () => this.#kill(writer) });
    }
    if (this.#timeouts < timeouts) {
      for (const thread of this.threads) {
        if (thread.dead || thread.asleep === undefined || thread.asleep.timeoutMs === Number.POSITIVE_INFINITY)
          continue;
        found.push({
          label: 'timeout',
          preempts: false,
          run: () => {
            this.#timeouts++;
            this.timeOut(thread);
          },
        });
      }
    }
    return found;
  }

  /** Nothing can happen by itself: what does time bring? Throws where something waits in vain. */
  rest(): void {
    this.#options.atRest(this);
  }

  timeOut(thread: Thread): void {
    this.nowMs += thread.asleep!.timeoutMs;
    thread.asleep = undefined;
    this.#tell(thread, () => 'sleeps until its timeout');
    this.#resume(thread, 'timed-out');
  }

  /** Do what the disk takes its time for. */
  finishSync(thread: Thread): void {
    this.#tell(thread, () => 'the sync returns');
    this.#resume(thread, undefined);
  }

  /** The same for two moments from which the same can follow. */
  fingerprint(): number {
    let a = 1;
    let b = 2;
    const mix = (value: number): void => {
      a = Math.imul(a ^ value, 0x01000193);
      b = Math.imul(b ^ (value + 0x9e37), 0x85ebca6b);
      b ^= b >>> 13;
    };
    for (const thread of this.threads) {
      mix(thread.seen);
      mix(thread.also);
      mix((thread.asleep === undefined ? 0 : 1) + (thread.dead ? 2 : 0) + (thread.done ? 4 : 0));
    }
    mix(this.queues.caller.length * 8 + this.queues.writer.length);
    mix(this.#timeouts);
    mix(this.preemptions * 4 + (this.#last === 'caller' ? 1 : 0));
    mix(this.nowMs);
    for (const memory of this.#options.memory) for (const word of memory) mix(word);
    return (a >>> 0) * 2 ** 21 + (b & 0x1fffff);
  }

  #canStep(thread: Thread): boolean {
    if (thread.done || thread.dead || thread.asleep !== undefined) return false;
    if (thread.next![0] === 'message') return this.queues[thread.name].length > 0;
    return thread.next![0] !== 'slow-sync';
  }

  #step(thread: Thread): void {
    this.#last = thread.name;
    const operation = thread.next!;
    const result = this.#perform(thread, operation);
    this.#tell(thread, () => this.#describe(operation, result));
    if (thread.asleep === undefined) this.#resume(thread, result);
  }

  #kill(thread: Thread): void {
    thread.dead = true;
    this.#tell(thread, () => 'dies');
  }

  /** Go on to the next operation that is a step. */
  #resume(thread: Thread, result: unknown): void {
    let given = result;
    for (;;) {
      this.#see(thread, given);
      const { done, value } = thread.steps.next(given);
      if (done === true) {
        thread.done = true;
        thread.next = undefined;
        return;
      }
      thread.next = value;
      const [name, array, index] = value;
      if (name === 'wait' || typeof index !== 'number' || !this.#options.isQuiet(array, index)) return;
      given = this.#perform(thread, value);
    }
  }

  #see(thread: Thread, result: unknown): void {
    const value = typeof result === 'bigint' || typeof result === 'number' ? Number(result) : textHash(result);
    thread.seen = Math.imul(thread.seen ^ value, 0x01000193) + 7;
    thread.also = Math.imul(thread.also + value, 0x85ebca6b) ^ (thread.also >>> 15);
  }

  #perform(thread: Thread | undefined, [name, array, index, ...args]: Operation): unknown {
    switch (name) {
      case 'load':
        return Atomics.load(array, index);
      case 'store':
        return Atomics.store(array, index, args[0]);
      case 'add':
        return Atomics.add(array, index, args[0]);
      case 'exchange':
        return Atomics.exchange(array, index, args[0]);
      case 'notify': {
        let woken = 0;
        for (const sleeper of this.threads) {
          if (sleeper.dead || sleeper.asleep?.array !== array || sleeper.asleep?.index !== index) continue;
          sleeper.asleep = undefined;
          sleeper.next = ['woken'];
          woken++;
        }
        return woken;
      }
      case 'wait':
        if (thread === undefined) throw new Error('a wait outside of a coroutine');
        if (Atomics.load(array, index) !== args[0]) return 'not-equal';
        thread.asleep = { array, index, timeoutMs: args[1] ?? Number.POSITIVE_INFINITY };
        return undefined;
      case 'woken':
        return 'ok';
      case 'post':
        this.queues[array as ThreadName].push(index);
        return undefined;
      case 'receive':
      case 'message':
        return this.queues[thread!.name].shift();
      case 'sync':
        return undefined;
      default:
        throw new Error(`no such operation: ${name}`);
    }
  }

  /** What has happened, as people read it. */
  get schedule(): string[] {
    return this.#told.map((tell) => tell());
  }

  #tell({ name }: Thread, what: () => string): void {
    this.#told.push(() => `${name}  ${what()}`);
  }

  #describe([name, array, index, ...args]: Operation, result: unknown): string {
    if (name === 'post') return `posts ${messageName(index)}`;
    if (name === 'receive' || name === 'message') return `receives ${messageName(result)}`;
    if (typeof index !== 'number') return name === 'woken' ? 'wakes' : name;
    const word = this.#options.nameOf(array, index);
    if (name === 'load') return `loads ${word}: ${result}`;
    if (name === 'store') return `stores ${word} = ${args[0]}`;
    if (name === 'exchange') return `exchanges ${word}: ${result} -> ${args[0]}`;
    if (name === 'add') return `adds ${args[0]} to ${word}: ${Number(result) + args[0]}`;
    if (name === 'notify') return `notifies ${word}: ${result} woken`;
    return `waits for ${word} to leave ${args[0]}${result === undefined ? ', asleep' : `: ${result}`}`;
  }
}

function messageName(message: any): string {
  return message === undefined ? 'nothing' : String(message.kind ?? message);
}

function textHash(value: unknown): number {
  const text = value === undefined ? '' : typeof value === 'string' ? value : messageName(value);
  let hash = text.length;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash;
}
