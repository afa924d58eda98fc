/** Stores and directories that live as long as one test. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openStore, type Store, type StoreOptions } from 'keeperlog';
import { onTestFinished } from 'vitest';

/** A directory that is not there yet, and is gone after the test. */
export function temporaryDir(): string {
  const parent = makeDir();
  onTestFinished(() => removeDir(parent));
  return path.join(parent, 'store');
}

/** An empty directory; the caller removes it. */
export function makeDir(): string {
  return fs.mkdtempSync(path.join(os.tmpdir(), 'keeperlog-test-'));
}

export function removeDir(dir: string): void {
  fs.rmSync(dir, { recursive: true, force: true });
}

/** Small segments: tests go through several. They stay as they are until they are told to be sealed. */
export const SMALL = { segmentBytes: 1024 * 1024, sealing: 'on-demand' } as const;

/** A store that is closed after the test. */
export async function open(options: Partial<StoreOptions> = {}): Promise<Store> {
  const dir = options.dir ?? temporaryDir();
  const store = await openStore({ ...SMALL, ...options, dir });
  onTestFinished(() => store.close());
  return store;
}

/** The same store again, with other options if they are given. */
export async function reopen(store: Store, options: Partial<StoreOptions> = {}): Promise<Store> {
  const { dir } = store.stats();
  await store.close();
  return open({ ...options, dir });
}

/** What a directory holds: names, sizes, times of change. */
export function listing(dir: string): { name: string; size: number; mtimeMs: number; ctimeMs: number }[] {
  return fs
    .readdirSync(dir)
    .sort()
    .map((name) => {
      const { size, mtimeMs, ctimeMs } = fs.statSync(path.join(dir, name));
      return { name, size, mtimeMs, ctimeMs };
    });
}

/** A copy of a store's directory as it is now: what a crash of the process would leave behind. */
export function copyDir(dir: string): string {
  const copy = temporaryDir();
  fs.cpSync(dir, copy, { recursive: true });
  return copy;
}
