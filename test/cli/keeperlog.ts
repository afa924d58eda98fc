/** Runs the built binary as a child process. */
import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';

export const BINARY = fileURLToPath(new URL('../../dist/main/cli/keeperlog.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const made: string[] = [];
const running: ChildProcess[] = [];

afterEach(() => {
  for (const child of running.splice(0)) if (child.exitCode === null) child.kill('SIGKILL');
  for (const dir of made.splice(0)) fs.rmSync(dir, { recursive: true, force: true });
});

/** An empty directory, gone after the test. */
export function emptyDir(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-cli-'));
  made.push(dir);
  return dir;
}

/** A running process whose output can be waited for. */
export class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = '';
  stderr = '';
  #onOutput: (() => void)[] = [];

  constructor(child: ChildProcess) {
    this.child = child;
    running.push(child);
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
      this.#tell();
    });
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.#tell();
    });
    this.ended = new Promise((resolve) => {
      child.on('close', (code, signal) => {
        resolve({ code, signal, stdout: this.stdout, stderr: this.stderr });
        this.#tell();
      });
    });
  }

  /** Wait until the output is as wanted; fails if the process ends before. */
  async until(wanted: (running: Running) => boolean): Promise<void> {
    while (!wanted(this)) {
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`ended too early (${this.child.exitCode}):\n${this.stdout}\n${this.stderr}`);
      }
      await new Promise<void>((resolve) => this.#onOutput.push(resolve));
    }
  }

  #tell(): void {
    for (const listener of this.#onOutput.splice(0)) listener();
  }
}

/** Start `keeperlog` in a directory. */
export function start(cwd: string, ...args: string[]): Running {
  return new Running(spawn(process.execPath, [BINARY, ...args], { cwd, stdio: 'pipe' }));
}

/** The same with code that runs first, in every thread. */
export function startAfter(code: string, cwd: string, ...args: string[]): Running {
  const env = { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
  return new Running(spawn(process.execPath, [BINARY, ...args], { cwd, env, stdio: 'pipe' }));
}

/** Run `keeperlog` behind a command of the shell, such as `ulimit`. */
export function runBehind(before: string, cwd: string, ...args: string[]): Promise<Ended> {
  const command = ['-c', `${before}; exec "$@"`, 'sh', process.execPath, BINARY, ...args];
  return new Running(spawn('sh', command, { cwd, stdio: 'pipe' })).ended;
}

/** Run `keeperlog` in a directory to its end. */
export function run(cwd: string, ...args: string[]): Promise<Ended> {
  return runWith(cwd, '', ...args);
}

/** The same with something on stdin. */
export function runWith(cwd: string, stdin: string, ...args: string[]): Promise<Ended> {
  const running = start(cwd, ...args);
  running.child.stdin!.on('error', () => {}).end(stdin);
  return running.ended;
}

/** Lines of JSON. */
export function parseLines(text: string): any[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
