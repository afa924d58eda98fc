/** The engine as a peer among peers. */
import path from 'node:path';
import { openStore, type Store } from 'keeperlog';
import type { Peer, PeerStore } from './peer.js';

export const keeperlog: Peer = {
  name: 'Keeperlog',
  how: 'default options',
  open: async (dir) => storeOf(await openStore(path.join(dir, 'store'))),
};

function storeOf(store: Store): PeerStore {
  return {
    append: (stream, event) => store.append(stream, event),
    appendBatch: (stream, events) => store.append(stream, events),
    readAll: () => countDecoded(store.read().batches()),
    readStream: (stream) => countDecoded(store.readStream(stream).batches()),
    keyOf: async (sequence) => (await store.get(sequence))!.id,
    get: async (id) => (await store.get(id))!.data,
    close: () => store.close(),
  };
}

async function countDecoded(batches: AsyncIterable<readonly { readonly data: unknown }[]>): Promise<number> {
  let seen = 0;
  for await (const batch of batches) for (const { data } of batch) if (data !== null) seen++;
  return seen;
}
