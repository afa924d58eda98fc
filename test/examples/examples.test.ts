/** The examples, run as a user runs them: each in a process of its own, to its end. */
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { openStore, type RecordedEvent } from 'keeperlog';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Ended, emptyDir, parseLines, Running } from '../cli/keeperlog.js';
import { cannot, orSkip } from '../faults/kit.js';
import { temporaryDir } from '../support/stores.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FILES = fs.readdirSync(path.join(ROOT, 'examples')).filter((name) => name.endsWith('.mjs'));

/** An example in a process whose temporary directories are made in `temporary`. */
function start(name: string, temporary: string, ...args: string[]): Running {
  const env = { ...process.env, TMPDIR: temporary };
  return new Running(spawn(process.execPath, [`examples/${name}`, ...args], { cwd: ROOT, env, stdio: 'pipe' }));
}

/** Run an example to its end. It is to end well, say nothing on stderr and leave no directory behind. */
async function run(name: string, ...args: string[]): Promise<string[]> {
  const temporary = emptyDir();
  const { code, stdout, stderr } = await start(name, temporary, ...args).ended;
  expect({ code, stderr, left: fs.readdirSync(temporary) }).toEqual({ code: 0, stderr: '', left: [] });
  return stdout.trimEnd().split('\n');
}

/** What an example has left in the directory that it was given. */
async function eventsIn(dir: string): Promise<RecordedEvent[]> {
  const store = await openStore({ dir, readOnly: true });
  onTestFinished(() => store.close());
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, problems: [] });
  return store.read().toArray();
}

describe('the agent host', () => {
  test('reads fifty histories back without a gap, after claims in conflict and repeated steps', async () => {
    const lines = await run('agent-host.mjs');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(/^50 agents reviewed \d+ files, each file once$/);
    expect(lines[1]).toMatch(/^\d+ events in \d+\.\d\d s: \d+ events\/s, all of them durable$/);
    expect(lines[2]).toMatch(/^\d+ syncs, [1-9]\d* waits for the disk$/);
    expect(lines[3]).toMatch(/^[1-9]\d* conflicts over claims/);
    expect(lines[4]).toMatch(/^[1-9]\d* steps were repeated, and are in the log once$/);
    expect(lines[5]).toMatch(/^histories: \d+ events, revisions without a gap, [1-9]\d* causes found$/);
  });

  test('goes on in a directory that it was given before', async () => {
    const dir = temporaryDir();
    await run('agent-host.mjs', dir);
    await run('agent-host.mjs', dir);
    const events = await eventsIn(dir);
    const sessions = new Set(events.map(({ metadata }) => metadata.session));
    const calls = events.filter(({ type }) => type === 'ToolCalled');
    const claims = events.filter(({ type }) => type === 'FileClaimed');
    expect(sessions.size).toBe(3); // those of the two runs, and none for the boards' lists
    expect(calls).toHaveLength(claims.length);
    expect(new Set(calls.map(({ causes }) => causes[0]))).toEqual(new Set(claims.map(({ id }) => id)));
  });
});

