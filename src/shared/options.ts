/** The options of a store: parsed once at open into a frozen, filled type. What is out of range is refused, never clamped. */
import os from 'node:os';
import { KeeperError } from './portable/errors.js';
import { NODE_ID } from './portable/event-id.js';
import type { Durability } from './portable/log.js';

const KiB = 1024;
const MiB = 1024 * KiB;
const HOUR_MS = 3_600_000;

/** Ring space that only system events may use. Unit: bytes. */
export const SYSTEM_RESERVE_BYTES = 64 * KiB;

/**
 * A pino-like logger: an object of fields, then a message. The lines and their fields are in docs/operations.md; an error
 * is the field `err`, a KeeperError. Called on the caller's thread; must not throw.
 */
export interface Logger {
  /** Writes are suspended or impossible, or a thread has ended: somebody has to act. */
  error(fields: object, message: string): void;
  /** Something did not work that the log can do without, or that may get worse. */
  warn(fields: object, message: string): void;
  /** Opening, closing, recovery, resumption. */
  info(fields: object, message: string): void;
  /** What happens all the time: rotation. */
  debug(fields: object, message: string): void;
}

/** How long an idempotency key is remembered: at least until one of the two is reached. */
export interface IdempotencyOptions {
  /** 0 (remember none) to 100,000,000; some 50 bytes of memory each. Default 1,000,000. */
  readonly maxKeys?: number;
  /** Milliseconds, up to 365 days. Default 24 hours. */
  readonly maxAgeMs?: number;
}

/** What is kept of the log: whole sealed segments go, the oldest first, as soon as one of the two asks for it. */
export interface RetentionOptions {
  /**
   * A segment goes once its newest event is older. Milliseconds, 1,000 to 100 years. Default: none is too old. Suspended after a jump of
   * the wall clock by more than an hour, until the store is opened again.
   */
  readonly maxAgeMs?: number;
  /** What the log may take on the disk, but for what is not sealed yet. Bytes, from 64 KiB on. Default: any number. */
  readonly maxBytes?: number;
}

/**
 * What openStore takes. An option that is unknown, of the wrong kind or out of range is ERR_INVALID_OPTIONS; nothing is
 * clamped.
 */
