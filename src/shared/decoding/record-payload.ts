/** A record's data and metadata, decoded. */
import { corrupt } from '../damage.js';
import type { PathKey } from '../format/messagepack-path.js';
import { decodeAtPath, decodePayload, PAYLOAD } from '../format/payload.js';
import { type Memory, recordDataBytes, recordDataCodec, recordDataStart, recordSequence } from '../format/record.js';
import type { EventMetadata } from '../portable/events.js';
import type { RecordHeader } from './record-header.js';

/** @throws ERR_CORRUPT */
export function decodeData(memory: Memory, at: number): unknown {
  const start = recordDataStart(memory.view, at);
  const end = start + recordDataBytes(memory.view, at);
  return decodePart('data', recordDataCodec(memory.view, at), memory, at, start, end);
}

/**
 * What a path leads to in the data; undefined where it leads nowhere. Of MessagePack no more is decoded than that.
 * @throws ERR_CORRUPT
 */
export function decodeDataAt(memory: Memory, at: number, path: readonly PathKey[]): unknown {
  const start = recordDataStart(memory.view, at);
  const end = start + recordDataBytes(memory.view, at);
  try {
    return decodeAtPath(memory.bytes, start, end, path);
  } catch (error) {
    throw undecodable('data', memory, at, error);
  }
}

/**
 * The metadata, with what stands in the header.
 * @throws ERR_CORRUPT
 */
export function decodeMetadata(header: RecordHeader, memory: Memory, at: number): EventMetadata {
  const { agent, session, correlationId, parts } = header;
  const metadata: EventMetadata = {};
  if (agent !== undefined) metadata.agent = agent;
  if (session !== undefined) metadata.session = session;
  if (correlationId !== undefined) metadata.correlationId = correlationId;
  if (parts.metadata === parts.data) return metadata;
  return Object.assign(metadata, decodePart('metadata', PAYLOAD.msgpack, memory, at, parts.metadata, parts.data));
}

/** Bytes whose checksum holds may still be no payload, where another program has written them. */
function decodePart(what: string, codec: number, memory: Memory, at: number, start: number, end: number): unknown {
  try {
    return decodePayload(codec, memory.bytes, start, end);
  } catch (error) {
    throw undecodable(what, memory, at, error);
  }
}

function undecodable(what: string, memory: Memory, at: number, cause: unknown): Error {
  const sequence = recordSequence(memory.view, at);
  const lost = { firstSequence: sequence, lastSequence: sequence, cause };
  return corrupt(`the record of sequence ${sequence}`, 0, `its ${what} does not decode`, lost);
}
