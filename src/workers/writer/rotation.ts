/** Which file the log goes on in: after opening, and when a segment is full. */
import path from 'node:path';
import { segmentFile } from '../../shared/format/file-names.js';
import { NO_FRAME } from '../../shared/format/frame.js';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { type KeeperError, toWire } from '../../shared/portable/errors.js';
import { type SharedState, WORD } from '../../shared/ring/layout.js';
import { type FileHandle, isOutOfSpace, type Storage, storageError } from '../../shared/storage.js';
import type { Group } from './group.js';
import { LogFile, openSegmentFile } from './log-file.js';
import type { Recovered } from './recovery.js';
import type { Signals } from './signals.js';

/** The log's end after recovery: the newest segment, or the first one of a new store. */
export function firstLogFile(storage: Storage, dir: string, recovered: Recovered, segmentBytes: number): LogFile {
  const { found, manifest } = recovered;
  const { active, hasher } = found;
  if (active !== undefined) {
    const handle = storage.openWrite(path.join(dir, segmentFile(active.header.number)), 'existing');
    return new LogFile(storage, hasher, {
      number: active.header.number,
      handle,
      fileBytes: storage.size(handle),
      segmentBytes,
      createdMs: active.header.createdMs,
      endOffset: active.endOffset,
      lastFrame: active.lastFrame,
      header: undefined,
    });
  }
  const handle = openSegmentFile(storage, dir, manifest.firstSegment, false);
  return newLogFile(storage, handle, recovered, manifest.firstSegment, segmentBytes, {
    firstSequence: manifest.durableUpTo + 1,
    previousTimestampNs: 0n,
    nowMs: Date.now(),
    previousBytes: 0,
    previous: NO_FRAME,
  });
}

/** After a rotation for which there was no space, the old segment goes on for so long. Unit: milliseconds. */
const RETRY_MS = 1000;

/** When a segment is full. Bytes and milliseconds. */
export interface SegmentLimits {
  readonly dir: string;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
}

/** Decides when the log goes on in the next segment, and makes it. */
export class Rotation {
  readonly #storage: Storage;
  readonly #limits: SegmentLimits;
  readonly #recovered: Recovered;
  readonly #state: SharedState;
  readonly #signals: Signals;
  /** When to try again after a rotation without space, in milliseconds since 1970; 0 where there was none. */
  #nextMs = 0;

  constructor(storage: Storage, limits: SegmentLimits, recovered: Recovered, state: SharedState, signals: Signals) {
    this.#storage = storage;
    this.#limits = limits;
    this.#recovered = recovered;
    this.#state = state;
    this.#signals = signals;
  }

  /**
   * The file to write a group to: the next segment's if it does not fit into this one, or this one is old.
   * @param log the segment so far, whose frames are all durable, up to a sequence and a time; closed if another follows
   * @throws ERR_STORAGE, but not for lack of space: then the old one goes on
   */
  fileFor(group: Group, log: LogFile, durable: number, timestampNs: bigint): LogFile {
    const { segmentBytes, segmentAgeMs } = this.#limits;
    const now = Date.now();
    if (log.empty || now < this.#nextMs) return log;
    if (log.endAfter(group) <= segmentBytes && now - log.createdMs < segmentAgeMs) return log;
    return this.next(log, durable, timestampNs);
  }

  /** The same, however full and old this one is. */
  next(log: LogFile, durable: number, timestampNs: bigint): LogFile {
    const nowMs = Date.now();
    let next: LogFile;
    try {
      next = this.#open(log, { firstSequence: durable + 1, previousTimestampNs: timestampNs, nowMs });
    } catch (error) {
      if (!isOutOfSpace(error)) throw error;
      // The old segment stays valid, and grows meanwhile. Told once, however often it is tried again.
      if (this.#nextMs === 0) {
        const fields = { error: toWire(error as KeeperError), segment: log.number };
        this.#signals.log('warn', fields, 'no space for the next segment: the old one goes on growing');
      }
      this.#nextMs = nowMs + RETRY_MS;
      return log;
    }
    log.close();
    this.#nextMs = 0;
    return next;
  }

  /** Its header is not written yet. */
  #open(before: LogFile, fields: RotationFields): LogFile {
    const { dir, segmentBytes } = this.#limits;
    const prepared = Atomics.load(this.#state.words, WORD.prepared);
    if (prepared < 0) throw storageError(Object.assign(new Error('made ahead'), { errno: prepared }), 'fsync', dir);
    const number = before.number + 1;
    const handle = openSegmentFile(this.#storage, dir, number, prepared === number);
    return newLogFile(this.#storage, handle, this.#recovered, number, segmentBytes, {
      ...fields,
      previousBytes: before.endOffset,
      previous: before.lastFrame,
    });
  }
}

interface RotationFields {
  readonly firstSequence: number;
  readonly previousTimestampNs: bigint;
  readonly nowMs: number;
}

function newLogFile(
  storage: Storage,
  handle: FileHandle,
  { found, manifest }: Recovered,
  number: number,
  segmentBytes: number,
  fields: RotationFields & { previousBytes: number; previous: Uint8Array },
): LogFile {
  const { nowMs, ...rest } = fields;
  const header = { ...rest, number, epoch: manifest.epoch, createdMs: nowMs };
  return new LogFile(storage, found.hasher, {
    number,
    handle,
    fileBytes: 0,
    segmentBytes,
    createdMs: nowMs,
    endOffset: SEGMENT_HEADER_BYTES,
    lastFrame: fields.previous,
    header: encodeSegmentHeader(header, found.storeId, found.hasher),
  });
}
