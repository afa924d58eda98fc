import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { openStore } from '../../dist/main/index.js';
import { BINARY, emptyDir, parseLines, Running, run, start, startAfter } from './keeperlog.js';

/** A directory with a store of so many orders. */
async function withOrders(count: number): Promise<string> {
  const cwd = emptyDir();
  const store = await openStore(path.join(cwd, 'data'));
  for (let i = 1; i <= count; i++) {
    await store.append(`orders/${i % 3}`, {
      type: i % 2 === 1 ? 'OrderPlaced' : 'OrderPaid',
      data: { order: i },
      tags: [`order:${i}`, 'shop'],
      metadata: { agent: i < 5 ? 'early' : 'late', session: 's', correlationId: `c${i}` },
    });
  }
  await store.close();
  return cwd;
}

const sequences = (stdout: string): number[] => parseLines(stdout).map(({ sequence }) => sequence);

describe('delete', () => {
  test('prints the id of the tombstone, before which nothing of the stream is read', async () => {
    const cwd = await withOrders(4);
    const { code, stdout, stderr } = await run(cwd, 'delete', 'orders/1');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\d{19}_5_[A-Za-z0-9-]+\n$/);
    expect(sequences((await run(cwd, 'read', '--json')).stdout)).toEqual([2, 3, 5]);
    expect((await run(cwd, 'get', '1')).code).toBe(1);
    const listed = parseLines((await run(cwd, 'streams', '--json')).stdout);
    expect(listed.map(({ stream }) => stream)).toEqual(['orders/0', 'orders/2']);
    expect(await run(cwd, 'verify', '--deep')).toMatchObject({ code: 0 });
  });
  test('with --json prints where the tombstone stands', async () => {
    const { stdout } = await run(await withOrders(4), 'delete', 'orders/1', '--expect', '1', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ firstSequence: 5, revision: 2, durability: 'synced' });
  });
  test('of a stream that is not there, or is another than expected, is a conflict', async () => {
    const cwd = await withOrders(4);
    expect(await run(cwd, 'delete', 'nothing')).toMatchObject({ code: 3, stdout: '' });
    const { code, stderr } = await run(cwd, 'delete', 'orders/1', '--expect', '7');
    expect(code).toBe(3);
    expect(stderr).toContain('try: keeperlog read --stream orders/1 --backwards --limit 1');
  });
  test('makes no store where there is none', async () => {
    const cwd = emptyDir();
    expect(await run(cwd, 'delete', 'orders/1')).toMatchObject({ code: 1, stdout: '' });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
});

describe('append', () => {
  test('makes the store and prints the id alone', async () => {
    const cwd = emptyDir();
    const { code, stdout, stderr } = await run(cwd, 'append', 'orders/1', 'OrderPlaced', '{"total":12}');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^\d{19}_1_[A-Za-z0-9-]+\n$/);
  });
  test('with --json prints where the event stands', async () => {
    const { stdout } = await run(emptyDir(), 'append', 'a', 'B', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ firstSequence: 1, revision: 0, durability: 'synced', duplicate: false });
  });
  test('takes tags, metadata, causes and a key', async () => {
    const cwd = emptyDir();
    const first = await run(cwd, 'append', 'a', 'B');
    const args = ['append', 'a', 'C', '[1]', '--tag', 't:1', '--tag', 't:2', '--metadata', '{"agent":"me"}'];
    await run(cwd, ...args, '--cause', first.stdout.trim(), '--key', 'k');
    const again = await run(cwd, ...args, '--cause', first.stdout.trim(), '--key', 'k', '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ duplicate: true, firstSequence: 2 });
    const { stdout } = await run(cwd, 'get', '2', '--json');
    expect(JSON.parse(stdout)).toMatchObject({
      data: [1],
      tags: ['t:1', 't:2'],
      metadata: { agent: 'me' },
      causes: [first.stdout.trim()],
      idempotencyKey: 'k',
    });
  });
  test('that finds another revision than expected exits with 3 and names the next command', async () => {
    const cwd = await withOrders(3);
    const { code, stdout, stderr } = await run(cwd, 'append', 'orders/1', 'OrderPaid', '--expect', '7');
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain('try: keeperlog read --stream orders/1 --backwards --limit 1');
  });
  test('with --json tells the failure as JSON on stderr', async () => {
    const cwd = await withOrders(3);
    const { code, stderr } = await run(cwd, 'append', 'orders/1', 'X', '--expect', 'none', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stderr).error).toMatchObject({ code: 'ERR_CONFLICT', actual: 0, exitCode: 3 });
  });
  test('refuses data that is not JSON, and a system stream, as usage', async () => {
    const cwd = emptyDir();
    expect((await run(cwd, 'append', 'a', 'B', '{total}')).code).toBe(2);
    expect((await run(cwd, 'append', '$ingest/x', 'LinesIngested')).code).toBe(2);
  });
  test('exits with 4 where the store is open in another process, and says how to look at it', async () => {
    const cwd = await withOrders(1);
    const store = await openStore(path.join(cwd, 'data'));
    const { code, stderr } = await run(cwd, 'append', 'a', 'B');
    await store.close();
    expect(code).toBe(4);
    expect(stderr).toContain(`process ${process.pid}`);
    expect(stderr).toContain('try: keeperlog tail -f');
  });
});

