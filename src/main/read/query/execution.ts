/** A query as it runs: once from a plan to its rows, and what it took. */
import type { Hole } from '../../../shared/holes.js';
import type { Direction } from '../../../shared/portable/log.js';
import { Aggregation, type ParsedAggregate } from '../../../shared/portable/query/aggregate.js';
import { asksPayload } from '../../../shared/portable/query/evaluate.js';
import { type Zone, zoneOf } from '../../../shared/portable/query/narrow.js';
import type { ParsedQuery } from '../../../shared/portable/query/parse-query.js';
import type { Predicate } from '../../../shared/portable/query/predicate.js';
import { projectorOf } from '../../../shared/portable/query/project.js';
import type { Explanation } from '../../../shared/portable/query/query.js';
import { toCel } from '../../../shared/portable/query/to-cel.js';
import { type Range, resolveRange } from '../bounds.js';
import type { Indexes } from '../indexes.js';
import type { Lease } from '../leases.js';
import type { Records } from '../records.js';
import type { Batches } from '../rows.js';
import { search } from '../scan.js';
import type { Pool } from '../sought.js';
import { storedEvent } from '../stored-event.js';
import { parseCel } from './cel.js';
import { countFor } from './counted.js';
import { decodeCursor, encodeCursor } from './cursor.js';
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

/** Milliseconds that a Date can hold, both ways. */
const LAST_MS = 8.64e15;

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
    const range = await this.#narrowed(whole, zoneOf(predicate), durable);
    const aggregation = aggregate && new Aggregation(aggregate);
    const queried = this.#sought(predicate, aggregate, aggregation);
    this.#queried = queried;
    this.#countSegments(range, durable);
    const found = search({
      records,
      indexes: this.#log.indexes,
      durable,
      range,
      sought: queried,
      limit,
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
      yield { rows, positionOf: direction === 'forwards' ? (place) => sequences[place]! : () => whole.high };
    }
    if (aggregation !== undefined) yield { rows: aggregation.rows(), positionOf: () => whole.high };
    return direction === 'backwards' || this.#whole ? whole.high : (this.#last ?? 0);
  }

  #sought(
    predicate: Predicate,
    aggregate: ParsedAggregate | undefined,
    aggregation: Aggregation | undefined,
  ): Queried<unknown> {
    const { nodeId, tombstones } = this.#records;
    // What the header decides is decided where it was read.
    const asked = { nodeId, tombstones, pool: asksPayload(predicate) ? this.#log.pool : undefined };
    if (aggregate !== undefined && aggregation !== undefined) {
      const count = countFor(aggregate, aggregation);
      return new Queried(predicate, asked, (view) => aggregation.add(view), count);
    }
    return new Queried<unknown>(predicate, asked, this.#make(nodeId));
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

  /** The part of a range that a predicate can match in. */
  async #narrowed(range: Range, { sequence, time }: Zone, durable: number): Promise<Range> {
    let low = Math.max(range.low, Math.ceil(sequence.low));
    let high = Math.min(range.high, Math.floor(sequence.high));
    if (low > high || time.low > LAST_MS || time.high < -LAST_MS || time.low > time.high)
      return { ...range, low: 1, high: 0 };
    const bounds = {
      ...(time.low > -LAST_MS && { from: new Date(Math.floor(time.low)) }),
      ...(time.high < LAST_MS && { to: new Date(Math.ceil(time.high)) }),
    };
    if (bounds.from !== undefined || bounds.to !== undefined) {
      const between = await resolveRange(this.#records, durable, bounds);
      low = Math.max(low, between.low);
      high = Math.min(high, between.high);
    }
    return { direction: range.direction as Direction, low, high };
  }

  #countSegments({ low, high }: Range, durable: number): void {
    const { catalog } = this.#records;
    const segments = catalog.segments.filter(({ firstSequence }) => firstSequence <= durable);
    this.#segmentsConsidered = segments.length;
    this.#segmentsOutside = segments.filter(
      (segment) => low > high || segment.firstSequence > high || catalog.lastSequenceOf(segment, durable) < low,
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
