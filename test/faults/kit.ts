/** What tests of faults share: directories that go away, programs under fault, and what must hold afterwards. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { openStore, type RecordedEvent, type Store, type StoreOptions } from '../../dist/main/index.js';
import type { Told } from './oracle.js';
import { stracing, traceable } from './strace.js';

const CHILD = fileURLToPath(new URL('child.mjs', import.meta.url));
const PRELOAD = fileURLToPath(new URL('preload.mjs', import.meta.url));

/** Why faults that need `'root'` or a tool cannot be tried here; undefined where they can. */
export function cannot(...tools: readonly string[]): string | undefined {
  for (const tool of tools) {
    if (tool === 'root') {
      if (process.getuid?.() !== 0) return 'it needs root';
      continue;
    }
    try {
      execFileSync('which', [tool], { stdio: 'ignore' });
    } catch {
      return `${tool} is not installed`;
    }
  }
  return undefined;
}

/** Say loudly that tests are left out; in CI that is a failure. */
export function orSkip(why: string | undefined): boolean {
  if (why === undefined) return false;
  console.warn(`SKIPPED: faults cannot be tried: ${why}`);
  if (process.env.CI !== undefined) throw new Error(`in CI these tests must run: ${why}`);
  return true;
}

/** A directory that is gone after the test, with what strace has told beside it. */
export function temporaryDir(): string {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-faults-'));
  onTestFinished(() => {
    for (const gone of [dir, `${dir}.strace`]) fs.rmSync(gone, { recursive: true, force: true });
  });
  return dir;
}

/** A call that was acknowledged. */
export interface Ack {
  readonly call: string;
  readonly ids: readonly string[];
  readonly key?: string;
  /** The answer to a repeated call: it has the ids of the first one. */
  readonly duplicate?: boolean;
}

/** An error as a program under fault tells it. */
export interface ToldError extends Error {
  code?: string;
  outcome?: string;
  errno?: string;
  syscall?: string;
  mode?: string;
}

export interface ProgramOptions {
  /** Arguments of strace. */
  readonly strace?: readonly string[];
  /** Another program in front of node, with its arguments. */
  readonly before?: readonly string[];
  /** A fault of preload.mjs. */
  readonly fault?: string;
  readonly nodeArgs?: readonly string[];
}

/** A program that holds a store, in a process of its own. It is killed at the end of the test at the latest. */
export class Program {
  readonly acks: Ack[] = [];
  /** What a run of steps has told. */
  readonly told: Told[] = [];
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  readonly #process: ChildProcess;
  readonly #ready: Promise<number>;
  readonly #calls = new Map<number, { resolve: (value: any) => void; reject: (error: Error) => void }>();
  readonly #ackListeners: { count: number; resolve: () => void }[] = [];
  readonly #toldListeners: { wanted: (told: Told) => boolean; resolve: () => void }[] = [];
  #stderr = '';
  #nextId = 0;
  #hasEnded = false;

