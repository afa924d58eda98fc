/** The lock, and what keeps Node alive. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { openStore } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { failure } from '../support/errors.js';
import { run } from '../support/programs.js';
import { open, temporaryDir } from '../support/stores.js';

const HOLD = `
  const store = await openStore(args[0]);
  await store.append('a', { type: 'Held' });
  console.log('it is held');
  process.stdin.resume();
`;

describe('a second opener is refused', () => {
  function expectHolder(error: object, pid: number): void {
    expect(error).toMatchObject({ pid, host: os.hostname(), retryable: true });
    const { since, hint } = error as { since: string; hint: string };
    expect(new Date(since).toISOString()).toBe(since);
    expect(hint).toContain('hot reload');
    expect(hint).toContain('worker thread');
  }

  test('in the same process, as often as it tries', async () => {
    const store = await open();
    const { dir } = store.stats();
    expectHolder(await failure('ERR_LOCKED', () => openStore(dir)), process.pid);
    expectHolder(await failure('ERR_LOCKED', () => openStore(`${dir}/.`)), process.pid);
    expect(await store.append('a', { type: 't' })).toMatchObject({ firstSequence: 1 });
  });

  test('in another process', async () => {
    const dir = temporaryDir();
    const holder = run(HOLD, dir);
    await holder.says('it is held');
    expectHolder(await failure('ERR_LOCKED', () => openStore(dir)), holder.process.pid!);
    holder.process.kill('SIGKILL');
    await holder.ended;
  });

  test('in a worker thread', async () => {
    const store = await open();
    const keeperlog = import.meta.resolve('keeperlog');
    const text = `
      import(${JSON.stringify(keeperlog)}).then(async ({ openStore, toWire }) => {
        const { parentPort, workerData } = require('node:worker_threads');
        try { await openStore(workerData); parentPort.postMessage('open'); }
        catch (error) { parentPort.postMessage(toWire(error)); }
      });`;
    const worker = new Worker(text, { eval: true, workerData: store.stats().dir });
    const answer = await new Promise<object>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    await worker.terminate();
    expect(answer).toMatchObject({ code: 'ERR_LOCKED' });
    expectHolder(answer, process.pid);
  });

  test('also through a symbolic link', async () => {
    const store = await open();
    const link = path.join(path.dirname(store.stats().dir), 'link');
    fs.symlinkSync(store.stats().dir, link);
    await failure('ERR_LOCKED', () => openStore(link));
  });
});

describe('the lock is free', () => {
  test('once the store is closed', async () => {
    const store = await open();
    await store.close();
    await open({ dir: store.stats().dir });
  });

  test('at once when the holder is killed, and what it was told is there', async () => {
    const dir = temporaryDir();
    const holder = run(HOLD, dir);
    await holder.says('it is held');
    holder.process.kill('SIGKILL');
    await holder.ended;
    const store = await open({ dir });
    expect((await store.get(1))?.type).toBe('Held');
    expect(store.stats().recovery.clean).toBe(false);
  });

  test('where opening was refused', async () => {
    const store = await open({ nodeId: 'one' });
    const { dir } = store.stats();
    await store.close();
    await failure('ERR_INVALID_OPTIONS', () => openStore({ dir, nodeId: 'two' }));
    await open({ dir });
  });
});

describe('Node', () => {
  test('ends beside an idle store', async () => {
    const program = run(
      `const store = await openStore(args[0]);
       await store.append('a', { type: 't' });
       await store.read().toArray();
       console.log('idle');`,
      temporaryDir(),
    );
    expect(await program.ended).toMatchObject({ code: 0, output: 'idle\n' });
  });

  test('ends beside an idle store that was only opened', async () => {
    const program = run('await openStore(args[0]); console.log("idle");', temporaryDir());
    expect(await program.ended).toMatchObject({ code: 0, output: 'idle\n' });
  });

  test('ends beside an idle store that has rotated and made a checkpoint', async () => {
    const program = run(
      `const store = await openStore({ dir: args[0], segmentBytes: 65536 });
       for (let i = 0; i < 20; i++) await store.append('a', { type: 't', data: 'x'.repeat(10000) });
       console.log(store.stats().segments > 1);`,
      temporaryDir(),
    );
    expect(await program.ended).toMatchObject({ code: 0, output: 'true\n' });
  });

  test.skipIf(process.platform !== 'linux')('is not woken by any thread of an idle store', async () => {
    // What a sleeping thread does not do can only be watched for a while: the watermark is synced 100 ms after the append.
    // A timer of a second would wake it three times; V8's own threads may wake once for work of theirs.
    const program = run(
      `const fs = await import('node:fs');
       const { setTimeout: delay } = await import('node:timers/promises');
       const store = await openStore(args[0]);
       await store.append('a', { type: 't' });
       await delay(1000);
       const wakes = () => new Map(fs.readdirSync('/proc/self/task').filter((task) => task !== String(process.pid)).map((task) =>
         [task, Number(/^voluntary_ctxt_switches:\\s*(.*)$/m.exec(fs.readFileSync('/proc/self/task/' + task + '/status', 'utf8'))[1])]));
       const before = wakes();
       await delay(3500);
       const most = Math.max(...[...wakes()].map(([task, count]) => count - (before.get(task) ?? count)));
       console.log(before.size > 2, most <= 2 || most);`,
      temporaryDir(),
    );
    expect(await program.ended).toMatchObject({ code: 0, output: 'true true\n' });
  });

  test('ends beside a store that is only read', async () => {
    const dir = temporaryDir();
    await (await open({ dir })).close();
    const program = run(
      'const store = await openStore({ dir: args[0], readOnly: true }); console.log(await store.head());',
      dir,
    );
    expect(await program.ended).toMatchObject({ code: 0, output: 'undefined\n' });
  });

  test.each([
    ['an append', `store.append('a', { type: 't' }).then(() => console.log('done'));`],
    ['what is enqueued', `store.enqueue('a', { type: 't' }).durable.then(() => console.log('done'));`],
    ['flush', `store.enqueue('a', { type: 't' }); store.flush().then(() => console.log('done'));`],
    ['a read', `await store.append('a', { type: 't' }); store.read().toArray().then(() => console.log('done'));`],
    ['close', `store.append('a', { type: 't' }); store.close().then(() => console.log('done'));`],
    ['closing an idle store', `store.close().then(() => console.log('done'));`],
  ])('waits for %s', async (_, text) => {
    const program = run(`const store = await openStore(args[0]);\n${text}`, temporaryDir());
    expect(await program.ended).toMatchObject({ code: 0, output: 'done\n' });
  });

  test('does not see an unhandled rejection where a failure is left alone', async () => {
    const program = run(
      `const store = await openStore({ dir: args[0], maxEventBytes: 1024, maxBatchBytes: 1024, ringBytes: 66560 });
       store.enqueue('a', { type: 't' });
       try { store.enqueue('a', { type: 't', data: 'x'.repeat(900) }); } catch (error) { console.log(error.code); }
       await store.close();
       console.log('closed');`,
      temporaryDir(),
    );
    expect(await program.ended).toMatchObject({ code: 0, output: 'ERR_BACKPRESSURE\nclosed\n' });
  });
});
