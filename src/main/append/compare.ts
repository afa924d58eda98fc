/** Whether two records have the same body, as a repeated call with the same idempotency keys must have. */
import { isDeepStrictEqual } from 'node:util';
import { decodePayload } from '../../shared/format/payload.js';
import {
  type Memory,
  type RecordParts,
  recordDataCodec,
  recordFlags,
  recordParts,
  recordSchemaVersion,
} from '../../shared/format/record.js';

/** A record in some memory. */
export interface RecordAt {
  readonly memory: Memory;
  readonly at: number;
}

/**
 * Stream, type, tags, causes, schema version, key and data are the same, and the event stands first or last of its append
 * in both. Data counts by its value: it may have been encoded by another codec.
 */
export function sameBody(a: RecordAt, b: RecordAt): boolean {
  const left = recordParts(a.memory.view, a.at);
  const right = recordParts(b.memory.view, b.at);
  const same = (from: keyof RecordParts, to: keyof RecordParts): boolean =>
    a.memory.bytes.subarray(left[from], left[to]).equals(b.memory.bytes.subarray(right[from], right[to]));
  return (
    recordFlags(a.memory.view, a.at) === recordFlags(b.memory.view, b.at) &&
    recordSchemaVersion(a.memory.view, a.at) === recordSchemaVersion(b.memory.view, b.at) &&
    same('stream', 'type') &&
    same('type', 'agent') &&
    same('key', 'lists') &&
    same('lists', 'metadata') &&
    (same('data', 'end') || isDeepStrictEqual(dataOf(a, left), dataOf(b, right)))
  );
}

function dataOf({ memory, at }: RecordAt, parts: RecordParts): unknown {
  return decodePayload(recordDataCodec(memory.view, at), Buffer.from(memory.bytes.subarray(parts.data, parts.end)));
}
