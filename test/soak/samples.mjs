/** What the process holds at a moment of rest, and whether that grows. */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import v8 from 'node:v8';
import vm from 'node:vm';

/**
 * What resident memory may differ by between the first and the last moments of rest. Unit: MiB. Not zero, for it is not
 * only what the program holds: V8 keeps pages of its heap, and malloc pages of each thread that has ended. In a soak of
 * three minutes on a busy machine single samples lay between 130 and 252 MiB, up and down. So a short soak finds only
 * gross growth of memory, a long one what adds up to more than this; a store that is not let go of is found by its threads.
 */
export const RSS_TOLERANCE_MIB = 128;

/** How long what was let go of may take to be gone: handles close in later turns of the event loop. Unit: milliseconds. */
const SETTLE_MS = 3000;

v8.setFlagsFromString('--expose-gc');
const collect = vm.runInNewContext('gc');

/** What the open descriptors lead to, but for the one of the directory that is listed here. */
function openFiles() {
  return fs.readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return [fs.readlinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return [];
    }
  });
}

/** @returns {{ rssMiB: number, files: string[], descriptors: number, handles: string[], threads: number }} */
function look() {
  const files = openFiles();
  return {
    rssMiB: process.memoryUsage.rss() / 1024 ** 2,
    files,
    descriptors: files.length,
    handles: process.getActiveResourcesInfo().sort(),
    threads: fs.readdirSync('/proc/self/task').length,
  };
}

/** Look when everything is closed. What is above an earlier sample gets time to go away, within a limit. */
export async function sampleAtRest(before) {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    collect();
    await new Promise(setImmediate);
    collect();
    const sample = look();
    if (before === undefined || grownCounts(before, sample).length === 0 || performance.now() > deadline) return sample;
    await sleep(20);
  }
}

/** Descriptors, handles and threads that are more than they were: none is allowed. */
function grownCounts(first, last) {
  const grown = [];
  if (last.descriptors > first.descriptors) {
    grown.push(`descriptors: ${first.descriptors} to ${last.descriptors}, now ${last.files.join(' ')}`);
  }
  if (last.threads > first.threads) grown.push(`threads: ${first.threads} to ${last.threads}`);
  if (last.handles.length > first.handles.length) {
    grown.push(`handles: ${first.handles.join(' ') || 'none'} to ${last.handles.join(' ')}`);
  }
  return grown;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

/**
 * What has grown over the samples after the warm-up: a count if the last is above the first; memory if the median of the last
 * third is above that of the first third by more than the tolerance.
 */
export function whatGrows(samples) {
  const grown = grownCounts(samples[0], samples.at(-1));
  const third = Math.max(1, Math.floor(samples.length / 3));
  const first = median(samples.slice(0, third).map(({ rssMiB }) => rssMiB));
  const last = median(samples.slice(-third).map(({ rssMiB }) => rssMiB));
  if (last - first > RSS_TOLERANCE_MIB) grown.push(`resident memory: ${first.toFixed(1)} to ${last.toFixed(1)} MiB`);
  return grown;
}

export function describe({ rssMiB, descriptors, handles, threads }) {
  return `rss ${rssMiB.toFixed(1)} MiB, descriptors ${descriptors}, handles ${handles.length}, threads ${threads}`;
}
