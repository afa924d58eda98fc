/** A query as it runs: once from a plan to its rows, and what it took. */
import { setImmediate as giveThreadBack } from 'node:timers/promises';
import { RecordView } from '../../../shared/decoding/record-view.js';
import type { Hole } from '../../../shared/holes.js';
import { aborted } from '../../../shared/portable/errors.js';
import type { Direction } from '../../../shared/portable/log.js';
import { Aggregation, type ParsedAggregate } from '../../../shared/portable/query/aggregate.js';
import { asksPayload, type Examined } from '../../../shared/portable/query/evaluate.js';
import { common, decided, type Intervals, intervalsOf, reaches } from '../../../shared/portable/query/intervals.js';
import type { ParsedQuery } from '../../../shared/portable/query/parse-query.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import { projectorOf } from '../../../shared/portable/query/project.js';
import type { AggregateRow, Explanation } from '../../../shared/portable/query/query.js';
import { toCel } from '../../../shared/portable/query/to-cel.js';
import { firstThat, type Range, type Reached, resolveRange } from '../bounds.js';
import type { Indexes } from '../indexes.js';
import type { Lease } from '../leases.js';
import type { Records } from '../records.js';
import type { Batches } from '../rows.js';
import { search } from '../scan.js';
import type { Pool } from '../sought.js';
import { storedEvent } from '../stored-event.js';
import { bySequence, withValues } from './ascending.js';
import { parseCel } from './cel.js';
import { type Count, countFor } from './counted.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { located } from './locate.js';
import { type Make, Queried } from './queried.js';

/** The log that a query is asked of. */
export interface QueriedLog {
  readonly records: Records;
  readonly indexes: Indexes;
  readonly storeId: string;
  readonly pool: Pool;
  /** Throws where the store is closed. */
  readonly check: () => void;
}

type OnHole = (hole: Hole) => void;

/** What waits for nothing gives the thread back after so many reads of single records, or searches for one. */
const READS_A_TURN = 16;

/** Groups that are made, and their rows in the end. */
interface Groups {
  readonly aggregation: Aggregation;
  /** Undefined where events have to be looked at. */
  readonly count: Count | undefined;
  readonly rows: () => Promise<AggregateRow[]>;
}

export class Execution {
  readonly #log: QueriedLog;
  readonly #query: ParsedQuery;
  /** Tells of bytes that it reads. */
  readonly #records: Records;
  #parsing: Promise<Predicate> | undefined;
  #queried: Queried<unknown> | undefined;
  #begun = false;
  #segmentsConsidered = 0;
  #segmentsOutside = 0;
  #bytesRead = 0;
  #timeMs = 0;
  /** Of the last row; undefined before there is one. */
  #last: number | undefined;
  /** What a cursor has that leads to the first row. */
  #begin = 0;
  #singleReads = 0;
  #whole = false;

