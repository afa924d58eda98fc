/** Stores that were signed, whole or with events removed, and their damage. */
import fs from 'node:fs';
import path from 'node:path';
import type { Checkpoint, Store, StoreOptions, VerifyReport } from 'keeperlog';
import { verifyProof } from 'keeperlog/proof';
import { expect } from 'vitest';
import { openWith, untilWithin } from '../retention/kit.js';
import { open, SMALL } from '../support/stores.js';

/** Segments of 64 KiB as large as they are, and no keys for whose sake events stay. */
export const TINY = { ...SMALL, segmentBytes: 65_536, compression: 'none', idempotency: { maxKeys: 0 } } as const;

/** So many that the lowest level has two full tiles and some more. */
export const EVENTS = 700;

/** A signed store that was closed. */
export async function signedDir(options: Partial<StoreOptions> = {}): Promise<string> {
  const store = await open(options);
  await fill(store, EVENTS);
  await store.checkpoint();
  const { dir } = store.stats();
  await store.close();
  return dir;
}

/** The same, without its first hundred events: compaction has removed them. */
export async function compactedDir(): Promise<string> {
  const store = await open(TINY);
  await fill(store, EVENTS);
  await store.deleteStream('agent-0');
  expect(await store.compact()).toMatchObject({ events: 100 });
  const { dir } = store.stats();
  await store.close();
  return dir;
}

export async function fill(store: Store, events: number): Promise<void> {
  const list = Array.from({ length: events }, (_, n) => ({ type: 'Said', data: { n, text: 'x'.repeat(200) } }));
  for (let i = 0; i < events; i += 100) await store.append(`agent-${i / 100}`, list.slice(i, i + 100));
}

export function flip(dir: string, file: string, at: number): string {
  const whole = path.join(dir, file);
  const bytes = fs.readFileSync(whole);
  bytes[at] = bytes[at]! ^ 1;
  fs.writeFileSync(whole, bytes);
  return whole;
}

export async function verify(dir: string, deep = true): Promise<VerifyReport> {
  const store = await open({ dir, readOnly: true });
  return await store.verify({ deep });
}

/** What was signed last, and that each event that is left is proven by it. */
export async function proven(dir: string, sequences = [150, 257, 600]): Promise<Checkpoint> {
  const store = await open({ dir });
  const checkpoint = await store.checkpoint();
  for (const sequence of sequences) {
    const proof = await store.prove(sequence);
    const digest = await store.digest(sequence);
    expect(await verifyProof(proof, { keys: checkpoint.publicKey, digest })).toMatchObject({ sequence });
  }
  await store.close();
  return checkpoint;
}

/** A store of which retention has removed the beginning. */
export async function prunedDir(): Promise<string> {
  const dir = await signedDir(TINY);
  const store = await openWith({ maxBytes: 65_536 }, { dir });
  await untilWithin(store, 2 * 65_536);
  expect(store.stats().floor).toBeGreaterThan(100);
  await store.checkpoint();
  await store.close();
  return dir;
}
