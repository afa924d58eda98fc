/** The reads of the portable interface. */
import { hash } from 'node:crypto';
import { type Memory, recordSequence, recordTimestampNs } from '../../shared/format/record.js';
import type { Hole } from '../../shared/holes.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { formatEventId, parseEventId } from '../../shared/portable/event-id.js';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Head, ReadOptions, ReadStreamOptions, StreamInfo, StreamsOptions } from '../../shared/portable/log.js';
import { parseQuery } from '../../shared/portable/query/parse-query.js';
import { type ParsedSelector, parseSelectors } from '../../shared/portable/selector.js';
import { checkReadOptions, invalidQuery, type Range, resolveRange } from './bounds.js';
import { Indexes } from './indexes.js';
import { LogCondition } from './log-condition.js';
import { Execution } from './query/execution.js';
import { QueriedRows } from './query/query-rows.js';
import type { Records } from './records.js';
import { type Batches, PulledRows } from './rows.js';
import { search } from './scan.js';
import { Selected } from './sought.js';
import { storedEvent } from './stored-event.js';
import { listStreams } from './streams.js';

const READ_OPTIONS = ['from', 'to', 'after', 'direction', 'limit', 'signal'];
const STREAM_OPTIONS = ['fromRevision', 'toRevision', 'direction', 'limit', 'signal'];
const STREAMS_OPTIONS = ['prefix', 'limit', 'after', 'signal'];

type Event = RecordedEvent<any>;

type OnHole = (hole: Hole) => void;

/** The last durable sequence of a stream, 0 where it has none; undefined where only a search can tell. */
export type LastOfStream = (stream: string, durable: number) => number | undefined;

export class Reader {
  readonly #records: Records;
  readonly #indexes: Indexes;
  readonly #lastOfStream: LastOfStream;
  readonly #storeId: string;
  /** Throws where the store is closed. */
  readonly #check: () => void;

  constructor(records: Records, lastOfStream: LastOfStream, storeId: string, check: () => void) {
    this.#records = records;
    this.#storeId = storeId;
    this.#indexes = new Indexes(records);
    this.#lastOfStream = lastOfStream;
    this.#check = check;
  }

  /** Index memory in use, about. Unit: bytes. */
  get indexBytes(): number {
    return this.#indexes.bytes + this.#records.catalog.bytes;
  }

