/**
 * Loaded into every thread of a program under fault before anything else. FAULT names what goes wrong; `kill` and `exit` take
 * parameters: `exit:writer:openSync:3` ends the writer's thread at its third call of fs.openSync.
 */
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
  /** Every write to a file takes half of the bytes at most, really. */
  'half-writes'() {
    const { writeSync } = fs;
    fs.writeSync = (fd, bytes, from, length, offset) =>
      typeof offset === 'number'
        ? writeSync(fd, bytes, from, Math.ceil(length / 2), offset)
        : writeSync(fd, bytes, from, length, offset);
    fs.writevSync = (fd, parts, offset) => {
      const part = parts.find(({ length }) => length > 0);
      return fs.writeSync(fd, part, 0, part.length, offset);
    };
  },
  kill: (thread, call, number) =>
    onCall(isThread(thread), call, Number(number), () => process.kill(process.pid, 'SIGKILL')),
  exit: (thread, call, number) => onCall(isThread(thread), call, Number(number), () => process.exit()),
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

function isThread(name) {
  return name === 'writer' ? isWriter : isBackground;
}

function onCall(here, call, number, fault) {
  if (!here) return;
  const real = fs[call];
  let calls = 0;
  fs[call] = (...args) => {
    if (++calls === number) fault();
    return real(...args);
  };
}

const [fault, ...parameters] = (process.env.FAULT ?? '').split(':');
FAULTS[fault]?.(...parameters);
