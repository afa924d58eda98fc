/** The pool of threads that seal. Its threads begin with the first task, and end when there is none for a while. */
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { fromWire, isKeeperError, KeeperError } from '../../shared/portable/errors.js';
import type { PoolAnswer, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';

export interface Pool {
  /** @throws what the task throws; an error of which {@link hasThreadEnded} is true where its thread has ended */
  run<K extends SealTask['kind']>(task: SealTaskOf<K>): Promise<SealResults[K]>;
  close(): Promise<void>;
}

const SYSCALL = 'worker';
/** A thread without work ends after so long. Unit: milliseconds. */
const IDLE_MS = 10_000;
/** What a thread of the pool has ended over is begun anew so many times. */
const TRIES = 3;

/**
 * @param file what its threads run
 * @param threads at most
 */
export function threadPool(file: URL, threads: number): Pool {
  let made: Promise<Piscina> | undefined;
  return {
    async run(task) {
      made ??= makePiscina(file, threads);
      const piscina = await made;
      const answer: PoolAnswer = await piscina.run(task).catch((error: unknown) => {
        throw threadEnded(error);
      });
      if ('error' in answer) throw fromWire(answer.error);
      return answer.result as any;
    },
    async close() {
      const piscina = await made?.catch(() => undefined); // whoever wanted it was told
      await piscina?.destroy();
    },
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

export function hasThreadEnded(error: unknown): boolean {
  return isKeeperError(error, 'ERR_STORAGE') && error.syscall === SYSCALL;
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

async function makePiscina(file: URL, threads: number): Promise<Piscina> {
  const { Piscina } = await import('piscina');
  return new Piscina({
    filename: fileURLToPath(file),
    minThreads: 0,
    maxThreads: threads,
    idleTimeout: IDLE_MS,
    // What this package runs: options of the caller's program, such as --input-type, are not for it.
    execArgv: [],
  });
}
