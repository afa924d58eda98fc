/** Whether a thread of this process is still there, for a thread that is blocked and sees no exit event. */
import fs from 'node:fs';

/** What the system calls this thread; 0 where it does not tell (proc(5) is Linux's). */
export function ownThread(): number {
  try {
    return Number(/\/task\/([0-9]+)$/.exec(fs.readlinkSync('/proc/thread-self'))?.[1] ?? 0);
  } catch {
    return 0; // not Linux, or no /proc: the caller goes by the beat alone
  }
}

/** Whether a thread has certainly ended. */
export function threadHasEnded(thread: number): boolean {
  return thread !== 0 && fs.existsSync('/proc/self/task') && !fs.existsSync(`/proc/self/task/${thread}`);
}
