/** The pool of threads: what its threads do between two tasks. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { threadPool } from '#dist/main/seal/pool.js';
import type { SealTaskOf } from '#dist/shared/seal-tasks.js';

/** Each of its tasks answers how many turns of its event loop there were before. */
const COUNTS_TURNS = `
  let turns = 0;
  export default async function run() {
    setImmediate(() => { turns++; });
    return { result: turns, tookMs: 0 };
  }`;

/** A port hands over so many messages at most before it lets the event loop turn. */
const MESSAGES_AT_ONCE = 1000;

test('a thread turns its event loop while tasks follow at once, so that native memory is let go of', async () => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-pool-'));
  const file = path.join(dir, 'thread.mjs');
  fs.writeFileSync(file, COUNTS_TURNS);
  const pool = threadPool(pathToFileURL(file), 1);
  try {
    const task = { kind: 'discard' } as SealTaskOf<'discard'>;
    let turns: unknown = 0;
    for (let tasks = 0; turns === 0 && tasks < 2 * MESSAGES_AT_ONCE; tasks++) turns = await pool.run(task);
    expect(turns).toBeGreaterThan(0);
  } finally {
    await pool.close();
    fs.rmSync(dir, { recursive: true });
  }
});
