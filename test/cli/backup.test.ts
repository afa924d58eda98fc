/** Backing up and restoring from the command line. */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { openStore, restoreStore } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { quote } from '../../dist/main/cli/failure.js';
import { BINARY, emptyDir, parseLines, Running, run, start, startAfter } from './keeperlog.js';

const event = { type: 'Said', data: 'x'.repeat(1000) };

async function withStore(events = 300): Promise<string> {
  const cwd = emptyDir();
  const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: 65_536, sealing: 'on-demand' });
  for (let i = 0; i < events; i += 50)
    await store.append(
      'a',
      Array.from({ length: 50 }, () => event),
    );
  await store.close();
  return cwd;
}

/** What is in a store, as export prints it. */
async function exported(cwd: string, dir: string): Promise<string> {
  return (await run(cwd, 'export', '--dir', dir)).stdout;
}

describe('backup and restore', () => {
  test('say what they have done, and bring back just what export prints', async () => {
    const cwd = await withStore();
    const first = await run(cwd, 'backup', 'backups/data');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toMatch(/^backup 1: events up to 300 in 6 segments, [\d.]+ KiB \([\d.]+ KiB copied\)\n$/);
    const second = await run(cwd, 'backup', 'backups/data');
    expect(second.stdout).toMatch(/^backup 2: events up to 300 in 6 segments, [\d.]+ KiB \(0 B copied, 6 kept\)\n$/);
    const restored = await run(cwd, 'restore', 'backups/data', '--dir', 'restored');
    expect(restored).toMatchObject({ code: 0, stderr: '' });
    expect(restored.stdout).toMatch(/^restored into restored: events up to 300 in 6 segments, [\d.]+ KiB\n$/);
    const text = await exported(cwd, 'restored');
    expect(parseLines(text)).toHaveLength(300);
    expect(text).toBe(await exported(cwd, 'data'));
    expect((await run(cwd, 'verify', '--deep', '--dir', 'restored')).code).toBe(0);
  });

  test('are done beside a writer', async () => {
    const cwd = await withStore();
    const store = await openStore(path.join(cwd, 'data'));
    await store.append('b', event);
    const { code, stdout } = await run(cwd, 'backup', 'to', '--json');
    expect({ code, ...JSON.parse(stdout) }).toMatchObject({ code: 0, number: 1 });
    expect(JSON.parse(stdout).lastSequence).toBeGreaterThanOrEqual(300);
    await store.close();
  });

  test('refuse what is not theirs, each with the next command', async () => {
    const cwd = await withStore();
    fs.mkdirSync(path.join(cwd, 'other'));
    fs.writeFileSync(path.join(cwd, 'other', 'letter.txt'), 'dear');
    expect((await run(cwd, 'backup', 'other/letter.txt')).code).toBe(2);
    expect((await run(cwd, 'backup', 'to')).code).toBe(0);
    const cases = [
      [['backup', 'other'], 2, 'ERR_INVALID_OPTIONS', 'keeperlog backup --help', 'is not empty, and is no backup'],
      [['backup', 'data'], 2, 'ERR_INVALID_OPTIONS', 'keeperlog backup --help', "is the store's own directory"],
      [['restore', 'to'], 2, 'ERR_INVALID_OPTIONS', 'keeperlog restore --help', 'is not empty'],
      [
        ['restore', 'other', '--dir', 'new'],
        1,
        'ERR_NOT_FOUND',
        'keeperlog backup --help',
        'there is no backup in other',
      ],
      [['read', '--dir', 'to'], 2, 'ERR_INVALID_OPTIONS', 'keeperlog read --help', 'is a backup, not a store'],
      [['restore', '--dir', 'new'], 2, 'ERR_USAGE', 'keeperlog restore --help', 'missing required argument'],
    ] as const;
    for (const [args, exitCode, code, next, message] of cases) {
      const ended = await run(cwd, ...args, '--json');
      const [{ error }] = parseLines(ended.stderr);
      expect({ ...error, stdout: ended.stdout }).toMatchObject({ exitCode, code, stdout: '' });
      expect(error.message).toContain(message);
      expect(error.next).toBe(next);
    }
    expect(fs.readdirSync(cwd).sort()).toEqual(['data', 'other', 'to']);
  });

  test('exit with 5 where the store, or the backup, is damaged', async () => {
    const cwd = await withStore();
    await run(cwd, 'backup', 'to');
    const damage = (dir: string, name: RegExp): void => {
      const file = path.join(cwd, dir, fs.readdirSync(path.join(cwd, dir)).find((found) => name.test(found))!);
      const bytes = fs.readFileSync(file);
      bytes[5000]! ^= 1;
      fs.writeFileSync(file, bytes);
    };
    damage('to', /^segment-0000000002/);
    const restored = await run(cwd, 'restore', 'to', '--dir', 'new', '--json');
    expect(parseLines(restored.stderr)[0].error).toMatchObject({ exitCode: 5, code: 'ERR_CORRUPT', firstSequence: 51 });
    expect({ code: restored.code, files: fs.readdirSync(path.join(cwd, 'new')) }).toEqual({
      code: 5,
      files: ['keeperlog.lock'],
    });
    damage('data', /^segment-0000000003/);
    const backup = await run(cwd, 'backup', 'fresh', '--json');
    expect(parseLines(backup.stderr)[0].error).toMatchObject({
      exitCode: 5,
      next: 'keeperlog verify --deep',
      file: path.join('data', 'segment-0000000003.log'),
    });
  });

  test('end when they are interrupted, and what was there is whole', async () => {
    const cwd = await withStore();
    await run(cwd, 'backup', 'to');
    const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: 65_536 });
    for (let i = 0; i < 10; i++)
      await store.append(
        'a',
        Array.from({ length: 50 }, () => event),
      );
    await store.close();
    // The thread that copies is the one that syncs: at its third sync the process is interrupted, and waits.
    const code = `
      import fs from 'node:fs';
      import { isMainThread } from 'node:worker_threads';
      const { fdatasyncSync } = fs;
      let syncs = 0;
      if (!isMainThread) fs.fdatasyncSync = (...args) => {
        if (++syncs === 3) {
          process.kill(process.pid, 'SIGINT');
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
        }
        return fdatasyncSync(...args);
      };`;
    const backup = await startAfter(code, cwd, 'backup', 'to', '--json').ended;
    expect(backup.code).toBe(1);
    expect(parseLines(backup.stderr)[0].error).toEqual({
      code: 'ERR_ABORTED',
      message: 'interrupted by SIGINT; the backup before this one is whole',
      hint: '',
      next: 'keeperlog backup to',
      exitCode: 1,
    });
    const restore = await startAfter(code, cwd, 'restore', 'to', '--dir', 'new', '--json').ended;
    expect(restore.code).toBe(1);
    expect(parseLines(restore.stderr)[0].error).toMatchObject({
      message: 'interrupted by SIGINT; nothing was restored',
      next: 'keeperlog restore to --dir new',
    });
    expect(await restoreStore(path.join(cwd, 'to'), path.join(cwd, 'new'))).toMatchObject({ lastSequence: 300 });
  });

  test('say that the thread which copies has ended, and leave what was there', async () => {
    const cwd = await withStore();
    await run(cwd, 'backup', 'to');
    const store = await openStore({ dir: path.join(cwd, 'data'), segmentBytes: 65_536 });
    await store.append('a', event);
    await store.close();
    const code = `
      import fs from 'node:fs';
      import { isMainThread } from 'node:worker_threads';
      if (!isMainThread) fs.fdatasyncSync = () => process.exit(1);`;
    const ended = await startAfter(code, cwd, 'backup', 'to', '--json').ended;
    expect(ended.code).toBe(1);
    expect(parseLines(ended.stderr)[0].error).toMatchObject({
      code: 'ERR_STORAGE',
      syscall: 'worker',
      message: expect.stringContaining('the thread that copies has ended'),
    });
    expect((await run(cwd, 'restore', 'to', '--dir', 'new')).stdout).toMatch(/events up to 300 /);
    expect((await run(cwd, 'backup', 'to')).stdout).toMatch(/events up to 301 /);
  });

  test('tell how far they are on a terminal, and are silent elsewhere', async () => {
    const cwd = await withStore();
    const on = async (...args: string[]): Promise<string> => {
      const command = `${[process.execPath, BINARY, ...args].map(quote).join(' ')} > out`;
      const script = new Running(spawn('script', ['-qec', command, '/dev/null'], { cwd, stdio: 'pipe' }));
      return (await script.ended).stdout;
    };
    expect(await on('backup', 'to')).toMatch(/100% 6 of 6 segments/);
    expect(await on('restore', 'to', '--dir', 'new')).toMatch(/100% 6 of 6 segments/);
    expect((await start(cwd, 'restore', 'to', '--dir', 'other').ended).stderr).toBe('');
  });
});