  constructor(options: ProgramOptions = {}) {
    // By the environment: the store's threads take no options from the program's command line.
    const preload = options.fault === undefined ? '' : `--import=${PRELOAD}`;
    const node = [process.execPath, ...(options.nodeArgs ?? []), CHILD];
    const command = [...(options.before ?? []), ...stracing(options.strace), ...node];
    this.#process = spawn(command[0]!, command.slice(1), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...traceable(options.strace), NODE_OPTIONS: preload, FAULT: options.fault },
    });
    this.#process.stdin!.on('error', () => {}); // the program may be gone
    this.#process.stderr!.on('data', (chunk) => {
      this.#stderr += chunk;
    });
    this.ended = new Promise((resolve) => {
      this.#process.on('close', (code, signal) => {
        this.#hasEnded = true;
        const gone = new Error(`the program has ended with ${signal ?? code}: ${this.#stderr}`);
        for (const call of this.#calls.values()) call.reject(gone);
        for (const { resolve } of [...this.#ackListeners, ...this.#toldListeners]) resolve();
        resolve({ code, signal });
      });
    });
    this.#ready = new Promise((resolve, reject) => {
      this.ended.then(() => reject(new Error(`the program did not start: ${this.#stderr}`)));
      createInterface({ input: this.#process.stdout! }).on('line', (line) => this.#hear(line, resolve));
    });
    this.#ready.catch(() => {});
    onTestFinished(async () => {
      await this.kill();
    });
  }

  get pid(): Promise<number> {
    return this.#ready;
  }

  /** Have the program do something; rejects with the error that it had, or because it has ended. */
  call<T = any>(command: string, args?: object): Promise<T> {
    const id = this.#nextId++;
    const result = new Promise<T>((resolve, reject) => {
      if (this.#hasEnded) reject(new Error('the program has ended'));
      this.#calls.set(id, { resolve, reject });
      this.#process.stdin!.write(`${JSON.stringify({ id, command, args })}\n`);
    });
    result.catch(() => {});
    return result;
  }

  /** Resolves when so many calls of a load were acknowledged, or the program has ended. */
  acknowledged(count: number): Promise<void> {
    if (this.acks.length >= count || this.#hasEnded) return Promise.resolve();
    return new Promise((resolve) => this.#ackListeners.push({ count, resolve }));
  }

  /** Resolves when the next such thing is told, or the program has ended. */
  tells(wanted: (told: Told) => boolean): Promise<void> {
    if (this.#hasEnded) return Promise.resolve();
    return new Promise((resolve) => this.#toldListeners.push({ wanted, resolve }));
  }

  /** kill -9. Resolves when it is gone and everything that it said was heard. */
  async kill(): Promise<void> {
    if (!this.#hasEnded) {
      // Under strace the program is strace's child: kill that, and strace ends by itself.
      const pid = await Promise.race([this.#ready, this.ended.then(() => undefined), after(5000)]).catch(
        () => undefined,
      );
      if (pid !== undefined) killIfThere(pid);
      else if (!this.#hasEnded) this.#process.kill('SIGKILL');
    }
    await this.ended;
  }

  /** kill -9 whether it has said a word or not. */
  async killAtOnce(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.ended;
  }

  #hear(line: string, ready: (pid: number) => void): void {
    let message: any;
    try {
      message = JSON.parse(line);
    } catch {
      return; // a line cut by the end of the program
    }
    if (message.ready !== undefined) ready(message.ready);
    else if (message.ack !== undefined) {
      this.acks.push(message.ack);
      for (const { count, resolve } of this.#ackListeners) if (this.acks.length >= count) resolve();
    } else if (message.told !== undefined) {
      this.told.push(message.told);
      for (const { wanted, resolve } of this.#toldListeners) if (wanted(message.told)) resolve();
    } else {
      const call = this.#calls.get(message.id);
      this.#calls.delete(message.id);
      if (message.error === undefined) call?.resolve(message.result);
      else call?.reject(Object.assign(new Error(message.error.message), message.error));
    }
  }
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (Reflect.get(error as object, 'code') !== 'ESRCH') throw error;
  }
}

/** What a promise was rejected with. */
export async function failure(promise: Promise<unknown>): Promise<ToldError & Record<string, any>> {
  return promise.then(
    (value) => {
      throw new Error(`expected a failure, not ${JSON.stringify(value)}`);
    },
    (error) => error,
  );
}

/** Open a store that is closed at the end of the test. */
export async function opened(options: string | StoreOptions): Promise<Store> {
  const given = typeof options === 'string' ? { dir: options } : options;
  const store = await openStore({ sealing: 'on-demand', ...given });
  onTestFinished(() => store.close());
  return store;
}

/**
 * What must hold of a store, whatever has happened to its writer: sequences and revisions without a gap, ids in order,
 * every call whole or not there, no idempotency key twice, every acknowledged event there once and in the order of the
 * acknowledgements, everything verified.
 */
export async function expectWhole(store: Store, acks: readonly Ack[]): Promise<RecordedEvent[]> {
  // With what the store records about its own recovery.
  await store.flush();
  const events = await store.read().toArray();
  const revisions = new Map<string, number>();
  const calls = new Map<string, { ids: string[]; size: number }>();
  const keys = new Set<string>();
  let lastId = '';
  for (const [index, event] of events.entries()) {
    if (event.sequence !== index + 1) expect(event.sequence).toBe(index + 1);
    if (!(event.id > lastId)) expect.fail(`id ${event.id} does not come after ${lastId}`);
    const revision = (revisions.get(event.stream) ?? -1) + 1;
    if (event.revision !== revision) expect(`${event.stream} ${event.revision}`).toBe(`${event.stream} ${revision}`);
    lastId = event.id;
    revisions.set(event.stream, revision);
    const { idempotencyKey: key } = event;
    if (key !== undefined && keys.size === keys.add(key).size) expect.fail(`the key ${key} is there twice`);
    const { call, size } = (event.data ?? {}) as { call?: string; size?: number };
    if (call === undefined || size === undefined) continue;
    const known = calls.get(call) ?? { ids: [], size };
    known.ids.push(event.id);
    calls.set(call, known);
  }
  for (const [call, { ids, size }] of calls) if (ids.length !== size) expect.fail(`${call}: ${ids.length} of ${size}`);
  const there = new Map(events.map(({ id, sequence }) => [id, sequence]));
  let lastAcknowledged = 0;
  for (const { call, ids, duplicate } of acks) {
    for (const id of ids) {
      const sequence = there.get(id);
      if (sequence === undefined) expect.fail(`${call}: the acknowledged event ${id} is not there`);
      if (duplicate === true) continue;
      if (sequence <= lastAcknowledged) expect.fail(`${call}: ${id} was acknowledged out of order, or twice`);
      lastAcknowledged = sequence;
    }
    const found = calls.get(call);
    if (found !== undefined) expect(found.ids).toEqual(ids);
  }
  const report = await store.verify({ deep: true });
  expect(report.problems).toEqual([]);
  expect(report).toMatchObject({ ok: true, events: events.length });
  return events;
}

/** A hash of every file of a store but the lock, to see whether anything was changed. */
export function fingerprint(dir: string): Record<string, string> {
  const files = fs.readdirSync(dir).filter((name) => name !== 'keeperlog.lock');
  return Object.fromEntries(
    files.sort().map((name) => {
      const bytes = fs.readFileSync(path.join(dir, name));
      return [name, `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`];
    }),
  );
}

/** Segment files, oldest first. */
export function segmentsOf(dir: string): string[] {
  return fs
    .readdirSync(dir)
    .filter((name) => /^segment-\d+\.log$/.test(name))
    .sort();
}

export function segmentPath(dir: string, number: number): string {
  return path.join(dir, `segment-${String(number).padStart(10, '0')}.log`);
}
