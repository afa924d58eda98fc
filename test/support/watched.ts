/** The engine as it runs everywhere, where a test stands between its threads. */
import { type Runtime, threadRuntime } from '../../dist/main/runtime.js';
import type { FromWriter } from '../../dist/shared/messages.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';

export interface Between {
  /** The message is given once this resolves. */
  onWriter?(message: FromWriter): Promise<void> | undefined;
  /** The task is begun once this resolves. */
  before?(task: SealTask): Promise<void> | undefined;
  /** Who asked for the task is told of its result once this resolves. */
  after?(task: SealTask): Promise<void> | undefined;
}

/** Nothing overtakes a message that is held back. */
export function threadsWith({ onWriter, before, after }: Between): Runtime {
  return {
    ...threadRuntime,
    start(options, shared, events) {
      let last: Promise<void> | undefined;
      const give = (message: FromWriter): void => {
        const held = last ?? onWriter?.(message);
        if (held === undefined) return events.onWriter(message);
        const given = (last === undefined ? held : last.then(() => onWriter?.(message))).then(() => {
          if (last === given) last = undefined;
          events.onWriter(message);
        });
        last = given;
      };
      return threadRuntime.start(options, shared, { ...events, onWriter: give });
    },
    pool(threads) {
      const pool = threadRuntime.pool(threads);
      return {
        async run(task, onDone) {
          await before?.(task as SealTask);
          const result = await pool.run(task, onDone);
          await after?.(task as SealTask);
          return result;
        },
        close: () => pool.close(),
      };
    },
  };
}
