/** How long the disk takes to make a small write durable: that is what an append waits for. */
import fs from 'node:fs';
import path from 'node:path';
import { setImmediate as yieldOnce } from 'node:timers/promises';
import { causeOf, type Finding, ok, problem, warning } from './finding.js';

/** The target for an append, of which its sync is the largest part. Unit: milliseconds. */
const TARGET_P99_MS = 10;
const WRITES = 400;
const WRITE_BYTES = 512;
/** A slow disk is known after fewer. Unit: milliseconds. */
const LONGEST_MS = 4000;

const CHECK = 'sync latency';

/** Write and sync as the log does: small writes into zeros that were written ahead. */
export async function checkSyncLatency(scratch: string, signal: AbortSignal): Promise<Finding> {
  let samples: number[];
  try {
    samples = await measure(path.join(scratch, 'sync'), signal);
  } catch (error) {
    signal.throwIfAborted();
    const code = causeOf(error);
    const advice = 'Free space if it is ENOSPC, EDQUOT or EFBIG; else look at the disk and its mount (dmesg) first.';
    return problem(CHECK, `not measured: ${code}`, { code }, advice);
  }
  const [p50, p99] = [percentile(samples, 0.5), percentile(samples, 0.99)];
  const measured = { p50Ms: p50, p99Ms: p99, targetP99Ms: TARGET_P99_MS, writes: samples.length };
  const value = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms of ${samples.length} writes with fdatasync; target p99 < ${TARGET_P99_MS} ms`;
  if (p99 < TARGET_P99_MS) return ok(CHECK, value, measured);
  const advice =
    'Appends wait at least as long. Put the directory on a local SSD, away from other busy writers; send many appends at once ' +
    "rather than one by one, or take durability 'written' where the last moments may be lost with the machine.";
  return p50 < TARGET_P99_MS ? warning(CHECK, value, measured, advice) : problem(CHECK, value, measured, advice);
}

async function measure(file: string, signal: AbortSignal): Promise<number[]> {
  const samples: number[] = [];
  const bytes = Buffer.alloc(WRITE_BYTES, 1);
  const handle = fs.openSync(file, 'wx');
  try {
    fs.writeSync(handle, Buffer.alloc(WRITES * WRITE_BYTES));
    fs.fsyncSync(handle);
    const endMs = performance.now() + LONGEST_MS;
    for (let i = 0; i < WRITES && performance.now() < endMs; i++) {
      const startMs = performance.now();
      fs.writeSync(handle, bytes, 0, WRITE_BYTES, i * WRITE_BYTES);
      fs.fdatasyncSync(handle);
      samples.push(performance.now() - startMs);
      // Signals come in between two syncs.
      await yieldOnce();
      signal.throwIfAborted();
    }
  } finally {
    fs.closeSync(handle);
  }
  return samples;
}

function percentile(samples: readonly number[], part: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))]!;
}
