/** What a workload is driven against: the engine, or the floor. */
import fs from 'node:fs';
import path from 'node:path';
import { openStore, type Store, type StoreOptions } from 'keeperlog';
import type { BenchBatch, BenchEvent } from './events.js';

/** Whatever takes appends, and resolves when they are durable. */
export interface Appends {
  append(stream: string, event: BenchEvent): Promise<unknown>;
  appendBatch(stream: string, events: readonly BenchEvent[]): Promise<unknown>;
  close(): Promise<void>;
}

export interface Target extends Appends {
  appendSync(stream: string, event: BenchEvent): void;
}

/** The engine as a user opens it. Brought to its steady state: the first segment is full, the next one in use. */
export async function openEngine(options: StoreOptions, warmUp: readonly BenchEvent[]): Promise<Target> {
  const store = await openStore(options);
  const batch = Array.from({ length: 100 }, (_, i) => warmUp[i % warmUp.length]!);
  while (store.stats().segments < 2) {
    await Promise.all(Array.from({ length: 8 }, (_, i) => store.append(`warm-${i}`, batch)));
  }
  return {
    ...appendsTo(store),
    appendSync: (stream, event) => {
      store.appendSync(stream, event);
    },
  };
}

/** A store that is open, as a target. */
export function appendsTo(store: Store): Appends {
  return {
    append: (stream, event) => store.append(stream, event),
    appendBatch: (stream, events) => store.append(stream, events),
    close: () => store.close(),
  };
}

/** Append until the log has so many bytes. */
export async function fill(store: Store, batches: Iterator<BenchBatch>, bytes: number): Promise<void> {
  while (store.stats().bytes < bytes) {
    const { stream, events } = batches.next().value as BenchBatch;
    await store.append(stream, events as never);
  }
}

/** With a directory that is gone afterwards. */
export async function withDir(parent: string, name: string, use: (dir: string) => Promise<void>): Promise<void> {
  const dir = fs.mkdtempSync(path.join(path.resolve(parent), name));
  try {
    await use(dir);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}