  async get(idOrSequence: string | number): Promise<Event | undefined> {
    const memory = await this.#load(idOrSequence);
    return memory && storedEvent(memory, 0, this.#records.nodeId);
  }

  /** SHA-256 of a durable record, in hexadecimal. @throws ERR_NOT_FOUND, and what {@link get} throws */
  async digest(idOrSequence: string | number): Promise<string> {
    return hash('sha256', (await this.#loadThere(idOrSequence)).bytes);
  }

  /** The sequence of a durable event. @throws ERR_NOT_FOUND, and what {@link get} throws */
  async sequenceOf(idOrSequence: string | number): Promise<number> {
    return recordSequence((await this.#loadThere(idOrSequence)).view, 0);
  }

  async #loadThere(idOrSequence: string | number): Promise<Memory> {
    const memory = await this.#load(idOrSequence);
    if (memory === undefined) throw new KeeperError('ERR_NOT_FOUND', `there is no durable event ${idOrSequence}`);
    return memory;
  }

  /** The record of a durable event, undefined where there is none. */
  async #load(idOrSequence: string | number): Promise<Memory | undefined> {
    this.#check();
    const id = typeof idOrSequence === 'string' ? parseEventId(idOrSequence) : undefined;
    const sequence = typeof idOrSequence === 'number' ? idOrSequence : id?.sequence;
    if (sequence === undefined || !Number.isSafeInteger(sequence) || sequence < 0) {
      throw invalidQuery('id', 'must be an id or a sequence');
    }
    const durable = this.#records.durable();
    if (sequence < this.#records.floor || sequence > durable) return undefined;
    const memory = await this.#records.loadOne(sequence, durable);
    if (id !== undefined && idOf(this.#records, sequence, recordTimestampNs(memory.view, 0)) !== idOrSequence) {
      return undefined;
    }
    return memory;
  }

  async head(stream?: string): Promise<Head | undefined> {
    this.#check();
    if (stream !== undefined) checkStream(stream);
    const durable = this.#records.durable();
    const sequence = this.#records.holes.skipBack(durable);
    if (sequence < this.#records.floor) return undefined;
    if (stream === undefined) {
      const memory = await this.#records.loadOne(sequence, durable);
      return { sequence, id: idOf(this.#records, sequence, recordTimestampNs(memory.view, 0)) };
    }
    const last = await this.#findLast(stream, durable);
    if (last === undefined) return undefined;
    return { sequence: last.sequence, revision: last.revision, id: last.id };
  }

  read(selector: unknown, options: ReadOptions = {}): PulledRows<Event> {
    this.#check();
    const selectors = parseSelectors(selector);
    checkReadOptions(options, READ_OPTIONS);
    return new PulledRows((onHole) => this.#read(selectors, options, onHole));
  }

  readStream(stream: string, options: ReadStreamOptions = {}): PulledRows<Event> {
    this.#check();
    checkStream(stream);
    checkReadOptions(options, STREAM_OPTIONS);
    for (const name of ['fromRevision', 'toRevision'] as const) {
      const revision = options[name];
      if (revision === undefined || (Number.isSafeInteger(revision) && revision >= 0)) continue;
      throw invalidQuery(name, 'must be a revision, zero or more');
    }
    return new PulledRows((onHole) => this.#readStream(stream, options, onHole));
  }

  /** What an append asks that must not be behind events that match. */
  condition(selectors: readonly ParsedSelector[], after: number): LogCondition {
    return new LogCondition(this.#records, this.#indexes, selectors, after);
  }

  query(query: unknown, options: unknown): QueriedRows<any> {
    this.#check();
    const parsed = parseQuery(query, options);
    const log = { records: this.#records, indexes: this.#indexes, storeId: this.#storeId, check: this.#check };
    return new QueriedRows(() => new Execution(log, parsed));
  }

  streams(options: StreamsOptions = {}): PulledRows<StreamInfo> {
    this.#check();
    // Here `after` is a name, not a place in the log.
    checkReadOptions(options, STREAMS_OPTIONS, []);
    for (const name of ['prefix', 'after'] as const) {
      if (options[name] !== undefined && typeof options[name] !== 'string')
        throw invalidQuery(name, 'must be a string');
    }
    return new PulledRows(() => listStreams(this.#records, this.#indexes, options));
  }

  async *#read(selectors: readonly ParsedSelector[], options: ReadOptions, onHole: OnHole): Batches<Event> {
    this.#check();
    const records = this.#records;
    const durable = records.durable();
    const range = await resolveRange(records, durable, options);
    const { limit = Number.POSITIVE_INFINITY, signal } = options;
    let position = 0;
    const sought = new Selected(records, selectors);
    const batches = search({ records, indexes: this.#indexes, durable, range, sought, limit, signal, onHole });
    for (let next = await batches.next(); ; next = await batches.next()) {
      if (next.done === true) {
        if (range.direction === 'backwards') return range.high;
        return next.value ? range.high : position;
      }
      const { rows, sequences } = next.value;
      position = sequences.at(-1)!;
      this.#check();
      yield { rows, positionOf: range.direction === 'forwards' ? (place) => sequences[place]! : () => range.high };
    }
  }

  async *#readStream(stream: string, options: ReadStreamOptions, onHole: OnHole): Batches<Event> {
    this.#check();
    const records = this.#records;
    const durable = records.durable();
    const last = this.#lastOfStream(stream, durable);
    if (last === 0) return durable;
    const { direction = 'forwards', limit = Number.POSITIVE_INFINITY, fromRevision, toRevision, signal } = options;
    const forwards = direction === 'forwards';
    const lowest = (forwards ? fromRevision : toRevision) ?? 0;
    const highest = (forwards ? toRevision : fromRevision) ?? Number.POSITIVE_INFINITY;
    const range: Range = { low: records.floor, high: last ?? durable, direction };
    const selectors: ParsedSelector[] = [{ streams: [{ value: stream }] }];
    if (limit === 0 || lowest > highest) return limit === 0 && forwards ? 0 : durable;
    // Revisions are gapless: with so many of them the search is over.
    const wanted = Math.min(limit, highest - lowest + 1);
    const revisions = fromRevision === undefined && toRevision === undefined ? undefined : { lowest, highest };
    const sought = new Selected(records, selectors, revisions);
    const query = { records, indexes: this.#indexes, durable, range, sought, limit: wanted, signal, onHole };
    let left = limit;
    for await (const { rows, sequences } of search(query)) {
      left -= rows.length;
      this.#check();
      yield { rows, positionOf: forwards ? (place) => sequences[place]! : () => durable };
      if (left === 0) return forwards ? sequences.at(-1)! : durable;
    }
    return durable;
  }

  /** The last durable event of a stream. */
  async #findLast(stream: string, durable: number): Promise<Event | undefined> {
    const last = this.#lastOfStream(stream, durable);
    if (last === 0) return undefined;
    if (last === undefined) return this.readStream(stream, { direction: 'backwards', limit: 1 }).first();
    return storedEvent(await this.#records.loadOne(last, durable), 0, this.#records.nodeId);
  }
}

function idOf(records: Records, sequence: number, timestampNs: bigint): string {
  return formatEventId(timestampNs, sequence, records.nodeId);
}

function checkStream(stream: unknown): void {
  if (typeof stream !== 'string' || stream === '') throw invalidQuery('stream', 'must be the name of a stream');
  if (stream.includes('*')) throw invalidQuery('stream', 'must be the name of a single stream: read() takes patterns');
}
