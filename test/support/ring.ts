/** A ring whose both ends are on this thread, with records of any size in it. */
import {
  FLAG,
  KIND,
  memoryOf,
  RECORD_HEADER_BYTES,
  type RecordLayout,
  stampRecord,
  writeRecordHeader,
} from '../../dist/shared/format/record.js';
import { RingConsumer } from '../../dist/shared/ring/consumer.js';
import { allocateShared, attachShared, type SharedState } from '../../dist/shared/ring/layout.js';
import { RingProducer } from '../../dist/shared/ring/producer.js';

export interface Ring {
  readonly state: SharedState;
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
}

export function ringOf(limitBytes: number, reserveBytes: number, largestBytes: number): Ring {
  const state = attachShared(allocateShared(limitBytes + largestBytes + RECORD_HEADER_BYTES));
  const producer = new RingProducer(state, limitBytes, reserveBytes);
  return { state, producer, consumer: new RingConsumer(state) };
}

/** A record of a size, with its sequence in every byte behind the header. */
export function writeRecord(bytes: Buffer, at: number, length: number, sequence: number, flags = 3): void {
  const { view } = memoryOf(bytes);
  const layout: RecordLayout = {
    length,
    flags,
    dataCodec: 0,
    tagCount: 0,
    causeCount: 0,
    schemaVersion: 1,
    streamBytes: 0,
    typeBytes: 0,
    agentBytes: 0,
    sessionBytes: 0,
    correlationBytes: 0,
    keyBytes: 0,
    listBytes: 0,
    metadataBytes: 0,
    dataBytes: 0,
  };
  writeRecordHeader(view, at, layout);
  stampRecord(view, at, sequence, 0, 0, sequence);
  bytes.fill(sequence & 0xff, at + RECORD_HEADER_BYTES, at + length);
}

/**
 * Add a record to the draft as appends do: in place where there is room, else by a copy. Returns its offset, or -1 where
 * there is no room at all.
 * @param spare how many more bytes there must be for it to be written in place
 */
export function addRecord(
  producer: RingProducer,
  length: number,
  sequence: number,
  { flags = 3, spare = 0, system = false } = {},
): number {
  if (producer.room(system) >= length + spare) {
    const at = producer.draftOffset;
    writeRecord(producer.state.ring, at, length, sequence, flags);
    producer.add(length);
    return at;
  }
  const record = Buffer.alloc(length);
  writeRecord(record, 0, length, sequence, flags);
  return producer.addCopy(record, 0, length, system);
}

/** Whether a record is as {@link writeRecord} left it. */
export function isIntact(bytes: Buffer, at: number, length: number, sequence: number): boolean {
  const { view } = memoryOf(bytes);
  if (view.getUint32(at, true) !== length || view.getUint8(at + 8) !== KIND.event) return false;
  if (view.getUint32(at + 16, true) !== sequence) return false;
  return bytes.subarray(at + RECORD_HEADER_BYTES, at + length).every((byte) => byte === (sequence & 0xff));
}

/** The flags of a record by its place in an append. */
export function flags(place: number, count: number): number {
  return (place === 0 ? FLAG.first : 0) | (place === count - 1 ? FLAG.last : 0);
}