describe('get', () => {
  test('finds an event by sequence and by id', async () => {
    const cwd = await withOrders(3);
    const bySequence = JSON.parse((await run(cwd, 'get', '2')).stdout);
    expect(bySequence).toMatchObject({ sequence: 2, data: { order: 2 } });
    expect(JSON.parse((await run(cwd, 'get', bySequence.id)).stdout)).toEqual(bySequence);
  });
  test('of an event that is not there exits with 1', async () => {
    const { code, stdout, stderr } = await run(await withOrders(1), 'get', '2');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('try: keeperlog read --backwards --limit 1');
  });
  test('where there is no store exits with 1 and makes none', async () => {
    const cwd = emptyDir();
    const { code, stderr } = await run(cwd, 'get', '1', '--dir', 'no store');
    expect(code).toBe(1);
    expect(stderr).toContain('try: keeperlog ingest --help');
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
});

describe('read', () => {
  test('selects by stream, type, tag, agent, correlation and session', async () => {
    const cwd = await withOrders(9);
    const read = async (...args: string[]): Promise<number[]> =>
      sequences((await run(cwd, 'read', '--json', ...args)).stdout);
    expect(await read('--stream', 'orders/1')).toEqual([1, 4, 7]);
    expect(await read('--stream', 'orders/*', '--type', 'OrderPaid')).toEqual([2, 4, 6, 8]);
    expect(await read('--tag', 'order:3', '--tag', 'shop')).toEqual([3]);
    expect(await read('--agent', 'late', '--session', 's')).toEqual([5, 6, 7, 8, 9]);
    expect(await read('--correlation', 'c2', '--correlation', 'c4')).toEqual([2, 4]);
  });
  test('keeps to its bounds, backwards too', async () => {
    const cwd = await withOrders(9);
    const read = async (...args: string[]): Promise<number[]> =>
      sequences((await run(cwd, 'read', '--json', ...args)).stdout);
    expect(await read('--from', '3', '--to', '5')).toEqual([3, 4, 5]);
    expect(await read('--after', '7')).toEqual([8, 9]);
    expect(await read('--backwards', '--limit', '2')).toEqual([9, 8]);
    expect(await read('--from', '2000-01-01T00:00:00Z', '--limit', '1')).toEqual([1]);
    expect(await read('--to', '2000-01-01T00:00:00Z')).toEqual([]);
  });
  test('prints one line an event, without colour where stdout is no terminal', async () => {
    const { stdout, stderr } = await run(await withOrders(2), 'read');
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')[1]).toMatch(/^2 \S+Z orders\/2 OrderPaid \[order:2 shop\] \{"order":2\}$/);
  });
  test('cannot steer a terminal', async () => {
    const cwd = emptyDir();
    await run(cwd, 'append', 'a', 'B', '"\\u001b[2J\\u009b2J"');
    const { stdout } = await run(cwd, 'read');
    expect(stdout).not.toMatch(/[\u001b\u009b]/);
  });
  test('refuses an option it does not have, a bound that is none, and both from and after, as usage', async () => {
    const cwd = await withOrders(1);
    for (const args of [
      ['--limt', '3'],
      ['--from', 'yesterday'],
      ['--limit', '-1'],
      ['--from', '1', '--after', '1'],
    ]) {
      const { code, stdout, stderr } = await run(cwd, 'read', ...args);
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toContain('try: keeperlog read --help');
    }
  });
  test('ends quietly when nobody reads on', async () => {
    const cwd = await withOrders(1);
    const store = await openStore(path.join(cwd, 'data'));
    await store.append(
      'big',
      Array.from({ length: 500 }, () => ({ type: 'B', data: 'x'.repeat(5000) })),
    );
    await store.close();
    const shell = new Running(
      spawn('sh', ['-c', `"${process.execPath}" "${BINARY}" read | head -n 1; echo done`], { cwd, stdio: 'pipe' }),
    );
    const { stdout, stderr } = await shell.ended;
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^1 .*\ndone\n$/);
  });
});

describe('tail', () => {
  test('prints the last events in the order of the log', async () => {
    const cwd = await withOrders(9);
    expect(sequences((await run(cwd, 'tail', '-n', '3', '--json')).stdout)).toEqual([7, 8, 9]);
    expect(sequences((await run(cwd, 'tail', '-n', '2', '--type', 'OrderPaid', '--json')).stdout)).toEqual([6, 8]);
    expect((await run(cwd, 'tail', '-n', '0')).stdout).toBe('');
  });
  test('-f follows a live writer without gap or repeat, and ends with 0 when interrupted', async () => {
    const cwd = await withOrders(2);
    const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: 65_536 });
    const tail = start(cwd, 'tail', '-f', '-n', '1', '--json');
    await tail.until(({ stdout }) => stdout.includes('"sequence":2,'));
    for (let i = 3; i <= 60; i++) await store.append('live', { type: 'Said', data: 'x'.repeat(4000) });
    await tail.until(({ stdout }) => stdout.includes('"sequence":60,') && stdout.endsWith('\n'));
    tail.child.kill('SIGINT');
    const { code, stderr } = await tail.ended;
    await store.close();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(sequences(tail.stdout)).toEqual(Array.from({ length: 59 }, (_, i) => i + 2));
  });
});

