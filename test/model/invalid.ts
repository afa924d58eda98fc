/** Calls that are refused before anything is accepted, each with its error. */
import { expect } from 'vitest';
import { isKeeperError, type Store } from '../../dist/main/index.js';
import { errorOf } from './flights.js';
import type { Subject } from './subject.js';

export interface Invalid {
  readonly code: string;
  readonly path?: string;
  call(store: Store): unknown;
}

const event = { type: 't' };

const refused = (code: string, path: string | undefined, call: (store: any) => unknown): Invalid => ({
  code,
  call,
  ...(path !== undefined && { path }),
});

export const INVALID: readonly Invalid[] = [
  refused('ERR_INVALID_EVENT', 'stream', (store) => store.append('', event)),
  refused('ERR_INVALID_EVENT', 'stream', (store) => store.append('a*', event)),
  refused('ERR_INVALID_EVENT', 'stream', (store) => store.append('$store', event)),
  refused('ERR_INVALID_EVENT', 'stream', (store) => store.append('\ud800', event)),
  refused('ERR_INVALID_EVENT', 'stream', (store) => store.append('ü'.repeat(257), event)),
  refused('ERR_INVALID_EVENT', 'events', (store) => store.append('a', [])),
  refused('ERR_INVALID_EVENT', 'event.type', (store) => store.append('a', { type: '*' })),
  refused('ERR_INVALID_EVENT', 'event.data.run', (store) => store.append('a', { type: 't', data: { run: () => 1 } })),
  refused('ERR_INVALID_EVENT', 'events[1].causes[0]', (store) => store.append('a', [event, { ...event, causes: [1] }])),
  refused('ERR_INVALID_EVENT', 'event.tags', (store) => store.append('a', { ...event, tags: Array(33).fill('a') })),
  refused('ERR_INVALID_EVENT', 'event.schemaVersion', (store) => store.enqueue('a', { ...event, schemaVersion: 0 })),
  refused('ERR_INVALID_EVENT', 'event.idempotencyKey', (store) =>
    store.appendSync('a', { ...event, idempotencyKey: '' }),
  ),
  refused('ERR_INVALID_EVENT', 'appends[1].stream', (store) =>
    store.appendMany([
      { stream: 'a', events: event },
      { stream: 'a', events: event },
    ]),
  ),
  refused('ERR_INVALID_EVENT', 'appends[1].event.type', (store) =>
    store.appendMany([
      { stream: 'a', events: event },
      { stream: 'b', events: {} },
    ]),
  ),
  refused('ERR_INVALID_OPTIONS', 'expect', (store) => store.append('a', event, { expect: -1 })),
  refused('ERR_INVALID_OPTIONS', 'durability', (store) => store.append('a', event, { durability: 'fsynced' })),
  refused('ERR_INVALID_OPTIONS', 'condition', (store) =>
    store.enqueue('a', event, { condition: { match: {} } } as object),
  ),
  refused('ERR_INVALID_QUERY', 'selector', (store) => store.read([])),
  refused('ERR_INVALID_QUERY', 'selector.streams', (store) => store.read({ streams: [] })),
  refused('ERR_INVALID_QUERY', 'after', (store) => store.read({}, { from: 1, after: 1 })),
  refused('ERR_INVALID_QUERY', 'from', (store) => store.read({}, { from: 'x' })),
  refused('ERR_INVALID_QUERY', 'limit', (store) => store.readStream('a', { limit: -1 })),
  refused('ERR_INVALID_QUERY', 'stream', (store) => store.readStream('a*')),
  refused('ERR_INVALID_QUERY', 'id', (store) => store.get('x')),
];

/** Have a store refuse it. */
export async function checkInvalid({ store, model }: Subject, { code, path, call }: Invalid): Promise<void> {
  const error = await errorOf((async () => call(store))() as Promise<never>);
  // A full disk may be told of first.
  if (model.suspended && isKeeperError(error, 'ERR_DEGRADED')) return;
  expect(error).toMatchObject({ code, path });
  if (code !== 'ERR_INVALID_QUERY') expect(error).toMatchObject({ outcome: 'not-appended' });
}