describe('append conditions', () => {
  test('a name is registered once, by whoever is first', async () => {
    const dir = temporaryDir();
    expect(await run('unique-names.mjs', dir)).toEqual([
      expect.stringMatching(/^40 agents asked for 1360 names: 100 were free, 1260 were taken$/),
      expect.stringMatching(/^name-0 went from agent-\d+ to agent-new: true$/),
    ]);
    expect((await run('unique-names.mjs', dir))[0]).toMatch(/: 0 were free, 1360 were taken$/);
    const registered = (await eventsIn(dir)).filter(({ type }) => type === 'NameRegistered');
    expect(registered.length).toBe(102); // one of them twice, each time after it was given back
  });

  test('a budget is kept, and used up, by agents that spend at once', async () => {
    const dir = temporaryDir();
    const lines = await run('quota.mjs', dir);
    expect(lines).toHaveLength(4);
    for (const [i, project] of ['atlas', 'borealis', 'cirrus'].entries()) {
      const [, spent] = new RegExp(`^${project}: \\d+ spendings, (\\d+) of 1000 tokens$`).exec(lines[i]!)!;
      expect(Number(spent)).toBeGreaterThan(900);
      expect(Number(spent)).toBeLessThanOrEqual(1000);
    }
    expect(lines[3]).toMatch(/^[1-9]\d* decisions were made again, 24 agents stopped at the end of their budget$/);
    const spent = (await eventsIn(dir)).filter(
      ({ type, tags }) => type === 'TokensSpent' && tags[0] === 'project:atlas',
    );
    expect(spent.reduce((sum, { data }) => sum + data.tokens, 0)).toBeLessThanOrEqual(1000);
  });

  test('who has lost a lease without noticing is refused by its token', async () => {
    const lines = await run('lease.mjs');
    expect(lines).toEqual([
      '10 agents asked, agent-0 has the lease, token 1',
      'agent-0 deploys build 1: done',
      'agent-0 was held up; agent-next has the lease, token higher',
      'agent-0 deploys build 2: refused, the lease was granted again as event 3',
      'agent-next deploys build 3: done',
      'agent-next gave it back, agent-last has it at once: true',
      'builds that were deployed: 1, 3',
    ]);
  });

  test('the lease goes on in a directory that it was given before, and leaves it to whoever has it open', async () => {
    const dir = temporaryDir();
    const temporary = emptyDir();
    const first = start('lease.mjs', temporary, dir);
    await first.until(({ stdout }) => stdout.includes('\n'));
    const second = await start('lease.mjs', temporary, dir).ended;
    expect(second).toMatchObject({ code: 1, stdout: '', stderr: expect.stringMatching(/^.*open.*\n.*\n$/) });
    expect(await first.ended).toMatchObject({ code: 0, stderr: '' });
    expect(fs.readdirSync(temporary)).toEqual([]);
    expect((await run('lease.mjs', dir)).at(-1)).toBe('builds that were deployed: 1, 3, 1, 3');
  });
});

