import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lockDirectory } from '../../dist/main/lock.js';
import { failure, opened, Program, temporaryDir } from './kit.js';

const FILE = 'keeperlog.lock';

/** What the lock file says while this process holds it, and the directory, free again. */
function ownHolder(): { dir: string; holder: Record<string, any> } {
  const dir = temporaryDir();
  const lock = lockDirectory(dir, null);
  const holder = JSON.parse(fs.readFileSync(path.join(dir, FILE), 'utf8'));
  lock.release();
  return { dir, holder };
}

/** The lock file as another holder left it. */
function heldBy(holder: object): string {
  const dir = temporaryDir();
  fs.writeFileSync(path.join(dir, FILE), JSON.stringify(holder));
  return dir;
}

function lockFailure(dir: string): Record<string, any> {
  try {
    lockDirectory(dir, null).release();
  } catch (error) {
    return error as Record<string, any>;
  }
  throw new Error('the lock was stolen');
}

/** A process that lives until the test ends. */
function livingPid(): number {
  const process = spawn('sleep', ['60'], { stdio: 'ignore' });
  onTestFinished(() => void process.kill('SIGKILL'));
  return process.pid!;
}

/** The pid of a process that has ended. */
async function deadPid(): Promise<number> {
  const process = spawn('true', { stdio: 'ignore' });
  await new Promise((resolve) => process.on('exit', resolve));
  return process.pid!;
}

describe('the lock of a store', () => {
  it('refuses a second opener and says who holds it', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir });
    const pid = await program.pid;
    expect(await failure(opened(dir))).toMatchObject({ code: 'ERR_LOCKED', pid, since: expect.stringMatching(/^20/) });
    const second = new Program();
    expect(await failure(second.call('open', { dir }))).toMatchObject({ code: 'ERR_LOCKED' });
  });

  it('refuses a second opener of the same process', async () => {
    const dir = temporaryDir();
    await opened(dir);
    expect(await failure(opened(dir))).toMatchObject({ code: 'ERR_LOCKED', pid: process.pid });
  });

  it('is free at once when its holder was killed', async () => {
    const dir = temporaryDir();
    const program = new Program();
    await program.call('open', { dir });
    await program.kill();
    await opened(dir);
  });
});

describe('the lock without a kernel lock', () => {
  it('refuses a second holder, and is free after the first', () => {
    const dir = temporaryDir();
    const lock = lockDirectory(dir, null);
    expect(lockFailure(dir)).toMatchObject({ code: 'ERR_LOCKED', pid: process.pid });
    lock.release();
    lockDirectory(dir, null).release();
  });

  it('is taken over from a process of this boot that has ended', async () => {
    const { holder } = ownHolder();
    const dir = heldBy({ ...holder, pid: await deadPid() });
    lockDirectory(dir, null).release();
  });

  it('is taken over where the pid is that of a later process', () => {
    const { holder } = ownHolder();
    const dir = heldBy({ ...holder, pid: livingPid(), started: '1' });
    lockDirectory(dir, null).release();
  });

  it('leaves nothing of the old holder behind', async () => {
    const { holder } = ownHolder();
    const dir = heldBy({ ...holder, pid: await deadPid() });
    lockDirectory(dir, null).release();
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it('is not stolen from a living process', () => {
    const { holder } = ownHolder();
    const pid = livingPid();
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
    expect(lockFailure(heldBy({ ...holder, pid, started }))).toMatchObject({ code: 'ERR_LOCKED', pid });
  });

  for (const [whose, change] of [
    ['another boot', { boot: 'another' }],
    ['another pid namespace', { namespace: 'pid:[1]' }],
    ['another host', { host: 'elsewhere' }],
    ['an unknown boot', { boot: '' }],
  ] as const) {
    it(`is not stolen from a holder of ${whose}, though there is no such pid here`, async () => {
      const { holder } = ownHolder();
      const pid = await deadPid();
      const dir = heldBy({ ...holder, ...change, pid });
      expect(lockFailure(dir)).toMatchObject({ code: 'ERR_LOCKED', pid });
      expect(JSON.parse(fs.readFileSync(path.join(dir, FILE), 'utf8'))).toEqual({ ...holder, ...change, pid });
    });
  }

  it('is not stolen where the file says nothing of its holder', () => {
    const dir = temporaryDir();
    fs.writeFileSync(path.join(dir, FILE), '{"pid":');
    expect(lockFailure(dir)).toMatchObject({ code: 'ERR_LOCKED', pid: 0 });
  });
});
