/** Which place of the engine asks for a sync: what is told apart when each of them is left out in turn. */
import type { CallSite } from './image.js';
import { intercept } from './intercept.js';
import type { MemoryDisk } from './memory-disk.js';

const BUILT = '/dist/';

/** Passes calls on: who is behind it says more. */
const PASSED_OVER: ReadonlySet<string> = new Set(['inSystemCalls', 'replaceContent']);

/** A disk in whose journal each sync has the place in the engine that asked for it. */
export function withCallSites<Disk extends MemoryDisk<any>>(inner: Disk): Disk {
  return intercept(inner, {
    sync: (handle) => inner.sync(handle, callSite('sync')),
    syncDir: (dir) => inner.syncDir(dir, callSite('syncDir')),
  });
}

function callSite(call: string): CallSite {
  const frames = stack().filter((frame) => frame.getFileName()?.includes(BUILT) === true);
  const [innermost] = frames;
  if (innermost === undefined) throw new Error(`${call} was not called by the engine`);
  const functions: string[] = [];
  for (const frame of frames) {
    const name = frame.getFunctionName();
    if (name === null || PASSED_OVER.has(name)) continue;
    functions.push(`${moduleOf(frame)}.${name}`);
    if (functions.length === 2) break;
  }
  return { name: `${call}@${functions.join('<')}`, line: `${fileOf(innermost)}:${innermost.getLineNumber()}` };
}

function stack(): NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = 40;
  Error.prepareStackTrace = (_, frames) => frames;
  try {
    return new Error().stack as unknown as NodeJS.CallSite[];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** The file within the built package. */
function fileOf(frame: NodeJS.CallSite): string {
  const file = frame.getFileName()!;
  return file.slice(file.lastIndexOf(BUILT) + BUILT.length);
}

function moduleOf(frame: NodeJS.CallSite): string {
  return fileOf(frame).replace(/^.*\//, '').replace(/\.js$/, '');
}
