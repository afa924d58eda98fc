/**
 * What threads say to each other, one union a direction. Watermarks are not here: they are words of the shared memory.
 * A thread that gets a kind it does not know fails.
 */

import type { MessagePort } from 'node:worker_threads';
import type { Entries } from './entries.js';
import type { NamedBase } from './format/manifest.js';
import type { PackedTombstones } from './format/tombstones.js';
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
  /** Have the manifest say where the log begins from now on. Answered with `pruned` or `prune-failed`. */
  | { readonly kind: 'prune'; readonly cut: LogCut }
  /** Have the log go on behind a segment, though that is not full. Answered with `rotated` or `rotate-failed`. */
  | { readonly kind: 'rotate'; readonly segment: number }
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
  /** The manifest says so, durably: what is below may go. */
  | { readonly kind: 'pruned' }
  /** It does not say so, or not durably. */
  | { readonly kind: 'prune-failed'; readonly error: WireError }
  /** It goes on in another segment, whose header is durable; or not, where there is no space for one. */
  | { readonly kind: 'rotated'; readonly isDone: boolean }
  /** It does not go on any more. */
  | { readonly kind: 'rotate-failed'; readonly error: WireError }
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
  /** Put it in force; behind the tombstones, where there are any. */
  | { readonly kind: 'commit-checkpoint'; readonly tombstones: TombstonesSnapshot | undefined }
  /** Have the tombstones in force in their file; durable when that is answered. */
  | { readonly kind: 'write-tombstones'; readonly snapshot: TombstonesSnapshot }
  /** Write the base of a floor that is to come; it is durable when that is answered. */
  | { readonly kind: 'write-base'; readonly snapshot: BaseSnapshot }
  | { readonly kind: 'close' };

/** Background thread to caller. */
export type FromBackground =
  | { readonly kind: 'checkpoint-written' }
  | { readonly kind: 'checkpoint-committed' }
  | { readonly kind: 'checkpoint-failed'; readonly error: WireError }
  | { readonly kind: 'tombstones-written' }
  | { readonly kind: 'tombstones-failed'; readonly error: WireError }
  | { readonly kind: 'base-written'; readonly base: NamedBase }
  | { readonly kind: 'base-failed'; readonly error: WireError }
  | { readonly kind: 'closed' }
  | LogLine;

/** Heads and keys at one sequence, as {@link file://./format/checkpoint.ts} stores them. */
export interface CheckpointSnapshot {
  readonly storeId: Uint8Array;
  readonly sequence: number;
  /** The sequence of the table that the changed heads are changes to; 0 where they are all there are. */
  readonly base: number;
  /** The file of that table: the checkpoint, or the base where there is none yet. Default: the checkpoint. */
  readonly from?: string;
  /** Changed heads, unsorted. */
  readonly heads: Entries;
  /** All live keys, oldest first. */
  readonly keys: Entries;
}

/** All tombstones in force as of a durable sequence, as {@link file://./format/tombstones.ts} stores them. */
export interface TombstonesSnapshot {
  readonly storeId: Uint8Array;
  readonly sequence: number;
  readonly tombstones: PackedTombstones;
}

/** Heads, keys and results as of the sequence before a floor, as {@link file://./format/base.ts} stores them. */
export interface BaseSnapshot {
  readonly storeId: Uint8Array;
  /** The last sequence that goes. */
  readonly sequence: number;
  /** The base in force, undefined where there is none. */
  readonly before: { readonly file: string; readonly sequence: number } | undefined;
  /** Heads as of that sequence of the streams that have events in the segments that go, unsorted. */
  readonly heads: Entries;
  /** All live keys, oldest first: those above the sequence are passed over. */
  readonly keys: Entries;
  /** Results of the segments that go, by sequence. */
  readonly results: readonly Uint8Array[];
}

/** Where the log begins from now on. */
export interface LogCut {
  readonly floor: number;
  readonly firstSegment: number;
  readonly base: NamedBase;
}

/** One end of a conversation between threads. */
export interface Channel<Out, In> {
  post(message: Out): void;
  /** The next message that has arrived, without waiting for one. */
  receive(): In | undefined;
}
