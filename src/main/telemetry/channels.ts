/**
 * What a store tells whoever in this process subscribes (node:diagnostics_channel). A message is made only where there is
 * a subscriber; subscribers run at once, on the caller's thread, and must not throw.
 *
 * | channel | when |
 * | --- | --- |
 * | keeperlog:append | an append was accepted |
 * | keeperlog:commit | appends became durable |
 * | keeperlog:rotate | the log went on in a new segment |
 * | keeperlog:recover | a store was opened that its last writer had not closed, or that had a torn tail |
 * | keeperlog:prune | retention has removed the oldest segments |
 * | keeperlog:clock | the wall clock has jumped by more than an hour |
 * | keeperlog:refuse | an append was refused, at once or when its turn came; nothing of it was appended |
 *
 * What was accepted or waiting when the disk became full, or the writer ended, was not refused: that goes to the logger.
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { isKeeperError, type KeeperError } from '../../shared/portable/errors.js';
import type { RecoveryReport } from '../../shared/recovery-report.js';

/** On `keeperlog:append`: an append was accepted. */
export interface AppendMessage {
  /** The store's directory. */
  readonly dir: string;
  /** The streams appended to, in the order of the call. */
  readonly streams: readonly string[];
  /** How many events they got together. */
  readonly events: number;
  /** Sequence of the first of them. */
  readonly firstSequence: number;
  /** Sequence of the last of them. */
  readonly lastSequence: number;
}

/** On `keeperlog:commit`: events became durable. */
export interface CommitMessage {
  /** The store's directory. */
  readonly dir: string;
  /** The last durable sequence. */
  readonly durable: number;
  /** How many events became durable together. */
  readonly events: number;
}

/** On `keeperlog:rotate`: the log went on in a new segment. */
export interface RotateMessage {
  /** The store's directory. */
  readonly dir: string;
  /** Number of the segment that is written now. */
  readonly segment: number;
}

/** On `keeperlog:recover`: a store was opened that its last writer had not closed, or that had a torn tail. */
export interface RecoverMessage {
  /** The store's directory. */
  readonly dir: string;
  /** What recovery found and did. */
  readonly recovery: RecoveryReport;
}

/** On `keeperlog:prune`: retention has removed the oldest segments. */
export interface PruneMessage {
  /** The store's directory. */
  readonly dir: string;
  /** The lowest sequence that is left. */
  readonly floor: number;
  /** How many segments have gone. */
  readonly segments: number;
  /** Bytes that they took. */
  readonly bytes: number;
}

/** On `keeperlog:clock`: the wall clock has jumped by more than an hour against the monotonic one. */
export interface ClockMessage {
  /** The store's directory. */
  readonly dir: string;
  /** By so much; negative where it went back. */
  readonly jumpMs: number;
}

/** On `keeperlog:refuse`: an append was refused, at once or when its turn came; nothing of it was appended. */
export interface RefuseMessage {
  /** The store's directory. */
  readonly dir: string;
  /** Why; its `outcome` is `'not-appended'`. */
  readonly error: KeeperError;
}

const named = <T>(name: string): Channel<unknown, T> => channel(name) as Channel<unknown, T>;

export const appendChannel = named<AppendMessage>('keeperlog:append');
export const commitChannel = named<CommitMessage>('keeperlog:commit');
export const rotateChannel = named<RotateMessage>('keeperlog:rotate');
export const recoverChannel = named<RecoverMessage>('keeperlog:recover');
export const pruneChannel = named<PruneMessage>('keeperlog:prune');
export const clockChannel = named<ClockMessage>('keeperlog:clock');
export const refuseChannel = named<RefuseMessage>('keeperlog:refuse');

/** Tell of an append that was refused, if that is what the error says: its own caller's abort is no refusal. */
export function tellRefusal(dir: string, error: unknown): void {
  if (!refuseChannel.hasSubscribers) return;
  if (!isKeeperError(error) || error.code === 'ERR_ABORTED' || error.outcome !== 'not-appended') return;
  refuseChannel.publish({ dir, error });
}
