/** Loaded into every thread of a program under fault before anything else. FAULT names what goes wrong. */
import fs from 'node:fs';
import { isMainThread, workerData } from 'node:worker_threads';

const isWriter = !isMainThread && workerData?.control !== undefined;
const isBackground = !isMainThread && workerData?.writer !== undefined;

const FAULTS = {
  /** Every write of several parts takes 37 bytes at most, really. */
  'short-writes'() {
    fs.writevSync = (fd, parts, offset) => {
      const part = parts.find(({ length }) => length > 0);
      return fs.writeSync(fd, part, 0, Math.min(37, part.length), offset);
    };
  },
  /** The writer's thread ends while it writes its third frame. */
  'writer-exits-writing': () => onCall(isWriter, 'writevSync', 3, () => process.exit()),
  'writer-exits-syncing': () => onCall(isWriter, 'fdatasyncSync', 10, () => process.exit()),
  /** It fails outside of any system call. */
  'writer-throws'() {
    if (!isWriter) return;
    const { wait } = Atomics;
    let waits = 0;
    Atomics.wait = (...args) => {
      if (++waits === 3) throw new TypeError('a mistake in the program');
      return wait(...args);
    };
  },
  /** It runs out of memory, as seen by Node. */
  'writer-out-of-memory': () =>
    onCall(isWriter, 'writevSync', 3, () => {
      const hoard = [];
      for (;;) hoard.push(new Array(100_000).fill({}));
    }),
  /** The writer ends as soon as the store is recovered, while the caller still takes in the log. */
  'writer-exits-opened'() {
    if (isWriter) {
      Atomics.wait = () => process.exit();
    } else if (isMainThread) {
      const { read } = fs;
      fs.read = (...args) => setTimeout(() => read(...args), 300);
    }
  },
  'background-exits': () => onCall(isBackground, 'writeSync', 3, () => process.exit()),
};

function onCall(here, call, number, fault) {
  if (!here) return;
  const real = fs[call];
  let calls = 0;
  fs[call] = (...args) => {
    if (++calls === number) fault();
    return real(...args);
  };
}

FAULTS[process.env.FAULT]?.();
