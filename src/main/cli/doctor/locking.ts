/** Whether one writer keeps another one out of a directory, tried as a store does it. */
import { isKeeperError } from '../../../shared/portable/errors.js';
import { hasKernelLock, lockDirectory } from '../../lock.js';
import { causeOf, type Finding, ok, problem, warning } from './finding.js';

const CHECK = 'locking';

export function checkLocking(scratch: string): Finding {
  const kernel = hasKernelLock();
  try {
    const lock = lockDirectory(scratch);
    try {
      if (!refusesSecond(scratch)) {
        const advice = 'Do not put a store here: two writers would not notice each other. Use a local file system.';
        return problem(CHECK, 'a second writer is let in', { works: false, kernel }, advice);
      }
    } finally {
      lock.release();
    }
  } catch (error) {
    const code = causeOf(error);
    const advice = 'Use a file system that has locks: a local one, or a network mount without the option nolock.';
    return problem(CHECK, `a directory cannot be locked: ${code}`, { works: false, kernel, code }, advice);
  }
  if (kernel) return ok(CHECK, 'by the kernel (flock), free at once when its holder dies', { works: true, kernel });
  const advice =
    'Install the optional dependency fs-native-extensions: then the kernel frees the lock of a dead writer, of another ' +
    'container or before a restart of the machine too.';
  return warning(CHECK, 'by a lock file that names its holder', { works: true, kernel }, advice);
}

function refusesSecond(scratch: string): boolean {
  try {
    lockDirectory(scratch).release();
    return false;
  } catch (error) {
    if (isKeeperError(error, 'ERR_LOCKED')) return true;
    throw error;
  }
}
