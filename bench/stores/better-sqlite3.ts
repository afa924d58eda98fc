/** SQLite in this thread: a table of events and an index by stream. The data is JSON, which SQLite's users query. */
import path from 'node:path';
import type { BenchEvent } from '../events.js';
import { load, Order, type Peer, type PeerStore } from './peer.js';

interface Row {
  readonly data: string;
}

interface Statement {
  run(...values: unknown[]): unknown;
  get(...values: unknown[]): Row | undefined;
  iterate(...values: unknown[]): Iterable<Row>;
}

interface Database {
  pragma(text: string): unknown;
  exec(text: string): unknown;
  prepare(text: string): Statement;
  transaction<A extends unknown[]>(work: (...args: A) => void): (...args: A) => void;
  close(): void;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS events (
    sequence INTEGER PRIMARY KEY, stream TEXT NOT NULL, revision INTEGER NOT NULL, type TEXT NOT NULL,
    time_ms INTEGER NOT NULL, data TEXT NOT NULL
  );
  CREATE UNIQUE INDEX IF NOT EXISTS by_stream ON events (stream, revision);
`;

interface Waiting {
  readonly stream: string;
  readonly events: readonly BenchEvent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** @param shared whether the appends of one turn of the event loop share a transaction */
export function betterSqlite3(shared: boolean): Peer {
  const Database = load<new (file: string) => Database>('better-sqlite3');
  return {
    name: shared ? 'better-sqlite3, tick' : 'better-sqlite3',
    how: shared
      ? 'the same, the appends of one turn of the event loop in one transaction'
      : 'WAL, synchronous=FULL, JSON, a transaction an append',
    open: async (dir) => openDatabase(new Database(path.join(dir, 'events.db')), shared),
  };
}

function openDatabase(db: Database, shared: boolean): PeerStore {
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = FULL');
  db.exec(SCHEMA);
  const insert = db.prepare('INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)');
  const all = db.prepare('SELECT data FROM events ORDER BY sequence');
  const ofStream = db.prepare('SELECT data FROM events WHERE stream = ? ORDER BY revision');
  const one = db.prepare('SELECT data FROM events WHERE sequence = ?');
  const order = new Order();
  const insertAll = (stream: string, events: readonly BenchEvent[]): void => {
    for (const event of events) {
      const { sequence, stored } = order.next(stream, event);
      insert.run(sequence, stream, stored.revision, stored.type, stored.timeMs, JSON.stringify(stored.data));
    }
  };
  const commit = db.transaction((waiting: readonly Waiting[]) => {
    for (const { stream, events } of waiting) insertAll(stream, events);
  });
  const commitOne = db.transaction(insertAll);
  let waiting: Waiting[] = [];
  const commitTick = (): void => {
    const tick = waiting;
    waiting = [];
    try {
      commit(tick);
      for (const { resolve } of tick) resolve();
    } catch (error) {
      for (const { reject } of tick) reject(error);
    }
  };
  const appendBatch = (stream: string, events: readonly BenchEvent[]): Promise<void> => {
    if (!shared) return Promise.resolve(commitOne(stream, events));
    return new Promise((resolve, reject) => {
      if (waiting.length === 0) setImmediate(commitTick);
      waiting.push({ stream, events, resolve, reject });
    });
  };
  return {
    append: (stream, event) => appendBatch(stream, [event]),
    appendBatch,
    readAll: async () => countDecoded(all.iterate()),
    readStream: async (stream) => countDecoded(ofStream.iterate(stream)),
    keyOf: async (sequence) => sequence,
    get: async (sequence) => JSON.parse(one.get(sequence)!.data),
    close: async () => db.close(),
  };
}

function countDecoded(rows: Iterable<Row>): number {
  let seen = 0;
  for (const { data } of rows) if (JSON.parse(data) !== null) seen++;
  return seen;
}
