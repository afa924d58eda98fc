/** Exit codes, each met for real, and what programs read: JSON on stdout, errors as JSON on stderr. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore } from 'keeperlog';
import { beforeAll, describe, expect, test } from 'vitest';
import { emptyDir, parseLines, run, runBehind, runWith } from './keeperlog.js';

async function withEvents(count: number): Promise<string> {
  const cwd = emptyDir();
  const store = await openStore(path.join(cwd, 'data'));
  for (let i = 0; i < count; i++) await store.append('a', { type: 'Said', data: i });
  await store.close();
  return cwd;
}

/** A failure as JSON: nothing on stdout, one line on stderr. */
function errorOf({ stdout, stderr }: { stdout: string; stderr: string }): any {
  expect(stdout).toBe('');
  const lines = parseLines(stderr);
  expect(lines).toHaveLength(1);
  expect(lines[0].error).toMatchObject({
    code: expect.stringMatching(/^ERR_/),
    message: expect.stringMatching(/./),
    hint: expect.any(String),
    next: expect.stringMatching(/^keeperlog /),
  });
  return lines[0].error;
}

describe('the exit code is', () => {
  test('0 when it is done', async () => {
    expect((await run(emptyDir(), 'append', 'a', 'B')).code).toBe(0);
  });
  test('1 when it failed', async () => {
    const ended = await run(await withEvents(1), 'get', '2', '--json');
    expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({ code: 1, error: { exitCode: 1 } });
  });
  test('1 when the output cannot be written, without a stack', async () => {
    const cwd = await withEvents(1);
    for (const command of ['read', 'export', 'info']) {
      const { code, stderr } = await runBehind('exec >/dev/full', cwd, command, '--json');
      expect(code).toBe(1);
      expect(errorOf({ stdout: '', stderr })).toMatchObject({ code: 'ERR_FAILED', errno: 'ENOSPC' });
    }
  });
  test('2 for usage', async () => {
    const ended = await run(await withEvents(1), 'read', '--limt', '1', '--json');
    expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({
      code: 2,
      error: { code: 'ERR_USAGE', exitCode: 2, next: 'keeperlog read --help' },
    });
  });
  test('3 for a conflict', async () => {
    const ended = await run(await withEvents(1), 'append', 'a', 'B', '--expect', 'none', '--json');
    expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({
      code: 3,
      error: { code: 'ERR_CONFLICT', exitCode: 3, actual: 0 },
    });
  });
  test('4 where the store is locked', async () => {
    const cwd = await withEvents(1);
    const store = await openStore(path.join(cwd, 'data'));
    const ended = await run(cwd, 'append', 'a', 'B', '--json');
    await store.close();
    expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({
      code: 4,
      error: { code: 'ERR_LOCKED', exitCode: 4, pid: process.pid },
    });
  });
  test('5 where the log is damaged', async () => {
    const cwd = await withEvents(3);
    const file = path.join(cwd, 'data', 'segment-0000000001.log');
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('Said')]! ^= 1;
    fs.writeFileSync(file, bytes);
    for (const args of [['read'], ['append', 'a', 'B']]) {
      const ended = await run(cwd, ...args, '--json');
      expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({
        code: 5,
        error: { code: 'ERR_CORRUPT', exitCode: 5 },
      });
    }
    const { code, stdout, stderr } = await run(cwd, 'verify', '--json');
    expect({ code, ok: JSON.parse(stdout).ok }).toEqual({ code: 5, ok: false });
    expect(errorOf({ stdout: '', stderr })).toMatchObject({ code: 'ERR_CORRUPT', exitCode: 5 });
  });
  test('6 where the disk is full, and what was committed stays', async () => {
    const cwd = await withEvents(3);
    const line = JSON.stringify({ stream: 'b', type: 'C', data: 'x'.repeat(100_000) });
    fs.writeFileSync(path.join(cwd, 'events.jsonl'), `${line}\n`.repeat(50));
    // Files may grow to 1,000 blocks: for the store that is a full disk.
    const ended = await runBehind('ulimit -f 1000', cwd, 'ingest', 'events.jsonl', '--batch', '1', '--json');
    expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({
      code: 6,
      error: { code: 'ERR_DEGRADED', exitCode: 6, retryable: true, outcome: 'not-appended' },
    });
    const again = await run(cwd, 'ingest', 'events.jsonl', '--json');
    const [{ resumedAt, line: end }] = JSON.parse(again.stdout).sources;
    expect({ code: again.code, end }).toEqual({ code: 0, end: 50 });
    expect(resumedAt).toBeLessThan(50);
    expect((await run(cwd, 'verify', '--deep')).code).toBe(0);
  });
});

