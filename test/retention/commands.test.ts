/** The command line over a log whose beginning is gone. */
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { run } from '../cli/keeperlog.js';
import { makeDir } from '../support/stores.js';
import { fill, openWith, SEGMENT_BYTES, untilWithin } from './kit.js';

const LIMIT = { maxBytes: 3 * SEGMENT_BYTES };
let cwd: string;
let floor: number;
let id: string;

describe('a log whose beginning retention has removed', () => {
  beforeAll(async () => {
    cwd = makeDir();
    const lines = [1, 2, 3].map((n) => `${JSON.stringify({ stream: 'lines', type: 'Said', data: { n } })}\n`);
    fs.writeFileSync(path.join(cwd, 'events.jsonl'), lines.join(''));
    expect(await run(cwd, 'ingest', 'events.jsonl')).toMatchObject({ code: 0 });
    return () => fs.rmSync(cwd, { recursive: true });
  });

  test('is made by a program with the option', async () => {
    const store = await openWith(LIMIT, { dir: path.join(cwd, 'data') });
    id = (await store.get(1))!.id;
    await fill(store, 60);
    floor = await untilWithin(store, LIMIT.maxBytes);
    expect(floor).toBeGreaterThan(5);
  });

  test('info says where it begins', async () => {
    const { code, stdout } = await run(cwd, 'info', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { floor, durable: 64 }]);
    expect((await run(cwd, 'info')).stdout).toMatch(
      new RegExp(`begins at +sequence ${floor}: retention has removed what was before`),
    );
  });

  test('verify, stats and doctor find nothing wrong', async () => {
    expect(await run(cwd, 'verify', '--deep')).toMatchObject({ code: 0 });
    const { code, stdout } = await run(cwd, 'stats', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { events: 65 - floor, streams: 3 }]);
    const { findings } = JSON.parse((await run(cwd, 'doctor', '--json')).stdout) as { findings: { check: string }[] };
    expect(findings.filter(({ check }) => ['store', 'log', 'leftovers'].includes(check))).toMatchObject([
      { level: 'ok', measured: { format: 2 } },
      { level: 'ok', measured: { events: 65 - floor } },
      { level: 'ok' },
    ]);
  });

  test('get of what is gone is ERR_PRUNED, and prove proves it', async () => {
    const { code, stderr } = await run(cwd, 'get', id, '--json');
    expect([code, JSON.parse(stderr).error]).toMatchObject([1, { code: 'ERR_PRUNED', floor, next: 'keeperlog info' }]);
    const proved = await run(cwd, 'prove', id, '--json');
    expect([proved.code, JSON.parse(proved.stdout)]).toMatchObject([0, { sequence: 1, digest: null }]);
  });

  test('repair finds nothing to do', async () => {
    const { code, stdout } = await run(cwd, 'repair', '--dry-run', '--json');
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { damaged: false, lost: [] }]);
  });

  test('repair makes a damaged base anew, if it can, and says so if it cannot', async () => {
    const dir = path.join(cwd, 'damaged');
    fs.cpSync(path.join(cwd, 'data'), dir, { recursive: true });
    const base = path.join(dir, `keeperlog.${floor}.base`);
    const damage = (): void => fs.writeFileSync(base, fs.readFileSync(base).fill(7, 4200, 4300));
    damage();
    const refused = await run(cwd, 'append', 'a', 'A', '--dir', dir, '--json');
    expect([refused.code, JSON.parse(refused.stderr).error]).toMatchObject([5, { code: 'ERR_CORRUPT' }]);
    const repaired = await run(cwd, 'repair', '--dir', dir, '--json');
    expect([repaired.code, JSON.parse(repaired.stdout)]).toMatchObject([0, { repaired: true, rewritten: [base] }]);
    expect(await run(cwd, 'append', 'a', 'A', '--dir', dir)).toMatchObject({ code: 0 });
    damage();
    fs.rmSync(path.join(dir, 'keeperlog.heads'));
    const left = await run(cwd, 'repair', '--dir', dir);
    expect(left).toMatchObject({ code: 5, stdout: expect.stringContaining(`not repaired: ${base}`) });
  });

  test('ingest does not begin anew where its progress is gone', async () => {
    const { code, stderr } = await run(cwd, 'ingest', 'events.jsonl', '--json');
    expect(code).toBe(1);
    expect(JSON.parse(stderr.trim().split('\n').at(-1)!).error).toMatchObject({ code: 'ERR_PRUNED', floor });
    expect(JSON.parse((await run(cwd, 'info', '--json')).stdout)).toMatchObject({ durable: 64 });
    const named = await run(cwd, 'ingest', 'events.jsonl', '--name', 'again');
    expect(named).toMatchObject({ code: 0 });
  });
});