  constructor(log: QueriedLog, query: ParsedQuery) {
    this.#log = log;
    this.#query = query;
    this.#records = log.records.metered((bytes) => {
      this.#bytesRead += bytes;
    });
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** The rows. Only once. */
  async *batches(onHole: OnHole): Batches<any> {
    this.#begun = true;
    const over = this.#records.catalog.turns.over();
    if (over !== undefined) await over;
    const lease = this.#records.lease();
    const batches = this.#run(onHole, lease);
    try {
      for (;;) {
        this.#log.check();
        const start = performance.now();
        const next = await batches.next();
        this.#timeMs += performance.now() - start;
        if (next.done === true) return next.value;
        this.#log.check();
        yield next.value;
      }
    } finally {
      await batches.return(0);
      lease.end();
    }
  }

  /** What it took so far. */
  async explanation(): Promise<Explanation> {
    const queried = this.#queried;
    return {
      where: toCel(await this.#predicate()),
      segmentsConsidered: this.#segmentsConsidered,
      segmentsPruned: this.#segmentsOutside + (queried?.segmentsPruned ?? 0),
      postingsRead: queried?.postingsRead ?? 0,
      recordsExamined: queried?.recordsExamined ?? 0,
      recordsDecoded: queried?.recordsDecoded ?? 0,
      recordsMatched: queried?.recordsMatched ?? 0,
      bytesRead: this.#bytesRead,
      timeMs: this.#timeMs,
    };
  }

  /** Where the rows go on, once they are read; undefined at the end of the log. */
  async cursor(): Promise<string | undefined> {
    if (this.#whole) return undefined;
    if (this.#last !== undefined) return encodeCursor(await this.#owner(), this.#last);
    // No row was asked for: they go on where they would have begun.
    return this.#query.cursor ?? encodeCursor(await this.#owner(), this.#begin);
  }

  async *#run(onHole: OnHole, lease: Lease): Batches<unknown> {
    const { aggregate, direction, limit, signal } = this.#query;
    const records = this.#records;
    const durable = records.durable();
    const predicate = await this.#predicate();
    const whole = await this.#wholeRange(durable);
    this.#begin = direction === 'forwards' ? whole.low - 1 : whole.high + 1;
    const here = await this.#located(predicate, durable);
    const parts = common(intervalsOf(here), [whole]);
    const asked = parts.length === 1 ? decided(here, parts[0]!) : here;
    const groups = aggregate && this.#groupsOf(aggregate, durable);
    const queried = this.#sought(asked, groups);
    this.#queried = queried;
    this.#countSegments(parts, durable);
    let left = limit;
    for (const part of partsInOrder(parts, direction)) {
      const found = search({
        records,
        indexes: this.#log.indexes,
        durable,
        range: { ...part, direction },
        sought: queried,
        limit: left,
        signal,
        lease,
        onHole,
      });
      for (let next = await found.next(); ; next = await found.next()) {
        if (next.done === true) {
          this.#whole = next.value;
          break;
        }
        const { rows, sequences } = next.value;
        this.#last = sequences.at(-1)!;
        left -= rows.length;
        yield { rows, positionOf: direction === 'forwards' ? (place) => sequences[place]! : () => whole.high };
      }
      if (!this.#whole) break;
    }
    if (groups !== undefined) yield { rows: await groups.rows(), positionOf: () => whole.high };
    return direction === 'backwards' || this.#whole ? whole.high : (this.#last ?? 0);
  }

  #sought(predicate: Predicate, groups: Groups | undefined): Queried<unknown> {
    const { nodeId, tombstones } = this.#records;
    // What the header decides is decided where it was read.
    const asked = { nodeId, tombstones, pool: asksPayload(predicate) ? this.#log.pool : undefined };
    if (groups === undefined) return new Queried<unknown>(predicate, asked, this.#make(nodeId));
    return new Queried(predicate, asked, (view) => groups.aggregation.add(view), groups.count);
  }

  #groupsOf(aggregate: ParsedAggregate, durable: number): Groups {
    const sequences = bySequence(aggregate);
    const aggregation = new Aggregation(sequences);
    const count = countFor(sequences, aggregation);
    if (count !== undefined) {
      const rows = () => withValues(aggregation.rows(), aggregate, (sequence) => this.#eventAt(sequence, durable));
      return { aggregation, count, rows };
    }
    // Each event is looked at, so there is nothing to be known in the end.
    const whole = new Aggregation(aggregate);
    return { aggregation: whole, count, rows: async () => whole.rows() };
  }

  async #eventAt(sequence: number, durable: number): Promise<Examined> {
    await this.#pause();
    this.#queried!.recordsExamined++;
    return new RecordView(await this.#records.loadOne(sequence, durable), 0, this.#records.nodeId);
  }

  /** Between reads of single records: gives the thread back now and then. @throws ERR_ABORTED */
  async #pause(): Promise<void> {
    const { signal } = this.#query;
    if (signal?.aborted === true) throw aborted(signal, 'the read');
    if (++this.#singleReads % READS_A_TURN === 0) await giveThreadBack();
  }

  #make(nodeId: string): Make<unknown> {
    const { select } = this.#query;
    return select === undefined ? (_, memory, at) => storedEvent(memory, at, nodeId) : projectorOf(select);
  }

  /** The part of the log that is asked, whatever it is asked for. */
  async #wholeRange(durable: number): Promise<Range> {
    const { cursor, direction } = this.#query;
    if (cursor === undefined) return resolveRange(this.#records, durable, { direction });
    return resolveRange(this.#records, durable, { direction, after: decodeCursor(await this.#owner(), cursor) });
  }

  /** A predicate as it can be asked of the log as it is now: times and ids are known by the sequences that come to them. */
  #located(predicate: Predicate, durable: number): Promise<Predicate> {
    const records = this.#records;
    const first = async (reached: Reached): Promise<number> => {
      await this.#pause();
      return firstThat(records, durable, reached);
    };
    return located(predicate, { nodeId: records.nodeId, first });
  }

  #countSegments(parts: Intervals, durable: number): void {
    const { catalog } = this.#records;
    const segments = catalog.segments.filter(({ firstSequence }) => firstSequence <= durable);
    this.#segmentsConsidered = segments.length;
    this.#segmentsOutside = segments.filter(
      (segment) => !reaches(parts, { low: segment.firstSequence, high: catalog.lastSequenceOf(segment, durable) }),
    ).length;
  }

  async #owner(): Promise<{ storeId: string; predicate: Predicate; direction: Direction }> {
    return { storeId: this.#log.storeId, predicate: await this.#predicate(), direction: this.#query.direction };
  }

  #predicate(): Promise<Predicate> {
    const { where } = this.#query;
    this.#parsing ??= typeof where === 'string' ? parseCel(where) : Promise.resolve(where);
    return this.#parsing;
  }
}

/** Parts of the log in the order of reading; of none, one that has nothing in it. */
function partsInOrder(parts: Intervals, direction: Direction): Intervals {
  if (parts.length === 0) return [{ low: 1, high: 0 }];
  return direction === 'forwards' ? parts : parts.toReversed();
}
