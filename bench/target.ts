/** What a workload is driven against: the engine, or the floor. */
import { openStore, type StoreOptions } from 'keeperlog';
import type { BenchEvent } from './events.js';

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
    append: (stream, event) => store.append(stream, event),
    appendBatch: (stream, events) => store.append(stream, events),
    appendSync: (stream, event) => {
      store.appendSync(stream, event);
    },
    close: () => store.close(),
  };
}
