/**
 * A source of JSON lines on its way into a store, exactly once: the progress of the source commits with each batch (see
 * `line-ids.ts`), so whatever ends a run, the next one goes on behind the last line that is durable.
 *
 * The order of the lines is the order of the log. Several batches are on their way to the disk at a time; a batch never
 * waits for room inside the store, but here, so that none can overtake another.
 */
import type { RecordableHistogram } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { isKeeperError } from '../../../shared/portable/errors.js';
import type { NewEvent } from '../../../shared/portable/events.js';
import type { Enqueued, Store } from '../../index.js';
import { enqueueOwn, type OwnAppend } from '../../store.js';
import { EXIT, quote, Refusal } from '../failure.js';
import { recordLatency } from '../load.js';
import { type Entry, findBad, runsOf } from './batch.js';
import { LineIds, PROGRESS_TYPE, type Progress } from './line-ids.js';
import type { Line, LineReader } from './lines.js';
import { badLine, parseLine } from './parse-line.js';

/** A batch is committed at so much JSON: encoded, it stays below what one call may take. Unit: bytes. */
const MAX_BATCH_BYTES = 2 * 1024 * 1024;
/** Batches on their way to the disk. */
const MAX_IN_FLIGHT = 4;

interface Options {
  readonly store: Store;
  /** The progress is remembered under it. */
  readonly name: string;
  /** What people call it. */
  readonly label: string;
  readonly maxEvents: number;
  /** Events a second; undefined is as fast as can be. */
  readonly rate: number | undefined;
  readonly latency: RecordableHistogram;
  readonly signal: AbortSignal;
}

export interface SourceReport {
  readonly name: string;
  /** Where this run began, and where the next one will: zero-based. */
  readonly resumedAt: number;
  readonly line: number;
  readonly added: number;
}

export class Ingestion {
  readonly #options: Options;
  readonly #stream: string;
  readonly #ids: LineIds;
  readonly #inFlight: Promise<void>[] = [];
  #batch: Entry[] = [];
  #batchBytes = 0;
  #line = 0;
  #offset = 0;
  #checksum = 0;
  #resumedAt = 0;
  #committedLine = 0;
  #added = 0;
  #seen = 0;
  #startMs = 0;
  #failure: unknown;
  /** Called when a batch is durable. */
  onCommitted: (state: { offset: number; added: number }) => void = () => {};
  /** Called when a batch that was on its way has failed: nothing more is to be read. */
  onFailed: () => void = () => {};

  constructor(options: Options) {
    this.#options = options;
    this.#stream = `$ingest/${options.name}`;
    this.#ids = new LineIds(options.store, this.#stream);
  }

