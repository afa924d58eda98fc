/** Stores that are backed up and restored, and what must hold of what is restored. */
import fs from 'node:fs';
import path from 'node:path';
import { type BackupReport, type RecordedEvent, restoreStore, type Store, type StoreOptions } from 'keeperlog';
import { expect } from 'vitest';
import { type BackupList, decodeBackupList } from '../../dist/shared/format/backup-list.js';
import { open as openStoreFor, temporaryDir } from '../support/stores.js';

const TEXT = 'what an agent has to say about its work, '.repeat(6);

/** A store of small segments, of 580 events about, that is closed after the test. */
export function open(options: Partial<StoreOptions> = {}): Promise<Store> {
  return openStoreFor({ segmentBytes: 256 * 1024, ...options });
}

/** Events of several streams, some with keys. */
export async function fill(store: Store, events: number, run = 'first'): Promise<void> {
  for (let i = 0; i < events; i += 250) {
    await store.append(
      `agent-${(i / 250) % 4}`,
      Array.from({ length: Math.min(250, events - i) }, (_, k) => ({
        type: k % 3 === 0 ? 'Said' : 'Done',
        data: { n: i + k, text: TEXT, bytes: new Uint8Array([i % 256, k]), big: 2n ** 60n },
        tags: [`task:${(i + k) % 50}`],
        ...(k % 125 === 0 && { idempotencyKey: `${run}-${i + k}` }),
      })),
    );
  }
}

/** All there is to an event, as text. */
export function textOf(events: readonly RecordedEvent[]): string[] {
  return events.map((event) =>
    JSON.stringify({ ...event.toJSON(), key: event.idempotencyKey }, (_, value) =>
      typeof value === 'bigint' ? `${value}n` : value,
    ),
  );
}

export async function eventsOf(store: Store): Promise<string[]> {
  return textOf(await store.read().toArray());
}

/** What a directory holds, directories within it as well. */
export function filesIn(dir: string): string[] {
  return fs
    .readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .filter((name) => fs.statSync(path.join(dir, name)).isFile())
    .sort();
}

/** Every file with its bytes, but for the lock's. */
export function contentOf(dir: string): Map<string, string> {
  const names = filesIn(dir).filter((name) => name !== 'keeperlog.lock');
  return new Map(names.map((name) => [name, fs.readFileSync(path.join(dir, name), 'latin1')]));
}

export function listOf(backup: string): BackupList {
  const found = decodeBackupList(fs.readFileSync(path.join(backup, 'keeperlog.backup')));
  if (found.kind !== 'valid') throw new Error(`the list is ${found.kind}`);
  return found.list;
}

/** Change a byte of a file. */
export function flip(file: string, at: number): void {
  const bytes = fs.readFileSync(file);
  bytes[at] = bytes[at]! ^ 1;
  fs.writeFileSync(file, bytes);
}

/**
 * Restore a backup and check what must hold: just these events, verified, with their digests; it goes on, and does so once more.
 * @param events what is to be there
 */
export async function checkRestored(backup: string, events: readonly string[]): Promise<Store> {
  const dir = temporaryDir();
  const report = await restoreStore(backup, dir);
  expect(report).toMatchObject({ lastSequence: events.length, segments: listOf(backup).content!.segments.length });
  expect(filesIn(dir).filter((name) => /\.(tmp|key)$|restoring/.test(name))).toEqual([]);
  const store = await open({ dir });
  expect(store.stats()).toMatchObject({ storeId: report.storeId, nodeId: report.nodeId, durable: events.length });
  expect(store.stats().recovery).toMatchObject({ clean: true, rewrittenBytes: 0, tornBytes: 0 });
  expect(await eventsOf(store)).toEqual(events);
  expect(await store.verify({ deep: true })).toMatchObject({ ok: true, events: events.length, problems: [] });
  const { firstSequence } = await store.append('after', { type: 'Restored' });
  expect(firstSequence).toBe(events.length + 1);
  return store;
}

/** The parts of a report that say what was copied. */
export function counts({ segments, copiedSegments, reusedSegments }: BackupReport): number[] {
  return [segments, copiedSegments, reusedSegments];
}
