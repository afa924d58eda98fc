/** Records, frames and segments with fixed or arbitrary content. */
import fc from 'fast-check';
import { EventEncoder } from '../../dist/main/append/event-encoder.js';
import { recordSeed } from '../../dist/shared/format/checksum.js';
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  NO_FRAME,
  rewriteFrameHeader,
  writeFrameHeader,
} from '../../dist/shared/format/frame.js';
import {
  memoryOf,
  recordSequence,
  recordTimestampNs,
  sealRecord,
  stampRecord,
} from '../../dist/shared/format/record.js';
import { writeRemoved } from '../../dist/shared/format/removed-record.js';
import { hasher, STORE, viewOf } from './bytes.js';

export const SEED = recordSeed(STORE);

/** What becomes a record. */
export interface RecordInput {
  readonly stream: string;
  readonly event: object;
  readonly place?: number;
  readonly flags?: number;
  readonly sequence?: number;
  readonly revision?: number;
  readonly timestampNs?: bigint;
}

const MAX_BYTES = 16 * 1024 * 1024;
const encoder = new EventEncoder({ dataCodec: 'msgpack', maxEventBytes: MAX_BYTES });
const memory = memoryOf(Buffer.alloc(MAX_BYTES));

/** A finished record, in bytes of its own. */
export function recordOf(input: RecordInput, seed = SEED): Buffer {
  const {
    stream,
    event,
    place = 0,
    flags = 3,
    sequence = 1,
    revision = 0,
    timestampNs = 1_700_000_000_000_000_000n,
  } = input;
  const length = encoder.write(event, place, memory, 0, memory.bytes.length, Buffer.from(stream), flags);
  stampRecord(memory.view, 0, sequence, revision, Number(timestampNs >> 32n), Number(timestampNs & 0xffffffffn));
  sealRecord(memory.bytes, memory.view, 0, seed);
  return Buffer.from(memory.bytes.subarray(0, length));
}

/** A frame around records that follow each other. */
export function frameOf(
  records: readonly Buffer[],
  segment: number,
  fields: Partial<FrameHeader> = {},
  by = hasher,
): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  const bodyBytes = records.reduce((sum, { length }) => sum + length, 0);
  const all = {
    count: records.length,
    firstSequence: 1,
    epoch: 1,
    durableUpTo: 0,
    previous: NO_FRAME,
    ...fields,
    bodyBytes,
  };
  writeFrameHeader(header, viewOf(header), all, by, segment, records);
  return Buffer.concat([header, ...records]);
}

/** A frame of which some records were removed: those from a place on, before another. */
export function compactedFrameOf(
  records: readonly Buffer[],
  [from, to]: readonly [number, number],
  segment: number,
  fields: Partial<FrameHeader> = {},
): Buffer {
  const bytes = frameOf(records, segment, fields);
  const memory = memoryOf(bytes);
  const bytesOf = (some: readonly Buffer[]): number => some.reduce((sum, { length }) => sum + length, 0);
  const gone = records.slice(from, to);
  const [first, last] = [gone[0]!, gone.at(-1)!].map((record) => memoryOf(record).view) as [DataView, DataView];
  const removed = {
    firstSequence: recordSequence(first, 0),
    lastSequence: recordSequence(last, 0),
    timestampNs: recordTimestampNs(last, 0),
  };
  const at = FRAME_HEADER_BYTES + bytesOf(records.slice(0, from));
  writeRemoved(memory, at, bytesOf(gone), removed, SEED);
  const header = bytes.subarray(0, FRAME_HEADER_BYTES);
  const written = new Uint8Array(header.subarray(56, 64));
  rewriteFrameHeader(header, viewOf(header), written, hasher, segment, [bytes.subarray(FRAME_HEADER_BYTES)]);
  return bytes;
}

export const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
export const checksum = fc.uint8Array({ minLength: 8, maxLength: 8 });

/** A name without what a stream's name must not have. */
export const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 30 })
  .filter((text) => !/[*\u0000-\u001f\u007f-\u009f]/.test(text) && !text.startsWith('$'));
export const label = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 });
