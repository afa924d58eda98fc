/** The pool of threads: what its threads do between two tasks. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { type Pool, threadPool } from '#dist/main/seal/pool.js';
import type { SealTaskOf } from '#dist/shared/seal-tasks.js';

/** Each of its tasks answers how many there were before. */
const COUNTS_TASKS = `
  let tasks = 0;
  export default async function run() {
    return { result: tasks++, tookMs: 0 };
  }`;

/** Each of its tasks answers how many turns of its event loop there were before. */
const COUNTS_TURNS = `
  let turns = 0;
  export default async function run() {
    setImmediate(() => { turns++; });
    return { result: turns, tookMs: 0 };
  }`;

/** A port hands over so many messages at most before it lets the event loop turn. */
const MESSAGES_AT_ONCE = 1000;

/** A pool with one thread, until the test is over. */
function poolOf(thread: string): Pool {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-pool-'));
  const file = path.join(dir, 'thread.mjs');
  fs.writeFileSync(file, thread);
  const pool = threadPool(pathToFileURL(file), 1);
  onTestFinished(async () => {
    await pool.close();
    fs.rmSync(dir, { recursive: true });
  });
  return pool;
}

const DISCARD = { kind: 'discard' } as SealTaskOf<'discard'>;

test('a thread turns its event loop while tasks follow at once, so that native memory is let go of', async () => {
  const pool = poolOf(COUNTS_TURNS);
  let turns: unknown = 0;
  for (let tasks = 0; turns === 0 && tasks < 2 * MESSAGES_AT_ONCE; tasks++) turns = await pool.run(DISCARD);
  expect(turns).toBeGreaterThan(0);
});

test('what a query asks goes before what else waits', async () => {
  const pool = poolOf(COUNTS_TASKS);
  await pool.run(DISCARD);
  const filter = { kind: 'filter' } as SealTaskOf<'filter'>;
  const kinds = [DISCARD, DISCARD, DISCARD, filter, DISCARD, filter];
  const places = (await Promise.all(kinds.map((task) => pool.run(task)))) as unknown as number[];
  // The first one had the thread at once.
  expect(places).toEqual([1, 4, 5, 2, 6, 3]);
});