describe('the HTTP bridge', () => {
  const skip = orSkip(cannot('root', 'mount'));
  const JSON_BODY = { 'content-type': 'application/json' };

  /** The running bridge, and how to talk to it. */
  async function bridge(...dir: string[]) {
    const temporary = emptyDir();
    const running = start('http-bridge.mjs', temporary, ...dir);
    await running.until(({ stdout }) => stdout.includes('\n'));
    const [, url] = /^listening on (http:\S+), events in /.exec(running.stdout)!;
    return {
      post: (to: string, body: string) => fetch(`${url}${to}`, { method: 'POST', headers: JSON_BODY, body }),
      get: (to: string) => fetch(`${url}${to}`),
      async end(signal: NodeJS.Signals): Promise<Ended> {
        running.child.kill(signal);
        const ended = await running.ended;
        expect(fs.readdirSync(temporary)).toEqual([]);
        return ended;
      },
    };
  }

  /** A small file system of its own. */
  function smallDisk(size: string): string {
    const dir = temporaryDir();
    fs.mkdirSync(dir);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'keeperlog-examples', dir]);
    onTestFinished(() => void execFileSync('umount', ['-l', dir]));
    return dir;
  }

  test('is no longer than 60 lines', () => {
    const lines = fs.readFileSync(path.join(ROOT, 'examples/http-bridge.mjs'), 'utf8').trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(60);
  });

  test('answers a command once it is durable, and reads it back', async () => {
    const dir = temporaryDir();
    const { post, get, end } = await bridge(dir);
    const placed = await post('/streams/orders/1?expect=none', '{"type":"OrderPlaced","data":{"total":12}}');
    expect(placed.status).toBe(201);
    const { ids } = (await placed.json()) as { ids: string[] };
    const paid = await post('/streams/orders/1?expect=0', JSON.stringify({ type: 'OrderPaid', causes: ids }));
    expect(await paid.json()).toMatchObject({ revision: 1, duplicate: false, durability: 'synced' });
    const read = await get('/streams/orders/1');
    expect(read.headers.get('content-type')).toBe('application/x-ndjson');
    expect(parseLines(await read.text())).toMatchObject([
      { id: ids[0], stream: 'orders/1', revision: 0, type: 'OrderPlaced', data: { total: 12 } },
      { revision: 1, type: 'OrderPaid', causes: ids },
    ]);
    expect(await (await get('/streams/orders/2')).text()).toBe('');
    await end('SIGKILL');
    const store = await openStore(dir);
    onTestFinished(() => store.close());
    expect(await store.readStream('orders/1').toArray()).toHaveLength(2);
  });

  test('ends with 0 at SIGINT too, its temporary store gone', async () => {
    const { post, end } = await bridge();
    expect((await post('/streams/orders/1', '{"type":"OrderPlaced"}')).status).toBe(201);
    expect(await end('SIGINT')).toMatchObject({ code: 0, stderr: '' });
  });

  test('refuses what does not hold, and does nothing then', async () => {
    const dir = temporaryDir();
    const { post, get, end } = await bridge(dir);
    const order = '{"type":"OrderPlaced"}';
    const keyed = '{"type":"OrderPaid","data":1,"idempotencyKey":"pay-1"}';
    await post('/streams/orders/1', order);
    await post('/streams/orders/1', keyed);
    const answers: [number, string | undefined][] = [];
    for (const [to, body] of [
      ['/streams/orders/1?expect=none', order],
      ['/streams/orders/1?expect=7', order],
      ['/streams/orders/1', keyed.replace('1,', '2,')],
      ['/streams/orders/1?expect=seven', order],
      ['/streams/orders/1', '{"typ":"OrderPlaced"}'],
      ['/streams/orders/1', '{"type":"OrderPlaced","metadata":5}'],
      ['/streams/orders/1', '[]'],
      ['/streams/orders/1', '{"type":'],
      ['/streams/$store', order],
      ['/streams/audit/http', order],
    ] as const) {
      const answer = await post(to, body);
      answers.push([answer.status, ((await answer.json()) as { code?: string }).code]);
    }
    expect(answers).toEqual([
      [409, 'ERR_CONFLICT'],
      [409, 'ERR_CONFLICT'],
      [409, 'ERR_IDEMPOTENCY_REUSED'],
      [400, 'ERR_INVALID_OPTIONS'],
      [400, 'ERR_INVALID_EVENT'],
      [400, 'FST_ERR_VALIDATION'],
      [400, 'FST_ERR_VALIDATION'],
      [400, 'FST_ERR_CTP_INVALID_JSON_BODY'],
      [400, 'ERR_INVALID_EVENT'],
      [403, undefined],
    ]);
    expect((await get('/streams/')).status).toBe(400);
    const again = await post('/streams/orders/1', keyed);
    expect(await again.json()).toMatchObject({ duplicate: true, revision: 1 });
    await end('SIGTERM');
    const orders = (await eventsIn(dir)).filter(({ stream }) => stream === 'orders/1');
    expect(orders.map(({ type }) => type)).toEqual(['OrderPlaced', 'OrderPaid']);
  });

  test('has audited every request that it let in when SIGTERM ends it, and ends with 0', async () => {
    const dir = temporaryDir();
    const { post, get, end } = await bridge(dir);
    const sent = Array.from({ length: 200 }, (_, i) => `/streams/carts/${i}`);
    const answers = await Promise.all(sent.map((to, i) => (i % 2 === 0 ? get(to) : post(to, '{"type":"CartFilled"}'))));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 201]));
    const ended = await end('SIGTERM');
    const events = await eventsIn(dir);
    const audit = events.filter(({ stream }) => stream === 'audit/http');
    const filled = events.filter(({ type }) => type === 'CartFilled');
    expect(ended).toMatchObject({ code: 0, signal: null, stderr: '' });
    expect(ended.stdout.trimEnd().split('\n').at(-1)).toBe('closed: what was answered and what was audited is durable');
    expect(audit.map(({ data }) => data.url).sort()).toEqual([...sent].sort());
    // Each command is found again in the audit.
    const audited = new Map(audit.map(({ metadata, data }) => [metadata.correlationId, data.url]));
    expect(filled).toHaveLength(100);
    for (const { stream, metadata } of filled) expect(audited.get(metadata.correlationId)).toBe(`/streams/${stream}`);
  });

  test.skipIf(skip)(
    'says try later while the disk is full, and which requests are missing from its audit',
    async () => {
      const disk = smallDisk('2m');
      const ballast = path.join(disk, 'ballast');
      fs.writeFileSync(ballast, Buffer.alloc(1024 * 1024));
      const { post, get, end } = await bridge(path.join(disk, 'store'));
      // Reads are audited as well: the event that finds the disk full is an audit.
      const long = `/streams/orders/1?reason=${'x'.repeat(10_000)}`;
      let read = await get(long);
      for (let i = 0; i < 200 && read.status === 200; i++) read = await get(long);
      const refused = await post('/streams/orders/1', '{"type":"OrderPlaced"}');
      expect([read.status, refused.status]).toEqual([503, 503]);
      expect(await refused.json()).toMatchObject({ code: 'ERR_DEGRADED', retryable: true, outcome: 'not-appended' });
      const waitSeconds = Number(refused.headers.get('retry-after'));
      expect(waitSeconds).toBeGreaterThanOrEqual(1);

      fs.rmSync(ballast);
      await setTimeout(waitSeconds * 1000); // as the bridge has asked
      expect((await post('/streams/orders/1?expect=none', '{"type":"OrderPlaced"}')).status).toBe(201);
      const { code, stdout } = await end('SIGTERM');
      expect(code).toBe(0);
      expect(stdout).toContain('a request is missing from the audit');
    },
  );

  test('closes the store where its port is taken', async () => {
    const first = await bridge();
    const { port } = new URL((await first.get('/')).url);
    const temporary = emptyDir();
    const { code, stderr } = await start('http-bridge.mjs', temporary, ':memory:', port).ended;
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining('EADDRINUSE') });
    expect(fs.readdirSync(temporary)).toEqual([]); // a temporary store is gone once it is closed
    await first.end('SIGTERM');
  });
});

