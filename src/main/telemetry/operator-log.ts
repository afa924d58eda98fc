/**
 * What an operator is told: each line's level, fields and message. docs/operations.md lists them, with what to do. A message
 * stays what it is and a field keeps its name and unit: alerts are made of them.
 *
 * Every line has `dir`. An error is the field `err`, as pino and what is like it serialize it: message, stack, code, errno.
 */
import path from 'node:path';
import { KEY_FILE } from '../../shared/format/file-names.js';
import type { LogLine } from '../../shared/messages.js';
import type { Logger } from '../../shared/options.js';
import { fromWire, type WireError } from '../../shared/portable/errors.js';
import type { RecoveryReport } from '../../shared/recovery-report.js';

/** What a store is when it is open. */
export interface OpenedFields {
  readonly storeId: string;
  readonly nodeId: string;
  /** The last durable sequence, and the number of segment files. */
  readonly durable: number;
  readonly segments: number;
  readonly clean: boolean;
}

export class OperatorLog {
  readonly #logger: Logger;
  readonly #dir: string;
  readonly #began = performance.now();
  #suspended = 0;
  #closing = 0;

  /** To be made when opening begins: how long that takes is told. */
  constructor(logger: Logger, dir: string) {
    this.#logger = logger;
    this.#dir = dir;
  }

  /** @param replayedEvents whose heads and keys were taken from the log, as no checkpoint has them */
  opened(fields: OpenedFields, replayedEvents: number): void {
    this.#say('info', { ...fields, replayedEvents, tookMs: since(this.#began) }, 'the store is open');
  }

  openedReadOnly(fields: OpenedFields): void {
    this.#say('info', { ...fields, tookMs: since(this.#began) }, 'the store is open for reading only');
  }

  /** @param range the durable sequences that are hit, from an offset in a file on */
  damaged(range: { file: string; offset: number; firstSequence: number; lastSequence: number }): void {
    this.#say('warn', range, 'durable events do not verify: only what is intact can be read');
  }

  lockFileLeft(error: Error): void {
    this.#say('warn', { err: error }, 'the lock is free, but its file could not be emptied');
  }

  /** @param error that names the segment's file */
  segmentLost(error: Error): void {
    this.#say('warn', { err: error }, 'a segment is lost: only what is in the others can be read');
  }

  recovered({ clean, rewrittenBytes, tookMs, tornBytes, tornFile }: RecoveryReport): void {
    if (!clean) {
      const fields = { rewrittenBytes, tookMs: Math.round(tookMs) };
      this.#say('info', fields, 'the store was not closed by its last writer, and has been recovered');
    }
    if (tornFile !== undefined) {
      this.#say('warn', { tornBytes, tornFile }, 'a torn end of the log, never acknowledged as synced, was set aside');
    }
  }

  rotated(segment: number, durable: number): void {
    this.#say('debug', { segment, durable }, 'the log goes on in a new segment');
  }

  /** @param err that names the segment's file, or what the system said */
  sealingFailed(err: unknown): void {
    this.#say('warn', { err }, 'a full segment could not be sealed, and stays as it is');
  }

  /** @param err that names the segment's file, or what the system said */
  indexingFailed(err: unknown): void {
    this.#say('warn', { err }, 'the index of a sealed segment could not be made: queries go on without it');
  }

  checkpointFailed(error: Error | WireError): void {
    const err = error instanceof Error ? error : fromWire(error);
    this.#say('warn', { err }, 'the checkpoint of stream heads could not be written');
  }

  /** @param why the file could not be used: `'missing'` or `'damaged'` */
  tombstonesLost(why: string): void {
    this.#say('warn', { why }, 'the file of deleted streams is made anew from the log');
  }

  /** @param err that names the file, or what the system said */
  tombstonesFailed(err: Error): void {
    this.#say('error', { err }, 'the file of deleted streams could not be written');
  }

  /** @param appends that were failed with it */
  suspended(err: Error, durable: number, appends: number): void {
    this.#suspended = performance.now();
    this.#say('error', { err, durable, appends }, 'the disk is full: writes are suspended until there is space');
  }

  resumed(durable: number): void {
    const fields = { durable, suspendedMs: since(this.#suspended) };
    this.#say('info', fields, 'there is space again: writes are resumed');
  }

  /** @param appends that were failed with it */
  failed(err: Error, durable: number, appends: number): void {
    const fields = { err, durable, appends };
    this.#say('error', fields, 'the log cannot be written any more: close the store and open it again');
  }

  backgroundEnded(err: Error | undefined): void {
    this.#say('error', { err }, 'the background thread has ended; the log goes on without it');
  }

  clockJumped(jumpMs: number): void {
    this.#say('warn', { jumpMs }, 'the wall clock has jumped; timestamps go on increasing');
  }

  /** @param aheadMs how far the newest event is ahead of the wall clock, negative where it is behind */
  clockDoubted(aheadMs: number): void {
    this.#say('warn', { aheadMs }, 'the wall clock is in doubt: retention by age is suspended');
  }

  pruned({ floor, segments, bytes }: { floor: number; segments: number; bytes: number }): void {
    this.#say('info', { floor, segments, bytes }, 'retention has removed the oldest segments');
  }

  /** @param err that names the file, or what the system said */
  keyExposed(): void {
    const file = path.join(this.#dir, KEY_FILE);
    this.#say('warn', { file }, 'others may read the key that signs, or write its file');
  }

  retentionFailed(err: unknown): void {
    this.#say('warn', { err }, 'retention could not remove the oldest segments');
  }

  noteFailed(err: unknown, type: string): void {
    this.#say('warn', { err, type }, 'an event about the store could not be recorded');
  }

  closing(): void {
    this.#closing = performance.now();
  }

  /** @param clean whether the end of the log is marked as such */
  closed(durable: number, clean: boolean): void {
    const fields = { durable, tookMs: since(this.#closing) };
    if (clean) this.#say('info', fields, 'the store is closed');
    else
      this.#say('warn', fields, 'the store is closed, its end not marked as clean: it is recovered when it is opened');
  }

  /** A line from another thread. */
  relay({ level, fields: { error, ...fields }, message }: LogLine): void {
    this.#say(level, error === undefined ? fields : { ...fields, err: fromWire(error) }, message);
  }

  #say(level: keyof Logger, fields: object, message: string): void {
    this.#logger[level]({ dir: this.#dir, ...fields }, message);
  }
}

function since(began: number): number {
  return Math.round(performance.now() - began);
}