describe('info', () => {
  test('tells what the store is, also beside a live writer', async () => {
    const cwd = await withOrders(4);
    const store = await openStore(path.join(cwd, 'data'));
    const { code, stdout } = await run(cwd, 'info', '--json');
    const { storeId } = store.stats();
    await store.close();
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ storeId, durable: 4, segments: 1, budgets: { ring: 16_777_216 } });
    expect((await run(cwd, 'info')).stdout).toMatch(/^durable +4 events$/m);
  });
});

describe('verify', () => {
  test('of a sound store exits with 0', async () => {
    const cwd = await withOrders(4);
    expect(await run(cwd, 'verify', '--deep')).toMatchObject({ code: 0, stderr: '' });
    const { stdout } = await run(cwd, 'verify', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ ok: true, events: 4, problems: [] });
  });
  test('works beside a live writer', async () => {
    const cwd = await withOrders(4);
    const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: 65_536 });
    const verifying = start(cwd, 'verify', '--deep', '--json');
    let ended = false;
    void verifying.ended.then(() => {
      ended = true;
    });
    while (!ended) await store.append('live', { type: 'Said', data: 'x'.repeat(1000) });
    await store.close();
    const { code, stdout, stderr } = await verifying.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout).events).toBeGreaterThanOrEqual(4);
  });
  test('of a damaged one exits with 5 and lists what is wrong on stdout', async () => {
    const cwd = await withOrders(4);
    const dir = path.join(cwd, 'data');
    const file = path.join(dir, 'segment-0000000001.log');
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('OrderPaid')]! ^= 1;
    fs.writeFileSync(file, bytes);
    const { code, stdout, stderr } = await run(cwd, 'verify', '--json');
    expect(code).toBe(5);
    expect(stdout === '' ? stderr : stdout).toContain('ERR_CORRUPT');
    expect(stderr).toContain('keeperlog ');
  });
});

describe('bench', () => {
  test('reports rate, latency and verdict, and leaves nothing behind', async () => {
    const cwd = emptyDir();
    const { code, stdout } = await run(cwd, 'bench', '--rate', '500', '--seconds', '1', '--sla', '5000', '--json');
    const report = JSON.parse(stdout);
    expect({ code, events: report.events, met: report.sla.met }).toEqual({ code: 0, events: 500, met: true });
    expect(report.latency.p99).toBeGreaterThanOrEqual(report.latency.p50);
    expect(report.groupCommits.count).toBeGreaterThan(0);
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('takes its payloads from a file', async () => {
    const cwd = emptyDir();
    fs.writeFileSync(
      path.join(cwd, 'hooks.json'),
      JSON.stringify([{ name: 'push', examples: [{ ref: 'x'.repeat(998) }] }]),
    );
    const args = ['bench', '--rate', '100', '--seconds', '1', '--sla', '5000', '--json', '--source', 'hooks.json'];
    expect(JSON.parse((await run(cwd, ...args)).stdout)).toMatchObject({ eventBytes: 1008 });
    expect((await run(cwd, 'bench', '--source', 'none.json')).code).toBe(2);
  });
  test('leaves nothing behind where nobody reads the report, nor where the target was missed', async () => {
    const cwd = emptyDir();
    const args = ['bench', '--rate', '100', '--seconds', '1', '--sla', '1'];
    const unread = start(cwd, ...args);
    unread.child.stdout!.destroy();
    await unread.ended;
    expect(fs.readdirSync(cwd)).toEqual([]);
    const slow =
      'import fs from "node:fs"; const sync = fs.fdatasyncSync; fs.fdatasyncSync = (fd) => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20); sync(fd); };';
    const missed = await startAfter(slow, cwd, ...args, '--json').ended;
    expect({ code: missed.code, met: JSON.parse(missed.stdout).sla.met }).toEqual({ code: 1, met: false });
    expect(JSON.parse(missed.stderr).error).toMatchObject({
      code: 'ERR_SLA_MISSED',
      next: 'keeperlog bench --rate 50 --seconds 1',
    });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('interrupted, closes and removes its store', async () => {
    const cwd = emptyDir();
    const bench = start(cwd, 'bench', '--rate', '100', '--seconds', '60');
    await new Promise<void>((resolve) => {
      const watcher = fs.watch(cwd, () => {
        watcher.close();
        resolve();
      });
    });
    bench.child.kill('SIGTERM');
    expect((await bench.ended).code).toBe(1);
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
});

describe('the command line', () => {
  test('refuses an unknown command, and none, as usage', async () => {
    const cwd = emptyDir();
    expect(await run(cwd, 'raed')).toMatchObject({ code: 2, stdout: '' });
    expect(await run(cwd)).toMatchObject({ code: 2, stdout: '' });
  });
  test('tells its version', async () => {
    const { version } = JSON.parse(fs.readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await run(emptyDir(), '--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
  });
});
