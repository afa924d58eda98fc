/** The program that runs the store, and the machine under it: Node.js, cores, memory. */
import { createRequire } from 'node:module';
import os from 'node:os';
import { parseOptions } from '../../../shared/options.js';
import { bytesText } from '../output.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** What Node.js and its threads take before a store takes anything. Unit: bytes. */
const NODE_BYTES = 128 * 1024 * 1024;

export function checkMachine(): readonly Finding[] {
  return [checkNode(), checkCores(), checkMemory()];
}

function checkNode(): Finding {
  const { engines } = createRequire(import.meta.url)('../../../../package.json') as { engines: { node: string } };
  const version = process.versions.node;
  const measured = { version, needed: engines.node };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = engines.node.replace(/^>=/, '').split('.').map(Number);
  if (major > leastMajor || (major === leastMajor && minor >= leastMinor)) {
    return ok('Node.js', `${version}, needs ${engines.node}`, measured);
  }
  return problem('Node.js', `${version}, needs ${engines.node}`, measured, 'Install a newer Node.js.');
}

function checkCores(): Finding {
  const cores = os.availableParallelism();
  if (cores > 1) return ok('cores', String(cores), { cores });
  const advice = 'Give the process two cores: the thread that writes waits for the one that appends, and the reverse.';
  return warning('cores', String(cores), { cores }, advice);
}

function checkMemory(): Finding {
  const { ringBytes, maxPendingBytes, cacheBytes, indexBytes } = parseOptions('.');
  const neededBytes = NODE_BYTES + ringBytes + maxPendingBytes + cacheBytes + indexBytes;
  const availableBytes = process.availableMemory();
  const value = `${bytesText(availableBytes)} available; a store may take ${bytesText(neededBytes)} with its default options`;
  const measured = { availableBytes, neededBytes, shared: true };
  if (!canShare(ringBytes)) {
    const advice = `Give the process ${bytesText(neededBytes)}, and start Node.js without options that switch off SharedArrayBuffer.`;
    return problem('memory', `no shared memory of ${bytesText(ringBytes)}`, { ...measured, shared: false }, advice);
  }
  if (availableBytes >= neededBytes) return ok('memory', value, measured);
  const advice = 'Raise the memory limit, or open with smaller ringBytes, maxPendingBytes, cacheBytes and indexBytes.';
  return warning('memory', value, measured, advice);
}

/** The ring between the threads is shared memory. */
function canShare(bytes: number): boolean {
  try {
    return new SharedArrayBuffer(bytes).byteLength === bytes;
  } catch {
    return false; // switched off, or no memory: either way the ring cannot be made
  }
}
