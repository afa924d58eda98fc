/**
 * What threads say to each other, one union a direction. Watermarks are not here: they are words of the shared memory.
 * A thread that gets a kind it does not know fails.
 */

import type { MessagePort } from 'node:worker_threads';
import type { Entries } from './entries.js';
import type { WireError } from './portable/errors.js';
import type { RecoveryReport } from './recovery-report.js';
import type { SharedBuffers } from './ring/layout.js';
import type { RingPlace } from './ring/producer.js';

/** What the writer is started with. */
export interface WriterData {
  readonly dir: string;
  readonly nodeId: string | undefined;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  /** What follows this sequence is read again, to know heads and keys. */
  readonly replayFrom: number;
  readonly shared: SharedBuffers;
  /** To and from the caller. */
  readonly control: MessagePort;
  /** To the background thread. */
  readonly background: MessagePort;
}

/** Caller to writer. Sent, then `control` and `signal` are bumped. */
export type ToWriter =
  /** Everything not durable was given up; the ring goes on at a place. */
  | { readonly kind: 'rolled-back'; readonly place: RingPlace }
  /** Drain, sync, mark the end as clean, release. */
  | { readonly kind: 'close' };

/** What the store is, once the writer has recovered it. */
export interface Opened {
  readonly kind: 'opened';
  readonly lastSequence: number;
  readonly lastTimestampNs: bigint;
  readonly recovery: RecoveryReport;
}

/** Writer to caller. */
export type FromWriter =
  | Opened
  /** The store was not opened. */
  | { readonly kind: 'refused'; readonly error: WireError }
  /** A watermark has moved. At most one is on its way. */
  | { readonly kind: 'progress' }
  /** The disk is full: what is not durable has to be given up. */
  | { readonly kind: 'suspended'; readonly error: WireError }
  /** There is space again. */
  | { readonly kind: 'resumed' }
  /** Nothing will be written any more. */
  | { readonly kind: 'failed'; readonly error: WireError }
  /** Nothing is open any more. */
  | { readonly kind: 'closed'; readonly clean: boolean }
  | LogLine;

/** A line for the logger. */
export interface LogLine {
  readonly kind: 'log';
  readonly level: 'error' | 'warn' | 'info';
  /** Its fields, and its error if it has one. */
  readonly fields: { readonly error?: WireError; readonly segment?: number };
  readonly message: string;
}

/** What the background thread is started with. */
export interface BackgroundData {
  readonly dir: string;
  readonly shared: SharedBuffers;
  /** From the writer. */
  readonly writer: MessagePort;
}

/** Writer to background thread: a segment has its first durable frame, and the next one may be made. */
export interface SegmentBegun {
  readonly kind: 'segment-begun';
  readonly segment: number;
}

/** Caller to background thread. */
export type ToBackground =
  /** Write a checkpoint beside the one in force; it is put in force by `commit-checkpoint`. */
  | { readonly kind: 'write-checkpoint'; readonly snapshot: CheckpointSnapshot }
  | { readonly kind: 'commit-checkpoint' }
  | { readonly kind: 'close' };

/** Background thread to caller. */
export type FromBackground =
  | { readonly kind: 'checkpoint-written' }
  | { readonly kind: 'checkpoint-committed' }
  | { readonly kind: 'checkpoint-failed'; readonly error: WireError }
  | { readonly kind: 'closed' }
  | LogLine;

/** Heads and keys at one sequence, as {@link file://./format/checkpoint.ts} stores them. */
export interface CheckpointSnapshot {
  readonly storeId: Uint8Array;
  readonly sequence: number;
  /** The sequence of the checkpoint that the changed heads are changes to; 0 where they are all there are. */
  readonly base: number;
  /** Changed heads, unsorted. */
  readonly heads: Entries;
  /** All live keys, oldest first. */
  readonly keys: Entries;
}

/** One end of a conversation between threads. */
export interface Channel<Out, In> {
  post(message: Out): void;
  /** The next message that has arrived, without waiting for one. */
  receive(): In | undefined;
}