  /**
   * Ingest what is new. Ends early, in order, when the signal aborts.
   * @param eager whether to commit what there is rather than wait for more
   * @throws Refusal for a bad line, once all before it is durable; what the store refuses with
   */
  async run(reader: LineReader, eager: boolean): Promise<SourceReport> {
    try {
      const last = await this.#ids.last();
      if (last !== undefined) await this.#resume(last, reader);
      this.#startMs = performance.now();
      for (let lines = await reader.next(); lines !== undefined; lines = await reader.next()) {
        for (const line of lines) {
          await this.#add(line);
          if (this.#options.signal.aborted) break;
        }
        if (this.#options.signal.aborted) break;
        if (eager) await this.#commitBatch();
      }
      if (!this.#options.signal.aborted) await this.#commitBatch();
    } finally {
      // What is on its way is waited for in any case: it is reported as committed, or as the failure.
      await Promise.allSettled(this.#inFlight);
    }
    if (this.#failure !== undefined) throw this.#failure;
    const { name } = this.#options;
    return { name, resumedAt: this.#resumedAt, line: this.#committedLine, added: this.#added };
  }

  /** Pass over what was ingested, and make sure that it is still the same. */
  async #resume(last: Progress, reader: LineReader): Promise<void> {
    const { label, signal } = this.#options;
    this.#checksum = last.checksum;
    this.#offset = last.offset;
    this.#line = this.#resumedAt = this.#committedLine = last.line;
    const checksum = await reader.skip(last.offset);
    if (signal.aborted) return;
    const lineEnd = last.unended === true && checksum === last.checksum ? await reader.skipLineEnd() : Buffer.alloc(0);
    if (checksum !== last.checksum || lineEnd === undefined) {
      throw new Refusal(
        EXIT.failed,
        `${label} does not begin with the ${last.line} lines that were ingested under the name ${last.source}: it is another source, or its past was changed`,
        `ingest ${quote(label === 'stdin' ? '-' : label)} --name another-name`,
        { source: last.source, line: last.line },
      );
    }
    this.#offset += lineEnd.length;
    this.#checksum = crc32(lineEnd, this.#checksum);
  }

  async #add({ bytes, ended }: Line): Promise<void> {
    const { label, rate, maxEvents } = this.#options;
    const line = this.#line++;
    this.#offset += bytes.length;
    this.#checksum = crc32(bytes, this.#checksum);
    const event = await this.#orCommitFirst(() => parseLine(bytes, label, line));
    let dueMs = 0;
    if (event !== undefined && rate !== undefined) {
      dueMs = this.#startMs + (1000 * this.#seen++) / rate;
      if (dueMs > performance.now()) await this.#waitUntil(dueMs);
    }
    this.#batch.push({ line, event, offset: this.#offset, checksum: this.#checksum, ended, dueMs });
    this.#batchBytes += bytes.length;
    if (this.#batch.length >= maxEvents || this.#batchBytes >= MAX_BATCH_BYTES) await this.#commitBatch();
  }

  async #waitUntil(dueMs: number): Promise<void> {
    await this.#commitBatch();
    const { signal } = this.#options;
    for (let left = dueMs - performance.now(); left > 0 && !signal.aborted; left = dueMs - performance.now()) {
      await delay(Math.ceil(left), undefined, { signal }).catch(() => {});
    }
  }

  /** Where a line is refused, what stands before it is committed first. */
  async #orCommitFirst<T>(use: () => T): Promise<T> {
    try {
      return use();
    } catch (error) {
      await this.#commitBatch();
      throw error;
    }
  }

  async #commitBatch(): Promise<void> {
    const entries = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (entries.length > 0) await this.#commit(entries);
  }

  /** Send lines on their way: their events and, behind them, the progress. */
  async #commit(entries: readonly Entry[]): Promise<void> {
    const withEvents = entries.filter(({ event }) => event !== undefined);
    const events = await this.#withCauses(entries, withEvents);
    const progress = this.#progressOf(entries, withEvents.length);
    const appends = [
      ...runsOf(withEvents, events),
      { stream: this.#stream, events: [{ type: PROGRESS_TYPE, data: progress }] },
    ];
    let enqueued: Enqueued | undefined;
    try {
      enqueued = await this.#enqueue(appends);
    } catch (error) {
      return this.#refused(error, entries, withEvents, appends);
    }
    if (enqueued === undefined) return;
    const { ids, durable } = enqueued;
    this.#ids.add({ ...progress, ids: ids.slice(0, -1) });
    const sentMs = performance.now();
    const committed = durable.then(
      ({ revision }) => {
        const nowMs = performance.now();
        for (const { dueMs } of withEvents)
          recordLatency(this.#options.latency, nowMs - (dueMs === 0 ? sentMs : dueMs));
        this.#ids.onDurable(revision);
        this.#added += withEvents.length;
        this.#committedLine = progress.line;
        this.onCommitted({ offset: progress.offset, added: this.#added });
      },
      (error: unknown) => {
        this.#failure ??= error;
        this.onFailed();
      },
    );
    this.#inFlight.push(committed);
    while (this.#inFlight.length >= MAX_IN_FLIGHT) await this.#inFlight.shift();
  }

  /** Events with their causes: places in this call, or ids of earlier lines. */
  async #withCauses(entries: readonly Entry[], withEvents: readonly Entry[]): Promise<NewEvent[]> {
    const firstLine = entries[0]!.line;
    const events: NewEvent[] = [];
    for (const { line, event } of withEvents) {
      const { causeLine, event: own } = event!;
      if (causeLine === undefined) {
        events.push(own);
        continue;
      }
      const place = causeLine < firstLine ? -1 : withEvents.findIndex((entry) => entry.line === causeLine);
      const cause = place >= 0 ? place : causeLine < firstLine ? await this.#ids.find(causeLine) : undefined;
      if (cause === undefined) {
        const before = entries.filter((entry) => entry.line < line);
        if (before.length > 0) await this.#commit(before);
        throw badLine(this.#options.label, line, 'cause', `is ${causeLine}, a line without an event`);
      }
      events.push({ ...own, causes: [cause] });
    }
    return events;
  }

  #progressOf(entries: readonly Entry[], events: number): Progress {
    const last = entries.at(-1)!;
    const blank = entries.filter(({ event }) => event === undefined).map(({ line }) => line);
    return {
      source: this.#options.name,
      firstLine: entries[0]!.line,
      line: last.line + 1,
      events,
      ...(blank.length > 0 && { blank }),
      offset: last.offset,
      checksum: last.checksum,
      ...(!last.ended && { unended: true as const }),
    };
  }

  /** Accepted, in turn. Undefined once a batch before it has failed. */
  async #enqueue(appends: readonly OwnAppend[]): Promise<Enqueued | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        return enqueueOwn(this.#options.store, appends);
      } catch (error) {
        if (!isKeeperError(error, 'ERR_BACKPRESSURE') || this.#inFlight.length === 0) throw error;
        await this.#inFlight.shift();
      }
    }
  }

  /** The store has refused lines: split them where they are too many, commit those before a bad one. */
  async #refused(
    error: unknown,
    entries: readonly Entry[],
    withEvents: readonly Entry[],
    appends: readonly OwnAppend[],
  ): Promise<void> {
    if (!isKeeperError(error) || error === this.#failure) throw error;
    if (error.code === 'ERR_BATCH_TOO_LARGE' && entries.length > 1) {
      const middle = entries.length >>> 1;
      await this.#commit(entries.slice(0, middle));
      return this.#commit(entries.slice(middle));
    }
    const found = findBad(error, withEvents, appends);
    if (found === undefined) throw error;
    const before = entries.filter(({ line }) => line < found.line);
    if (before.length > 0) await this.#commit(before);
    throw badLine(this.#options.label, found.line, found.field, found.what);
  }
}
