import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { emptyDir, parseLines, run, runWith, start } from './keeperlog.js';

/** Line `i` is caused by line `i - 1`, and every tenth by line 0. */
const line = (i: number): object => ({
  stream: `s${i % 7}`,
  type: 'Said',
  data: { line: i },
  tags: [`line:${i}`],
  cause: i === 0 ? null : i % 10 === 0 ? 0 : i - 1,
});

function write(cwd: string, name: string, count: number, first = 0): string {
  const file = path.join(cwd, name);
  const lines = Array.from({ length: count }, (_, i) => `${JSON.stringify(line(first + i))}\n`);
  fs.appendFileSync(file, lines.join(''));
  return file;
}

/** What users have appended, in the order of the log. */
const userEvents = async (cwd: string): Promise<any[]> =>
  parseLines((await run(cwd, 'read', '--stream', '*', '--json')).stdout);

/** Every line is there once, in order, with its cause. */
function expectComplete(events: any[], count: number): void {
  expect(events.map(({ data }) => data.line)).toEqual(Array.from({ length: count }, (_, i) => i));
  for (const [i, event] of events.entries()) {
    const { cause } = line(i) as { cause: number | null };
    expect(event.causes).toEqual(cause === null ? [] : [events[cause].id]);
  }
}

describe('ingest', () => {
  test('keeps the order of the lines, whatever their streams, and resolves causes across batches', async () => {
    const cwd = emptyDir();
    write(cwd, 'events.jsonl', 100);
    const { code, stdout } = await run(cwd, 'ingest', 'events.jsonl', '--batch', '8', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ sources: [{ resumedAt: 0, line: 100, added: 100 }] });
    expectComplete(await userEvents(cwd), 100);
  });
  test('run again adds nothing; run on a file that has grown adds what is new, with causes of before', async () => {
    const cwd = emptyDir();
    write(cwd, 'events.jsonl', 40);
    await run(cwd, 'ingest', 'events.jsonl', '--batch', '6');
    const again = await run(cwd, 'ingest', 'events.jsonl', '--json');
    expect(JSON.parse(again.stdout).sources[0]).toMatchObject({ resumedAt: 40, added: 0 });
    write(cwd, 'events.jsonl', 400, 40);
    const grown = await run(cwd, 'ingest', 'events.jsonl', '--batch', '7', '--json');
    expect(JSON.parse(grown.stdout).sources[0]).toMatchObject({ resumedAt: 40, line: 440, added: 400 });
    expectComplete(await userEvents(cwd), 440);
  });
  test('killed at any moment and run again, adds nothing twice and misses nothing', async () => {
    const cwd = emptyDir();
    write(cwd, 'events.jsonl', 20_000);
    const lines = 20_000;
    for (let kills = 0; kills < 3; kills++) {
      const ingest = start(cwd, 'ingest', 'events.jsonl', '--rate', '2000', '--batch', '50');
      const tail = start(cwd, 'tail', '-f', '-n', '0', '--dir', kills === 0 ? await made(cwd) : 'data', '--json');
      await tail.until(({ stdout }) => stdout.split('\n').length > 200);
      ingest.child.kill('SIGKILL');
      tail.child.kill('SIGKILL');
      expect((await ingest.ended).signal).toBe('SIGKILL');
      await tail.ended;
    }
    const { code, stdout } = await run(cwd, 'ingest', 'events.jsonl', '--json');
    const [{ resumedAt, added }] = JSON.parse(stdout).sources;
    expect({ code, total: resumedAt + added }).toEqual({ code: 0, total: lines });
    expect(resumedAt).toBeGreaterThan(0);
    expectComplete(await userEvents(cwd), lines);
    expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
  }, 120_000);
  test('interrupted, commits its progress, says how to go on and exits with 1', async () => {
    const cwd = emptyDir();
    write(cwd, 'events.jsonl', 5000);
    const ingest = start(cwd, 'ingest', 'events.jsonl', '--rate', '1000');
    const tail = start(cwd, 'tail', '-f', '-n', '0', '--dir', await made(cwd));
    await tail.until(({ stdout }) => stdout !== '');
    ingest.child.kill('SIGINT');
    const { code, stderr } = await ingest.ended;
    expect(code).toBe(1);
    expect(stderr).toContain('try: keeperlog ingest events.jsonl');
    expect((await run(cwd, 'info', '--json')).stdout).toContain('"clean":true');
    await run(cwd, 'ingest', 'events.jsonl');
    expectComplete(await userEvents(cwd), 5000);
  });
  test.each([
    ['tags', '{"stream":"s","type":"T","data":1,"tags":"no list"}'],
    ['dta', '{"stream":"s","type":"T","dta":1}'],
    ['stream', '{"stream":"$store","type":"T"}'],
    ['cause', '{"stream":"s","type":"T","cause":30}'],
    ['metadata.agent', '{"stream":"s","type":"T","metadata":{"agent":7}}'],
    ['', '{"stream":"s","type":'],
  ])('commits the lines before a bad one, and names file, line and field: %s', async (field, bad) => {
    const cwd = emptyDir();
    write(cwd, 'events.jsonl', 20);
    fs.appendFileSync(path.join(cwd, 'events.jsonl'), `${bad}\n`);
    write(cwd, 'events.jsonl', 5, 21);
    const { code, stdout, stderr } = await run(cwd, 'ingest', 'events.jsonl', '--json');
    expect({ code, stdout, error: JSON.parse(stderr).error }).toMatchObject({
      code: 1,
      stdout: '',
      error: { source: 'events.jsonl', line: 20, field },
    });
    expectComplete(await userEvents(cwd), 20);
  });
  test('goes on once a bad line is mended', async () => {
    const cwd = emptyDir();
    const file = write(cwd, 'events.jsonl', 20);
    fs.appendFileSync(file, '{"stream":\n');
    expect((await run(cwd, 'ingest', file)).code).toBe(1);
    fs.truncateSync(file, fs.statSync(file).size - 11);
    write(cwd, 'events.jsonl', 5, 20);
    expect((await run(cwd, 'ingest', file)).code).toBe(0);
    expectComplete(await userEvents(cwd), 25);
  });
  test('counts blank lines, and takes a last line without an end', async () => {
    const cwd = emptyDir();
    const file = path.join(cwd, 'events.jsonl');
    fs.writeFileSync(file, '{"stream":"a","type":"A"}\n\n\r\n{"stream":"a","type":"B","cause":0}');
    await run(cwd, 'ingest', file);
    fs.appendFileSync(file, '\n{"stream":"a","type":"C","cause":3}\n');
    await run(cwd, 'ingest', file);
    const events = await userEvents(cwd);
    expect(events.map(({ type }) => type)).toEqual(['A', 'B', 'C']);
    expect(events.map(({ causes }) => causes)).toEqual([[], [events[0].id], [events[1].id]]);
  });
  test('refuses a source whose past has changed', async () => {
    const cwd = emptyDir();
    const file = write(cwd, 'events.jsonl', 20);
    await run(cwd, 'ingest', file);
    fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('Said', 'Sang'));
    const { code, stderr } = await run(cwd, 'ingest', file);
    expect(code).toBe(1);
    expect(stderr).toContain(`try: keeperlog ingest ${file} --name another-name`);
    expect(await userEvents(cwd)).toHaveLength(20);
  });
  test('reads stdin under a name of its own', async () => {
    const cwd = emptyDir();
    const input = `${JSON.stringify(line(0))}\n${JSON.stringify(line(1))}\n`;
    expect(await runWith(cwd, input, 'ingest', '-', '--name', 'pipe')).toMatchObject({ code: 0 });
    const again = await runWith(cwd, `${input}${JSON.stringify(line(2))}\n`, 'ingest', '-', '--name', 'pipe', '--json');
    expect(JSON.parse(again.stdout).sources).toEqual([{ name: 'pipe', resumedAt: 2, line: 3, added: 1 }]);
    expectComplete(await userEvents(cwd), 3);
  });
  test('commits what has come through a pipe without waiting for its end', async () => {
    const cwd = emptyDir();
    const ingest = start(cwd, 'ingest', '-');
    const dir = await made(cwd);
    const tail = start(cwd, 'tail', '-f', '--stream', '*', '--dir', dir, '--json');
    ingest.child.stdin!.write(`${JSON.stringify(line(0))}\n`);
    await tail.until(({ stdout }) => stdout.endsWith('\n'));
    ingest.child.stdin!.end();
    expect((await ingest.ended).code).toBe(0);
  });
  test('keeps progress on stderr, and refuses a file that is not there before it opens the store', async () => {
    const cwd = emptyDir();
    const { code, stdout } = await run(cwd, 'ingest', 'none.jsonl');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('takes ids as causes, and schema versions and keys', async () => {
    const cwd = emptyDir();
    const id = (await run(cwd, 'append', 'a', 'B')).stdout.trim();
    const events = [{ stream: 'c', type: 'D', cause: id, schemaVersion: 4, idempotencyKey: 'k' }];
    await runWith(cwd, JSON.stringify(events[0]), 'ingest', '-');
    const { stdout } = await run(cwd, 'get', '2', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ causes: [id], schemaVersion: 4, idempotencyKey: 'k' });
    const again = await runWith(cwd, JSON.stringify(events[0]), 'ingest', '-', '--name', 'b', '--json');
    expect({ code: again.code, error: JSON.parse(again.stderr).error }).toMatchObject({
      code: 1,
      error: { line: 0, field: 'idempotencyKey' },
    });
  });
});

/** Wait until the store of a directory is there. */
async function made(cwd: string): Promise<string> {
  const dir = path.join(cwd, 'data');
  for (;;) {
    const { code } = await run(cwd, 'info');
    if (code === 0) return dir;
  }
}
