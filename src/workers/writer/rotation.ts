/** Which file the log goes on in: after opening, and when a segment is full. */
import path from 'node:path';
import { segmentFile } from '../../shared/format/file-names.js';
import { NO_FRAME } from '../../shared/format/frame.js';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import type { FileHandle, Storage } from '../../shared/storage.js';
import { LogFile, openSegmentFile } from './log-file.js';
import type { Recovered } from './recovery.js';

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

export interface RotationFields {
  readonly firstSequence: number;
  readonly previousTimestampNs: bigint;
  readonly nowMs: number;
}

/** The segment after one whose frames are all durable. Its header goes out with its first frame. */
export function nextLogFile(
  storage: Storage,
  dir: string,
  recovered: Recovered,
  before: LogFile,
  prepared: boolean,
  segmentBytes: number,
  fields: RotationFields,
): LogFile {
  const handle = openSegmentFile(storage, dir, before.number + 1, prepared);
  return newLogFile(storage, handle, recovered, before.number + 1, segmentBytes, {
    ...fields,
    previousBytes: before.endOffset,
    previous: before.lastFrame,
  });
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
