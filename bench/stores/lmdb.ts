/** LMDB: memory that is a file. Events by sequence, and an index from stream and revision to sequence. */
import path from 'node:path';
import { decode, encode, load, Order, type Peer, type PeerStore } from './peer.js';

interface Table<K, V> {
  put(key: K, value: V): Promise<boolean>;
  get(key: K): V | undefined;
  getRange(range?: { start?: K; end?: K }): Iterable<{ key: K; value: V }>;
}

interface Root {
  openDB<K, V>(options: { name: string; encoding: string }): Table<K, V>;
  /** Resolves when everything that was committed before is synced. */
  readonly flushed: Promise<unknown>;
  close(): Promise<void>;
}

export function lmdb(): Peer {
  const { open } = load<{ open(options: { path: string }): Root }>('lmdb');
  return {
    name: 'lmdb',
    how: 'put, then its flushed promise, MessagePack; writes of one turn of the event loop share a commit',
    open: async (dir) => openRoot(open({ path: path.join(dir, 'events.mdb') })),
  };
}

function openRoot(root: Root): PeerStore {
  const events = root.openDB<number, Buffer>({ name: 'events', encoding: 'binary' });
  const streams = root.openDB<[string, number], number>({ name: 'streams', encoding: 'ordered-binary' });
  const order = new Order();
  const appendBatch: PeerStore['appendBatch'] = async (stream, batch) => {
    let last: Promise<unknown> | undefined;
    for (const event of batch) {
      const { sequence, stored } = order.next(stream, event);
      events.put(sequence, encode(stored));
      last = streams.put([stream, stored.revision], sequence);
    }
    // The commit alone is not on the disk yet.
    await last;
    await root.flushed;
  };
  return {
    append: (stream, event) => appendBatch(stream, [event]),
    appendBatch,
    async readAll() {
      let seen = 0;
      for (const { value } of events.getRange()) if (decode(value).data !== null) seen++;
      return seen;
    },
    async readStream(stream) {
      let seen = 0;
      const range = {
        start: [stream, 0] as [string, number],
        end: [stream, Number.MAX_SAFE_INTEGER] as [string, number],
      };
      for (const { value } of streams.getRange(range)) if (decode(events.get(value)!).data !== null) seen++;
      return seen;
    },
    keyOf: async (sequence) => sequence,
    get: async (sequence) => decode(events.get(Number(sequence))!).data,
    close: () => root.close(),
  };
}
