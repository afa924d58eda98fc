/** The reads of the portable interface. */
import { hash } from 'node:crypto';
import { type Memory, recordSequence, recordTimestampNs } from '../../shared/format/record.js';
import type { Hole } from '../../shared/holes.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Head, ReadOptions, ReadStreamOptions, StreamInfo, StreamsOptions } from '../../shared/portable/log.js';
import { parseQuery } from '../../shared/portable/query/parse-query.js';
import { type ParsedSelector, parseSelectors } from '../../shared/portable/selector.js';
import { checkReadOptions, checkStream, invalidQuery, namedSequence, type Range, resolveRange } from './bounds.js';
import { Indexes } from './indexes.js';
import type { Lease } from './leases.js';
import { LogCondition } from './log-condition.js';
import { Execution } from './query/execution.js';
import { QueriedRows } from './query/query-rows.js';
import type { Records } from './records.js';
import { type Batches, PulledRows } from './rows.js';
import { search } from './scan.js';
import { type Pool, Selected } from './sought.js';
import { storedEvent } from './stored-event.js';
import type { StreamEnd, StreamEnds } from './stream-ends.js';
import { listStreams } from './streams.js';

const READ_OPTIONS = ['from', 'to', 'after', 'direction', 'limit', 'signal'];
const STREAM_OPTIONS = ['fromRevision', 'toRevision', 'direction', 'limit', 'signal'];
const STREAMS_OPTIONS = ['prefix', 'limit', 'after', 'signal'];

type Event = RecordedEvent<any>;

type OnHole = (hole: Hole) => void;

export class Reader {
  readonly #records: Records;
  readonly #indexes: Indexes;
  readonly #ends: StreamEnds;
  readonly #storeId: string;
  readonly #pool: Pool;
  /** Throws where the store is closed. */
  readonly #check: () => void;

  constructor(records: Records, ends: StreamEnds, storeId: string, pool: Pool, check: () => void) {
    this.#records = records;
    this.#pool = pool;
    this.#storeId = storeId;
    this.#indexes = new Indexes(records);
    this.#ends = ends;
    this.#check = check;
  }

