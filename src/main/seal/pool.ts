/** The pool of threads that seal, audit and verify. They begin with the first task, and end when there is none for a while. */
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import type { Filtered, FilterWork } from '../../shared/filter-task.js';
import { BLOCK_CODEC } from '../../shared/format/sealed.js';
import type { Holes } from '../../shared/holes.js';
import type { Settings } from '../../shared/options.js';
import { fromWire, isKeeperError, KeeperError } from '../../shared/portable/errors.js';
import type { PoolAnswer, SealedWork, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';
import { TwoQueues } from './task-queue.js';

export interface Pool {
  /**
   * @param onDone told how long the thread took. Unit: milliseconds
   * @throws what the task throws; an error that {@link withTries} knows where its thread has ended
   */
  run<K extends SealTask['kind']>(task: SealTaskOf<K>, onDone?: (tookMs: number) => void): Promise<SealResults[K]>;
  close(): Promise<void>;
}

/** Has the pool look at records of a segment. */
export interface Looking {
  readonly threads: number;
  filter(segment: number, asked: FilterWork): Promise<Filtered | undefined>;
}

const SYSCALL = 'worker';
/** What was under way in a thread that has ended is begun anew, so many times at most in all. */
const TRIES = 3;
/** A thread without work ends after so long. Unit: milliseconds. */
const IDLE_MS = 10_000;

/**
 * @param file what its threads run
 * @param threads at most
 */
export function threadPool(file: URL, threads: number): Pool {
  let made: Promise<Threads> | undefined;
  return {
    async run(task, onDone) {
      made ??= makePiscina(file, threads);
      const { piscina, before } = await made;
      const asked = task.kind === 'filter' ? before(task) : task;
      const answer: PoolAnswer = await piscina.run(asked, { transferList: given(task) }).catch((error: unknown) => {
        throw threadEnded(error);
      });
      if ('error' in answer) throw fromWire(answer.error);
      onDone?.(answer.tookMs);
      return answer.result as any;
    },
    async close() {
      const threads = await made?.catch(() => undefined); // whoever wanted it was told
      await threads?.piscina.destroy();
    },
  };
}

/** Megabytes that nobody needs here any more: they go over without a copy. */
function given(task: SealTask): ArrayBuffer[] {
  return task.kind === 'assemble' ? task.digests.map(({ buffer }) => buffer as ArrayBuffer) : [];
}

/** What the tasks on a store have in common. */
export function workOf(
  { dir, compression }: Settings,
  storeId: Uint8Array,
  { list: holes }: Holes,
): Omit<SealedWork, 'number'> {
  return { dir, storeId, codec: BLOCK_CODEC[compression], holes };
}

/** How queries have records looked at. */
export function lookingWith(pool: Pool, threads: number, work: Omit<SealedWork, 'number'>): Looking {
  return {
    threads,
    filter: (number, asked) => withTries(() => pool.run<'filter'>({ kind: 'filter', ...work, number, ...asked })),
  };
}

/** The thread of a task has ended before the task had: out of memory, or by an error that nobody expected. */
export function threadEnded(cause: unknown): KeeperError {
  return new KeeperError('ERR_STORAGE', `a thread of the pool has ended: ${(cause as Error)?.message ?? cause}`, {
    errno: 'EPIPE',
    syscall: SYSCALL,
    cause,
    hint: 'The log is as it was. Try again; if it ends again, there may be too little memory.',
  });
}

/** Once more where a thread of the pool has ended; what the task itself says is final. */
export async function withTries<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (!hasThreadEnded(error) || tries === TRIES) throw error;
    }
  }
}

function hasThreadEnded(error: unknown): boolean {
  return isKeeperError(error, 'ERR_STORAGE') && error.syscall === SYSCALL;
}

interface Threads {
  readonly piscina: Piscina;
  /** A task that goes before others. */
  before(task: SealTask): object;
}

async function makePiscina(file: URL, threads: number): Promise<Threads> {
  const { Piscina, queueOptionsSymbol } = await import('piscina');
  const piscina = new Piscina({
    filename: fileURLToPath(file),
    minThreads: 0,
    maxThreads: threads,
    // What finds no thread keeps its place.
    stricterFIFO: true,
    taskQueue: new TwoQueues((task) => Reflect.get(task, queueOptionsSymbol) !== null),
    idleTimeout: IDLE_MS,
    // Not waiting in place for the next task: what native code has given memory for is let go of in a turn of the thread's event
    // loop, and a thread that seals one segment after the other would have none.
    atomics: 'disabled',
    // What this package runs: options of the caller's program, such as --input-type, are not for it.
    execArgv: [],
  });
  return { piscina, before: (task) => ({ ...task, [queueOptionsSymbol]: {} }) };
}