export interface StoreOptions {
  /** The store's directory, made if absent. `':memory:'` is a private temporary one, gone on close. */
  readonly dir: string;
  /** Third part of every id, `[A-Za-z0-9-]{1,64}`. Default: made once and kept. A different one on reopening is refused. */
  readonly nodeId?: string;
  /** When an append resolves. Default `'synced'`. The writer syncs all the same. */
  readonly durability?: Durability;
  /**
   * A segment is rotated before an append that would take it beyond this size; a larger append has a segment of its own.
   * Bytes, 64 KiB to 2 GiB. Default 100 MiB.
   */
  readonly segmentBytes?: number;
  /** A segment is rotated with the first append after this age. Milliseconds, 1,000 to 365 days. Default 24 hours. */
  readonly segmentAgeMs?: number;
  /**
   * The ring between caller and writer: the most that is accepted and not yet durable. Bytes, from `maxBatchBytes` and 64
   * KiB to 1 GiB. Default 16 MiB, or as much as that.
   */
  readonly ringBytes?: number;
  /** The largest event, encoded. Bytes, 1 KiB to 64 MiB. Default 1 MiB. */
  readonly maxEventBytes?: number;
  /** The most events of one call. 1 to 65,535. Default 1,000. */
  readonly maxBatchEvents?: number;
  /** The largest call, encoded. Bytes, from `maxEventBytes` to 512 MiB. Default 10 MiB. */
  readonly maxBatchBytes?: number;
  /** Appends that wait for ring space; beyond it ERR_BACKPRESSURE at once. Bytes, 0 to 16 GiB. Default 64 MiB. */
  readonly maxPendingBytes?: number;
  /** How data is stored. `'json'`: what JSON cannot hold is stored as MessagePack. Default `'msgpack'`. */
  readonly dataCodec?: 'msgpack' | 'json';
  /** Recent records in memory, taken whole with the first of them. Bytes, 0 (none) to 4 GiB. Default 32 MiB. */
  readonly cacheBytes?: number;
  /**
   * Sections of index files, and indexes of segments that have none, in memory; a segment whose index would be larger is scanned. Bytes,
   * 0 to 16 GiB. Default 64 MiB.
   */
  readonly indexBytes?: number;
  /** Threads that seal, index, sign and verify, at most. 1 to 64. Default: one less than the processors, at least 1. */
  readonly poolThreads?: number;
  /**
   * When full segments are digested, compressed and indexed: `'background'`, the default, one after the other as they become full, by threads of
   * low priority that rest while there are appends; `'on-demand'`, when `seal()` is called. Only what is sealed can go by `retention`.
   */
  readonly sealing?: 'background' | 'on-demand';
  /** Of sealed segments. Default `'lz4'`. */
  readonly compression?: 'lz4' | 'none';
  /** How many idempotency keys are remembered, and for how long. */
  readonly idempotency?: IdempotencyOptions;
  /** What is removed, for good, while the store is open for writing. Default: nothing. */
  readonly retention?: RetentionOptions;
  /** Open without the lock and without writing a byte, also beside a live writer. Default false. */
  readonly readOnly?: boolean;
  /** Who is told what an operator must know. Default: nobody. */
  readonly logger?: Logger;
  /** Aborts opening only, with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/** The options as the engine uses them. */
export interface Settings {
  readonly dir: string;
  readonly nodeId: string | undefined;
  readonly durability: Durability;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  readonly ringBytes: number;
  readonly maxEventBytes: number;
  readonly maxBatchEvents: number;
  readonly maxBatchBytes: number;
  readonly maxPendingBytes: number;
  readonly dataCodec: 'msgpack' | 'json';
  readonly cacheBytes: number;
  readonly indexBytes: number;
  readonly poolThreads: number;
  readonly sealing: 'background' | 'on-demand';
  readonly compression: 'lz4' | 'none';
  readonly maxKeys: number;
  readonly maxKeyAgeMs: number;
  readonly retention: RetentionOptions;
  readonly readOnly: boolean;
}

const KNOWN: Record<keyof StoreOptions, true> = {
  dir: true,
  nodeId: true,
  durability: true,
  segmentBytes: true,
  segmentAgeMs: true,
  ringBytes: true,
  maxEventBytes: true,
  maxBatchEvents: true,
  maxBatchBytes: true,
  maxPendingBytes: true,
  dataCodec: true,
  cacheBytes: true,
  indexBytes: true,
  poolThreads: true,
  sealing: true,
  compression: true,
  idempotency: true,
  retention: true,
  readOnly: true,
  logger: true,
  signal: true,
};

/**
 * Check the options and fill in the defaults.
 * @throws ERR_INVALID_OPTIONS with the path of what is wrong
 */
export function parseOptions(input: string | StoreOptions): Settings {
  const options: StoreOptions = typeof input === 'string' ? { dir: input } : input;
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be a directory or an object');
  refuseUnknown(options, KNOWN, '');
  const { dir, nodeId, dataCodec = 'msgpack', compression = 'lz4', sealing = 'background' } = options;
  const retention = parseRetention(options.retention);
  const { readOnly = false, idempotency = {} } = options;
  if (typeof dir !== 'string' || dir === '') throw invalid('dir', 'must be the path of a directory');
  checkNodeId(nodeId);
  if (dataCodec !== 'msgpack' && dataCodec !== 'json') throw invalid('dataCodec', "must be 'msgpack' or 'json'");
  if (sealing !== 'background' && sealing !== 'on-demand')
    throw invalid('sealing', "must be 'background' or 'on-demand'");
  if (compression !== 'lz4' && compression !== 'none') throw invalid('compression', "must be 'lz4' or 'none'");
  if (typeof readOnly !== 'boolean') throw invalid('readOnly', 'must be a boolean');
  if (readOnly && dir === ':memory:') throw invalid('readOnly', "cannot go with dir ':memory:', which is always new");
  if (typeof idempotency !== 'object' || idempotency === null) throw invalid('idempotency', 'must be an object');
  refuseUnknown(idempotency, { maxKeys: true, maxAgeMs: true }, 'idempotency.');
  checkSignal(options.signal);
  if (options.logger !== undefined) parseLogger(options.logger);

  const maxEventBytes = integer('maxEventBytes', options.maxEventBytes, MiB, KiB, 64 * MiB);
  const maxBatchBytes = integer('maxBatchBytes', options.maxBatchBytes, 10 * MiB, maxEventBytes, 512 * MiB);
  const ringMin = maxBatchBytes + SYSTEM_RESERVE_BYTES;
  return Object.freeze({
    dir,
    nodeId,
    durability: parseDurability(options.durability, 'durability') ?? 'synced',
    segmentBytes: integer('segmentBytes', options.segmentBytes, 100 * MiB, 64 * KiB, 2048 * MiB),
    segmentAgeMs: integer('segmentAgeMs', options.segmentAgeMs, 24 * HOUR_MS, 1000, 365 * 24 * HOUR_MS),
    ringBytes: integer('ringBytes', options.ringBytes, Math.max(16 * MiB, ringMin), ringMin, 1024 * MiB),
    maxEventBytes,
    maxBatchEvents: integer('maxBatchEvents', options.maxBatchEvents, 1000, 1, 65_535),
    maxBatchBytes,
    maxPendingBytes: integer('maxPendingBytes', options.maxPendingBytes, 64 * MiB, 0, 16 * 1024 * MiB),
    dataCodec,
    cacheBytes: integer('cacheBytes', options.cacheBytes, 32 * MiB, 0, 4096 * MiB),
    indexBytes: integer('indexBytes', options.indexBytes, 64 * MiB, 0, 16 * 1024 * MiB),
    poolThreads: integer('poolThreads', options.poolThreads, Math.max(1, os.availableParallelism() - 1), 1, 64),
    sealing,
    compression,
    maxKeys: integer('idempotency.maxKeys', idempotency.maxKeys, 1_000_000, 0, 100_000_000),
    maxKeyAgeMs: integer('idempotency.maxAgeMs', idempotency.maxAgeMs, 24 * HOUR_MS, 0, 365 * 24 * HOUR_MS),
    retention,
    readOnly,
  });
}

/** @throws ERR_INVALID_OPTIONS */
export function parseRetention(retention: RetentionOptions = {}): RetentionOptions {
  if (typeof retention !== 'object' || retention === null) throw invalid('retention', 'must be an object');
  refuseUnknown(retention, { maxAgeMs: true, maxBytes: true }, 'retention.');
  const { maxAgeMs, maxBytes } = retention;
  const most = Number.MAX_SAFE_INTEGER;
  return Object.freeze({
    ...(maxAgeMs !== undefined && {
      maxAgeMs: integer('retention.maxAgeMs', maxAgeMs, 0, 1000, 100 * 365 * 24 * HOUR_MS),
    }),
    ...(maxBytes !== undefined && { maxBytes: integer('retention.maxBytes', maxBytes, 0, 64 * KiB, most) }),
  });
}

/** Whether there is anything that retention might remove. */
export function isLimited({ maxAgeMs, maxBytes }: RetentionOptions): boolean {
  return maxAgeMs !== undefined || maxBytes !== undefined;
}

export function checkNodeId(nodeId: unknown): void {
  if (nodeId === undefined || (typeof nodeId === 'string' && NODE_ID.test(nodeId))) return;
  throw invalid('nodeId', 'must be 1 to 64 characters of A-Z, a-z, 0-9 and -');
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw invalid('signal', 'must be an AbortSignal');
}

export function checkOnProgress(onProgress: unknown): void {
  if (onProgress !== undefined && typeof onProgress !== 'function') throw invalid('onProgress', 'must be a function');
}

/** A durability, or undefined where none is given. */
export function parseDurability(value: unknown, path: string): Durability | undefined {
  if (value === undefined || value === 'synced' || value === 'written' || value === 'accepted') return value;
  throw invalid(path, "must be 'synced', 'written' or 'accepted'");
}

/** Refuse members that an options object does not have: a misspelt option must not pass silently. */
export function refuseUnknown(options: object, known: object, prefix: string): void {
  for (const key of Object.keys(options)) {
    if (!Object.hasOwn(known, key)) {
      throw invalid(`${prefix}${key}`, `is not an option here: ${Object.keys(known).join(', ')}`);
    }
  }
}

/** An integer within its limits, or the default. */
export function integer(path: string, value: unknown, byDefault: number, min: number, max: number): number {
  if (value === undefined) return byDefault;
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
  throw invalid(path, `must be an integer from ${min} to ${max}, not ${describe(value)}`);
}

/** The error of a bad option. */
export function invalid(path: string, what: string): KeeperError {
  return new KeeperError('ERR_INVALID_OPTIONS', `${path} ${what}`, { path });
}

function describe(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : typeof value;
}

function parseLogger(logger: object): void {
  for (const level of ['error', 'warn', 'info', 'debug'] as const) {
    if (typeof Reflect.get(logger, level) !== 'function') throw invalid(`logger.${level}`, 'must be a function');
  }
}

/**
 * Options of what takes a while: who may stop it, and who is told.
 * @param flag one more of them, true or false
 * @throws ERR_INVALID_OPTIONS
 */
export function checkWorkOptions(
  options: { readonly signal?: unknown; readonly onProgress?: unknown },
  flag?: 'deep' | 'dryRun',
): void {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be an object');
  refuseUnknown(options, { signal: true, onProgress: true, ...(flag !== undefined && { [flag]: true }) }, '');
  const value: unknown = flag !== undefined && Reflect.get(options, flag);
  if (value !== undefined && typeof value !== 'boolean') throw invalid(flag!, 'must be a boolean');
  checkSignal(options.signal);
  checkOnProgress(options.onProgress);
}
