/** LevelDB: events by sequence, and an index from stream and revision to sequence, in one batch with a sync. */
import path from 'node:path';
import { decode, encode, load, Order, type Peer, type PeerStore } from './peer.js';

interface Put {
  readonly type: 'put';
  readonly key: string;
  readonly value: Uint8Array;
}

interface Values {
  nextv(size: number): Promise<Uint8Array[]>;
  close(): Promise<void>;
}

interface Level {
  open(): Promise<void>;
  batch(operations: readonly Put[], options: { sync: true }): Promise<void>;
  get(key: string): Promise<Uint8Array | undefined>;
  getMany(keys: readonly string[]): Promise<(Uint8Array | undefined)[]>;
  values(range: { gte: string; lt: string }): Values;
  close(): Promise<void>;
}

/** Values asked for at once. */
const CHUNK = 256;

export function classicLevel(): Peer {
  const { ClassicLevel } = load<{
    ClassicLevel: new (dir: string, options: { keyEncoding: 'utf8'; valueEncoding: 'view' }) => Level;
  }>('classic-level');
  return {
    name: 'classic-level',
    how: 'a batch with { sync: true } an append, MessagePack',
    async open(dir) {
      const db = new ClassicLevel(path.join(dir, 'events'), { keyEncoding: 'utf8', valueEncoding: 'view' });
      await db.open();
      return storeOf(db);
    },
  };
}

const digits = (number: number): string => number.toString(16).padStart(14, '0');
const keyOf = (sequence: number): string => `e${digits(sequence)}`;

function storeOf(db: Level): PeerStore {
  const order = new Order();
  const appendBatch: PeerStore['appendBatch'] = (stream, batch) => {
    const puts: Put[] = [];
    for (const event of batch) {
      const { sequence, stored } = order.next(stream, event);
      const key = keyOf(sequence);
      puts.push({ type: 'put', key, value: encode(stored) });
      puts.push({ type: 'put', key: `s${stream}\0${digits(stored.revision)}`, value: Buffer.from(key) });
    }
    return db.batch(puts, { sync: true });
  };
  return {
    append: (stream, event) => appendBatch(stream, [event]),
    appendBatch,
    async readAll() {
      let seen = 0;
      for await (const values of chunks(db.values({ gte: 'e', lt: 'f' }))) seen += countDecoded(values);
      return seen;
    },
    async readStream(stream) {
      let seen = 0;
      const index = db.values({ gte: `s${stream}\0`, lt: `s${stream}\u0001` });
      for await (const keys of chunks(index)) {
        seen += countDecoded(await db.getMany(keys.map((key) => Buffer.from(key).toString())));
      }
      return seen;
    },
    keyOf: async (sequence) => keyOf(sequence),
    get: async (key) => decode((await db.get(String(key)))!).data,
    close: () => db.close(),
  };
}

async function* chunks(values: Values): AsyncGenerator<Uint8Array[]> {
  try {
    for (let next = await values.nextv(CHUNK); next.length > 0; next = await values.nextv(CHUNK)) yield next;
  } finally {
    await values.close();
  }
}

function countDecoded(values: readonly (Uint8Array | undefined)[]): number {
  let seen = 0;
  for (const value of values) if (decode(value!).data !== null) seen++;
  return seen;
}
