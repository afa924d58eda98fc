/**
 * A soak: one process that lives long, in which stores are loaded, read, followed, rotated, opened and closed, refused and
 * removed, beside programs that are killed and a disk that is full for a moment. Everything is checked, and at rest between the
 * rounds the process holds no more than it did: neither memory nor descriptors, handles or threads.
 *
 *     npm run soak -- --minutes 60 [--seed N]
 *
 * Ctrl-C ends it early, with the summary. Exit code 1: a check failed, or something grows.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { openStore } from '../../dist/main/index.js';
import { random } from '../faults/load.mjs';
import { describe, RSS_TOLERANCE_MIB, sampleAtRest, whatGrows } from './samples.mjs';
import { fullDisk, killedPrograms, loadedStore, shortStores } from './work.mjs';

/** Rounds before the first sample counts: code is compiled, pools are filled. */
const WARM_UP_ROUNDS = 2;
const ROUNDS = 10;
const ROUND_MS = { least: 1200, most: 15_000 };

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    // For the soak's own test: what goes wrong in each round.
    break: { type: 'string', default: '' },
  },
});
const totalMs = Number(values.minutes) * 60_000;
const seed = Number(values.seed);
const breaks = values.break.split(',');
if (!(totalMs > 0) || !Number.isInteger(seed)) {
  console.error('usage: soak.mjs [--minutes N] [--seed N]');
  process.exit(2);
}

/** Ways of going wrong, each kept alive for good. */
const broken = [];
const BREAK = {
  descriptor: () => broken.push(fs.openSync(process.execPath, 'r')),
  memory: () => broken.push(Buffer.alloc(250 * 1024 * 1024, 1)),
  store: async (dir) => broken.push(await openStore(path.join(dir, 'forgotten'))),
  handle: () => broken.push(setInterval(() => {}, 1000)),
};

const began = performance.now();
const counts = new Map();
const samples = [];
const failures = [];
let interrupted = false;
let interrupt;
const interruption = new Promise((resolve) => {
  interrupt = resolve;
});
process.once('SIGINT', () => {
  interrupted = true;
  console.log('interrupted: this round is the last');
  interrupt();
});

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-soak-'));
const noDisk = whyNoDisk();
if (noDisk !== undefined) console.warn(`SKIPPED: the full disk: ${noDisk}`);
console.log(`soak of ${values.minutes} minutes, seed ${seed}, Node ${process.version}`);
console.log(`at the start: ${describe(await sampleAtRest())}`);
const roundMs = Math.min(ROUND_MS.most, Math.max(ROUND_MS.least, totalMs / ROUNDS));
for (let number = 0; !isOver(number); number++) await doRound(number);
if (failures.length === 0) fs.rmSync(scratch, { recursive: true, force: true });
process.exitCode = summary();
// A store that was left open on purpose would keep its threads for good.
if (broken.length > 0) process.exit();

function isOver(number) {
  if (interrupted || failures.length > 0) return true;
  // What grows is seen between two samples after the warm-up at least.
  return performance.now() - began >= totalMs && number >= WARM_UP_ROUNDS + 2;
}

async function doRound(number) {
  const dir = path.join(scratch, `round-${number}`);
  fs.mkdirSync(dir);
  const end = performance.now() + roundMs;
  let timer;
  const time = new Promise((resolve) => {
    timer = setTimeout(resolve, roundMs);
  });
  const round = {
    dir,
    seed: seed * 1_000_003 + number * 101,
    random: random(seed * 1_000_003 + number),
    over: () => interrupted || performance.now() >= end,
    ended: Promise.race([time, interruption]),
    count: (what, count) => counts.set(what, (counts.get(what) ?? 0) + count),
    /** What was acknowledged; for the soak's own test, with an event that never was. */
    mutate: (acks) => (breaks.includes('loss') ? [...acks, { call: 'never', ids: ['never'] }] : acks),
  };
  const parts = [loadedStore, shortStores, killedPrograms, ...(noDisk === undefined ? [fullDisk] : [])];
  const outcomes = await Promise.allSettled(parts.map((part) => part(round)));
  clearTimeout(timer);
  for (const [part, { status, reason }] of outcomes.entries()) {
    if (status === 'rejected') {
      failures.push(`seed ${seed}, round ${number}, ${parts[part].name} in ${dir}: ${reason.stack}`);
    }
  }
  for (const what of breaks) await BREAK[what]?.(dir);
  if (failures.length === 0) fs.rmSync(dir, { recursive: true });
  round.count('rounds', 1);
  const sample = await sampleAtRest(samples[0]);
  if (number >= WARM_UP_ROUNDS) samples.push(sample);
  const seconds = ((performance.now() - began) / 1000).toFixed(0).padStart(5);
  console.log(
    `${seconds} s  round ${number}${number < WARM_UP_ROUNDS ? ' (warm-up)' : ''}: ${describe(sample)}; ${told()}`,
  );
}

function told() {
  return [...counts].map(([what, count]) => `${what} ${count.toLocaleString('en')}`).join(', ');
}

/** Returns the exit code. */
function summary() {
  console.log(`\n${((performance.now() - began) / 1000).toFixed(0)} s: ${told()}`);
  for (const failure of failures) console.log(`FAILED: ${failure}`);
  if (failures.length > 0) console.log(`kept: ${scratch}`);
  if (samples.length < 2) {
    console.log('too short to say whether anything grows');
    return failures.length > 0 ? 1 : 0;
  }
  console.log(`after the warm-up: ${describe(samples[0])}`);
  console.log(`at the end:        ${describe(samples.at(-1))}`);
  const grown = whatGrows(samples);
  for (const what of grown) console.log(`GROWS: ${what}`);
  if (grown.length === 0) {
    console.log(`nothing grows (memory within ${RSS_TOLERANCE_MIB} MiB; descriptors, handles and threads not by one)`);
  }
  return failures.length > 0 || grown.length > 0 ? 1 : 0;
}

/** Why there can be no full disk here; undefined where there can. */
function whyNoDisk() {
  if (process.getuid?.() !== 0) return 'it needs root';
  const probe = path.join(scratch, 'probe');
  fs.mkdirSync(probe);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'keeperlog-soak', probe], { stdio: 'pipe' });
    execFileSync('umount', [probe], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `mount does not work here: ${String(error.stderr ?? error.message).trim()}`;
  }
}