describe('the recorder of load tests', () => {
  test('computes the same counts from the log as autocannon reports', async () => {
    const dir = temporaryDir();
    const lines = await run('load-test-recorder.mjs', dir);
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^1000 responses of http:\S+ are in the log, \d+ bytes: \d+ with 200, \d+ with 201, \d+ /);
    expect(lines[1]).toMatch(/^autocannon counted 1000, \d+ bytes: the same$/);
    const [, p50, p99] = /^from the log: p50 (\d+)\.\d{3} ms, p99 (\d+)\.\d{3} ms$/.exec(lines[2]!)!;
    expect(lines[3]).toBe(`autocannon:   p50 ${p50} ms, p99 ${p99} ms, in whole ms`);
    expect(await eventsIn(dir)).toHaveLength(1000);
  });
});

describe('worker threads and hot reload', () => {
  test('share one store, which every reload finds open and one of them closes', async () => {
    const dir = temporaryDir();
    const lines = await run('worker-threads.mjs', dir);
    expect(lines[0]).toBe('another thread that opens it: ERR_LOCKED');
    expect(lines.slice(2)).toEqual([
      '2 workers sent 1000 events, 1000 appends to one open store',
      'a read-only worker read 1000 of them beside it',
      '5 loads of the code, closed 1 time',
      'nothing is lost: events by load 200, 200, 200, 200, 200',
    ]);
    expect(await eventsIn(dir)).toHaveLength(1000);
  });

  test('leaves no temporary directory behind', async () => {
    await run('worker-threads.mjs');
  });
});

test('the README names every example', () => {
  const readme = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  for (const name of FILES) expect(readme).toContain(`examples/${name}`);
});
