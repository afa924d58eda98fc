/**
 * The public surface of keeperlog, and nothing else.
 * @module keeperlog
 */

export type {
  BackupOptions,
  BackupProgress,
  BackupReport,
  RestoreOptions,
  RestoreReport,
} from '../shared/backup-report.js';
export type { IdempotencyOptions, Logger, RetentionOptions, StoreOptions } from '../shared/options.js';
export type { ErrorFields } from '../shared/portable/error-fields.js';
export {
  type ErrorCode,
  fromWire,
  isKeeperError,
  KeeperError,
  type KeeperErrorOf,
  type Outcome,
  toWire,
  type WireError,
} from '../shared/portable/errors.js';
export { type EventId, formatEventId, parseEventId } from '../shared/portable/event-id.js';
export type {
  AnyEvents,
  DataOf,
  EventMetadata,
  EventObject,
  NewEvent,
  NewEventFields,
  RecordedEvent,
  RecordedFields,
  TypeOf,
} from '../shared/portable/events.js';
export type {
  AppendCondition,
  Appended,
  AppendedMany,
  AppendManyOptions,
  AppendOptions,
  Bound,
  CallOptions,
  DeleteOptions,
  Direction,
  Durability,
  EventLog,
  Expect,
  Head,
  ReadOptions,
  ReadStreamOptions,
  Rows,
  SequenceRange,
  StreamAppend,
  StreamInfo,
  StreamsOptions,
  Watermarks,
} from '../shared/portable/log.js';
export type { Checkpoint } from '../shared/portable/proof/checkpoint.js';
export type { ConsistencyProof, InclusionProof } from '../shared/portable/proof/proof.js';
export type { FieldName } from '../shared/portable/query/fields.js';
export type {
  AggregateRow,
  Aggregates,
  CelOptions,
  Conditions,
  Explanation,
  ExtremeValue,
  FieldPath,
  GroupField,
  Page,
  Query,
  QueryOptions,
  QueryRow,
  QueryRows,
  QueryShape,
  QueryValue,
  SelectedRow,
  Where,
} from '../shared/portable/query/query.js';
export type { OneOrMany, SelectedTypes, Selector, Selectors, TypePattern } from '../shared/portable/selector.js';
export type { Problem } from '../shared/problem.js';
export type { CompactOptions, CompactProgress, CompactReport } from './compact-types.js';
export type { PruneOptions, PruneProgress, PruneReport } from './prune-types.js';
export { repairStore } from './repair.js';
export type { RepairOptions, RepairProgress, RepairReport, RepairStoreOptions } from './repair-types.js';
export { restoreStore } from './restore.js';
export type { SealOptions, SealReport } from './seal/seal-types.js';
export { openStore } from './store.js';
export type {
  AppendSyncOptions,
  Enqueued,
  EnqueueOptions,
  MemoryUse,
  RecoveryReport,
  Store,
  StoreStats,
  VerifyOptions,
  VerifyProgress,
  VerifyReport,
} from './store-types.js';
export type {
  AppendMessage,
  ClockMessage,
  CommitMessage,
  PruneMessage,
  RecoverMessage,
  RefuseMessage,
  RotateMessage,
} from './telemetry/channels.js';
