/**
 * What the stores of the peer bench have in common: an event log with an order of the whole and a revision a stream, which
 * acknowledges after the sync. Each is written as its own users would: one process, no server.
 */
import { createRequire } from 'node:module';
import { Packr, Unpackr } from 'msgpackr/pack';
import type { BenchEvent } from '../events.js';
import type { Appends } from '../target.js';

/** A store that was opened in a directory. Reads return how many events were seen, each decoded. */
export interface PeerStore extends Appends {
  /** All events, in append order. */
  readAll(): Promise<number>;
  /** The events of one stream, in the order of their revisions. */
  readStream(stream: string): Promise<number>;
  /** What an event is got by: an id, or what the peer has for one. */
  keyOf(sequence: number): Promise<string | number>;
  /** The data of one event. */
  get(key: string | number): Promise<unknown>;
}

export interface Peer {
  readonly name: string;
  /** How it stores an event and makes it durable. */
  readonly how: string;
  open(dir: string): Promise<PeerStore>;
}

/** What a peer stores beside the data. */
export interface StoredEvent {
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly timeMs: number;
  readonly data: unknown;
}

/** The packages of bench/peers/package.json, which are installed apart from this project's own. */
const PACKAGES = createRequire(new URL('../../../bench/peers/package.json', import.meta.url));

/** Load one of them. Throws where it is not installed, or was not built for this machine. */
export function load<T>(name: string): T {
  return PACKAGES(name) as T;
}

const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });

/** An event in MessagePack, as the engine has its payloads: no records. */
export function encode(event: StoredEvent): Buffer {
  return packr.pack(event);
}

export function decode(bytes: Uint8Array): StoredEvent {
  return unpackr.unpack(bytes) as StoredEvent;
}

/** Sequences and revisions, given out on this thread: a peer need not look them up. */
export class Order {
  readonly #revisions = new Map<string, number>();
  #sequence = 0;

  next(stream: string, event: BenchEvent): { sequence: number; stored: StoredEvent } {
    const revision = (this.#revisions.get(stream) ?? -1) + 1;
    this.#revisions.set(stream, revision);
    const { type, data } = event;
    return { sequence: ++this.#sequence, stored: { stream, revision, type, timeMs: Date.now(), data } };
  }
}