  /** Resolves when nothing is read any more but what others have asked for. */
  close(): Promise<void> {
    return this.#indexes.close();
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

  /**
   * The sequence of a durable event. Of one below the floor, what its id says: there is nothing left to compare it with.
   * @throws ERR_NOT_FOUND, and what {@link get} throws
   */
  async sequenceOf(idOrSequence: string | number): Promise<number> {
    this.#check();
    const sequence = namedSequence(idOrSequence);
    if (sequence > 0 && sequence < this.#records.floor) return sequence;
    return recordSequence((await this.#loadThere(idOrSequence)).view, 0);
  }

  async #loadThere(idOrSequence: string | number): Promise<Memory> {
    const memory = await this.#load(idOrSequence);
    if (memory === undefined) throw new KeeperError('ERR_NOT_FOUND', `there is no durable event ${idOrSequence}`);
    return memory;
  }

  /** The record of a durable event, undefined where there is none. */
  async #load(idOrSequence: string | number): Promise<Memory | undefined> {
    const over = this.#records.catalog.turns.over();
    if (over !== undefined) await over;
    this.#check();
    const sequence = namedSequence(idOrSequence);
    const durable = this.#records.durable();
    if (sequence === 0 || sequence > durable) return undefined;
    const memory = await this.#loadLeased(sequence, durable);
    if (this.#records.tombstones.hides(sequence, memory, 0)) return undefined;
    if (
      typeof idOrSequence === 'string' &&
      idOf(this.#records, sequence, recordTimestampNs(memory.view, 0)) !== idOrSequence
    ) {
      return undefined;
    }
    return memory;
  }

  /** One record, which stays until it is read. @throws ERR_PRUNED below the floor */
  async #loadLeased(sequence: number, durable: number): Promise<Memory> {
    this.#records.catalog.start.check(sequence);
    const lease = this.#records.lease(sequence);
    try {
      return await this.#records.loadOne(sequence, durable);
    } finally {
      lease.end();
    }
  }

  async head(stream?: string): Promise<Head | undefined> {
    const over = this.#records.catalog.turns.over();
    if (over !== undefined) await over;
    this.#check();
    if (stream !== undefined) checkStream(stream);
    const durable = this.#records.durable();
    const sequence = this.#records.holes.skipBack(durable);
    if (sequence < this.#records.floor) return undefined;
    if (stream === undefined) {
      const memory = await this.#loadLeased(sequence, durable);
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
    return new PulledRows((onHole) => this.#leased((lease) => this.#read(selectors, options, onHole, lease)));
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
    return new PulledRows((onHole) => this.#leased((lease) => this.#readStream(stream, options, onHole, lease)));
  }

  /** What an append asks that must not be behind events that match. */
  condition(selectors: readonly ParsedSelector[], after: number): LogCondition {
    return new LogCondition(this.#records, this.#indexes, selectors, after);
  }

  query(query: unknown, options: unknown): QueriedRows<any> {
    this.#check();
    const parsed = parseQuery(query, options);
    const log = {
      records: this.#records,
      indexes: this.#indexes,
      storeId: this.#storeId,
      pool: this.#pool,
      check: this.#check,
    };
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

  /** From its first pull to its end, a read holds what it still needs. */
  async *#leased(read: (lease: Lease) => Batches<Event>): Batches<Event> {
    const over = this.#records.catalog.turns.over();
    if (over !== undefined) await over;
    this.#check();
    const lease = this.#records.lease();
    try {
      return yield* read(lease);
    } finally {
      lease.end();
    }
  }

  async *#read(
    selectors: readonly ParsedSelector[],
    options: ReadOptions,
    onHole: OnHole,
    lease: Lease,
  ): Batches<Event> {
    this.#check();
    const records = this.#records;
    const durable = records.durable();
    const range = await resolveRange(records, durable, options);
    const { limit = Number.POSITIVE_INFINITY, signal } = options;
    let position = 0;
    const sought = new Selected(records, selectors);
    const batches = search({ records, indexes: this.#indexes, durable, range, sought, limit, signal, lease, onHole });
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

  async *#readStream(stream: string, options: ReadStreamOptions, onHole: OnHole, lease: Lease): Batches<Event> {
    this.#check();
    const records = this.#records;
    const durable = records.durable();
    const last = this.#ends.last(stream, durable);
    if (last?.lastSequence === 0) return durable;
    const { direction = 'forwards', limit = Number.POSITIVE_INFINITY, fromRevision, toRevision, signal } = options;
    const forwards = direction === 'forwards';
    const lowest = (forwards ? fromRevision : toRevision) ?? 0;
    const highest = (forwards ? toRevision : fromRevision) ?? Number.POSITIVE_INFINITY;
    const range: Range = { low: records.floor, high: last?.lastSequence ?? durable, direction };
    const selectors: ParsedSelector[] = [{ streams: [{ value: stream }] }];
    if (limit === 0 || lowest > highest) return limit === 0 && forwards ? 0 : durable;
    // Revisions are gapless: with so many of them the search is over.
    const wanted = Math.min(limit, highest - lowest + 1);
    const revisions = fromRevision === undefined && toRevision === undefined ? undefined : { lowest, highest };
    const sought = new Selected(records, selectors, revisions);
    const query = { records, indexes: this.#indexes, durable, range, sought, limit: wanted, signal, lease, onHole };
    let left = limit;
    const asked = forwards ? fromRevision : toRevision;
    let lastRow: Event | undefined;
    for await (const { rows, sequences } of search(query)) {
      left -= rows.length;
      this.#check();
      if (forwards && lastRow === undefined) await this.#checkAsked(stream, asked, highest, last, rows[0]);
      lastRow = rows.at(-1);
      yield { rows, positionOf: forwards ? (place) => sequences[place]! : () => durable };
      if (left === 0) return forwards ? sequences.at(-1)! : durable;
    }
    if (!forwards || lastRow === undefined) await this.#checkAsked(stream, asked, highest, last, lastRow);
    return durable;
  }

  /**
   * Nothing that was asked for by its revision is left out without a word.
   * @param asked the lowest revision, where one was given
   * @param last the stream's last event, where it is known
   * @param found the event with the lowest revision that is there; undefined where there is none
   * @throws ERR_PRUNED where retention has removed some of what was asked for
   */
  async #checkAsked(
    stream: string,
    asked: number | undefined,
    highest: number,
    last: StreamEnd | undefined,
    found: Event | undefined,
  ): Promise<void> {
    const { floor, holes, tombstones } = this.#records;
    // What is not there was deleted.
    if (tombstones.of(stream) >= floor) return;
    if (asked === undefined || floor === 1 || (found !== undefined && found.revision <= asked)) return;
    const upTo = found?.sequence ?? last?.lastSequence ?? this.#records.durable();
    // What a repair gave up is told of in another way.
    if (holes.missing(floor, upTo).length > 0) return;
    if (found === undefined) {
      const end = last ?? (await this.#ends.removed(stream));
      if (end === undefined || end.revision < asked || highest < asked) return;
    }
    const what = `revision ${asked} of ${stream} is below the retention floor ${floor}`;
    throw new KeeperError('ERR_PRUNED', what, { floor, hint: 'Without a revision, what is left of a stream is read.' });
  }

  /** The last durable event of a stream. */
  async #findLast(stream: string, durable: number): Promise<Event | undefined> {
    const last = this.#ends.last(stream, durable);
    if (last?.lastSequence === 0) return undefined;
    if (last === undefined) {
      const found = await this.readStream(stream, { direction: 'backwards', limit: 1 }).first();
      const gone = found === undefined ? await this.#ends.removed(stream) : undefined;
      if (gone !== undefined) this.#records.catalog.start.check(gone.lastSequence);
      return found;
    }
    return storedEvent(await this.#loadLeased(last.lastSequence, durable), 0, this.#records.nodeId);
  }
}

function idOf(records: Records, sequence: number, timestampNs: bigint): string {
  return formatEventId(timestampNs, sequence, records.nodeId);
}