/** How each command is run so that it succeeds in a directory with a store; its stdin; what is run before it. */
const COMMANDS: Readonly<Record<string, { args: readonly string[]; stdin?: string; before?: readonly string[] }>> = {
  ingest: { args: ['-'], stdin: '{"stream":"b","type":"C"}\n' },
  append: { args: ['a', 'B'] },
  delete: { args: ['a'] },
  get: { args: ['1'] },
  read: { args: [] },
  query: { args: ['true'] },
  tail: { args: [] },
  streams: { args: [] },
  info: { args: [] },
  stats: { args: [] },
  verify: { args: [] },
  repair: { args: ['--dry-run'] },
  seal: { args: [] },
  compact: { args: [] },
  prune: { args: ['--max-age', '30d'] },
  backup: { args: ['backup'] },
  restore: { args: ['backup', '--dir', 'restored'], before: ['backup', 'backup'] },
  prove: { args: ['1'] },
  'rotate-key': { args: [] },
  export: { args: [] },
  bench: { args: ['--rate', '100', '--seconds', '1', '--sla', '60000'] },
  doctor: { args: [] },
  completion: { args: ['bash'] },
};

describe('with --json', () => {
  let known: string[] = [];
  beforeAll(async () => {
    const { stdout } = await run('/', '--help');
    known = [...stdout.slice(stdout.indexOf('Commands:')).matchAll(/^ {2}([a-z-]+)/gm)].map(([, name]) => name!);
  });
  test('every command is tried here', () => {
    expect(Object.keys(COMMANDS).sort()).toEqual(known.filter((name) => name !== 'help').sort());
  });
  test.each(Object.entries(COMMANDS))('%s prints JSON lines alone', async (name, { args, stdin = '', before }) => {
    const cwd = await withEvents(2);
    if (before !== undefined) expect((await run(cwd, ...before)).code).toBe(0);
    const { code, stdout, stderr } = await runWith(cwd, stdin, name, ...args, '--json');
    // What a doctor finds is the machine's matter.
    if (name !== 'doctor') expect(code).toBe(0);
    expect(parseLines(stdout).length).toBeGreaterThan(0);
    parseLines(stderr);
  });
  test.each(Object.keys(COMMANDS))('%s refuses what it does not know as JSON', async (name) => {
    const ended = await run(emptyDir(), name, '--nonsense', '--json');
    expect(ended.code).toBe(2);
    expect(errorOf(ended)).toMatchObject({ code: 'ERR_USAGE', next: `keeperlog ${name} --help` });
  });
  test.each([
    'delete',
    'get',
    'read',
    'query',
    'tail',
    'streams',
    'info',
    'stats',
    'verify',
    'repair',
    'seal',
    'compact',
    'prune',
    'backup',
    'prove',
    'rotate-key',
    'export',
  ])('%s tells as JSON that there is no store, and where to begin', async (name) => {
    const cwd = emptyDir();
    const ended = await run(cwd, name, ...COMMANDS[name]!.args, '--json');
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toMatchObject({ code: 'ERR_NOT_FOUND', next: 'keeperlog ingest --help' });
    expect(fs.readdirSync(cwd)).toEqual([]);
  });
  test('no command at all is refused as JSON', async () => {
    const ended = await run(emptyDir(), '--json');
    expect({ code: ended.code, error: errorOf(ended) }).toMatchObject({ code: 2, error: { code: 'ERR_USAGE' } });
  });
});
