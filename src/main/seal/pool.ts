/** The pool of threads that seal. Its threads begin with the first task, and end when there is none for a while. */
import { fileURLToPath } from 'node:url';
import type { Piscina } from 'piscina';
import { fromWire } from '../../shared/portable/errors.js';
import type { PoolAnswer, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';

export interface Pool {
  /** @throws what the task throws; another error where its thread has ended */
  run<K extends SealTask['kind']>(task: SealTaskOf<K>): Promise<SealResults[K]>;
  close(): Promise<void>;
}

/** A thread without work ends after so long. Unit: milliseconds. */
const IDLE_MS = 10_000;

/**
 * @param file what its threads run
 * @param threads at most
 */
export function threadPool(file: URL, threads: number): Pool {
  let made: Promise<Piscina> | undefined;
  return {
    async run(task) {
      made ??= makePiscina(file, threads);
      const answer = (await (await made).run(task)) as PoolAnswer;
      if ('error' in answer) throw fromWire(answer.error);
      return answer.result as any;
    },
    async close() {
      await (await made)?.destroy();
    },
  };
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
