import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecordHeader } from '../../dist/shared/decoding/record-header.js';
import { recordSeed } from '../../dist/shared/format/checksum.js';
import { decodePayload } from '../../dist/shared/format/payload.js';
import {
  align,
  memoryOf,
  readSafeInteger,
  recordDataCodec,
  recordFlags,
  recordKind,
  recordLength,
  recordRevision,
  recordSchemaVersion,
  recordSequence,
  recordTimestampNs,
  sealRecord,
  verifyRecord,
  writePadding,
  writeSafeInteger,
} from '../../dist/shared/format/record.js';
import { flipped, OTHER_STORE } from '../support/bytes.js';
import { label, name, recordOf, SEED, sequence } from '../support/records.js';
import { data, stored } from '../support/values.js';

const FULL = {
  stream: 'task/42',
  event: {
    type: 'TaskDone',
    data: { ok: true, text: 'grün', n: 5n },
    metadata: { agent: 'a', session: 's', correlationId: 'c', traceparent: 't', more: [1] },
    tags: ['task:42', 'ü'],
    causes: ['1700000000000000000_1_n', 0],
    schemaVersion: 7,
    idempotencyKey: 'key',
  },
  place: 3,
};

function verifies(bytes: Buffer, seed = SEED): boolean {
  const { view } = memoryOf(bytes);
  return verifyRecord(bytes, view, 0, bytes.length, seed);
}

describe('a record', () => {
  test('gives back everything that was written', () => {
    const event = fc.record(
      {
        type: name,
        data,
        metadata: fc.record({ agent: label, session: label, correlationId: label, note: label }, { requiredKeys: [] }),
        tags: fc.array(label, { maxLength: 32 }),
        causes: fc.array(fc.oneof(label, fc.nat({ max: 8 })), { maxLength: 32 }),
        schemaVersion: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        idempotencyKey: label,
      },
      { requiredKeys: ['type'] },
    );
    const timestamp = fc.bigInt({ min: 10n ** 18n, max: 10n ** 19n - 1n });
    fc.assert(
      fc.property(name, event, sequence, sequence, timestamp, (stream, event, sequence, revision, timestampNs) => {
        const bytes = recordOf({ stream, event, place: 9, flags: 2, sequence, revision, timestampNs });
        const memory = memoryOf(bytes);
        const header = new RecordHeader(memory, 0);
        expect(verifies(bytes)).toBe(true);
        expect(recordLength(memory.view, 0)).toBe(bytes.length);
        expect(bytes.length % 8).toBe(0);
        expect(recordKind(memory.view, 0)).toBe(1);
        expect(recordFlags(memory.view, 0)).toBe(2);
        expect(recordSequence(memory.view, 0)).toBe(sequence);
        expect(recordRevision(memory.view, 0)).toBe(revision);
        expect(recordTimestampNs(memory.view, 0)).toBe(timestampNs);
        expect(recordSchemaVersion(memory.view, 0)).toBe(event.schemaVersion ?? 1);
        expect(header.stream).toBe(stream);
        expect(header.type).toBe(event.type);
        expect(header.agent).toBe(event.metadata?.agent);
        expect(header.session).toBe(event.metadata?.session);
        expect(header.correlationId).toBe(event.metadata?.correlationId);
        expect(header.key).toBe(event.idempotencyKey);
        expect(header.tags).toEqual(event.tags ?? []);
        const causes = (event.causes ?? []).map((cause) => {
          if (typeof cause === 'string') return cause;
          return `${timestampNs - BigInt(9 - cause)}_${sequence - (9 - cause)}_node`;
        });
        expect(header.causes('node')).toEqual(causes);
        const { data, end } = header.parts;
        const decoded = decodePayload(recordDataCodec(memory.view, 0), bytes.subarray(data, end));
        expect([decoded]).toEqual([stored(event.data)]);
        expect(bytes.subarray(end).every((byte) => byte === 0)).toBe(true);
      }),
    );
  });

  test('does not verify with any byte changed', () => {
    for (const { at, bytes } of flipped(recordOf(FULL))) expect(verifies(bytes), `byte ${at}`).toBe(false);
  });

  test('does not verify in another store', () => {
    expect(verifies(recordOf(FULL), recordSeed(OTHER_STORE))).toBe(false);
  });

  test('does not verify where it is cut off', () => {
    const bytes = recordOf(FULL);
    for (let end = 0; end < bytes.length; end++) expect(verifies(Buffer.from(bytes.subarray(0, end)))).toBe(false);
  });

  test('verifies at any place in memory', () => {
    const bytes = recordOf(FULL);
    const memory = memoryOf(Buffer.concat([Buffer.alloc(24, 7), bytes, Buffer.alloc(8, 7)]));
    expect(verifyRecord(memory.bytes, memory.view, 24, memory.bytes.length, SEED)).toBe(true);
    expect(verifyRecord(memory.bytes, memory.view, 24, 24 + bytes.length - 1, SEED)).toBe(false);
  });

  test('is never found in zeros', () => {
    expect(verifies(Buffer.alloc(4096))).toBe(false);
  });

  test('is never found in padding', () => {
    const memory = memoryOf(Buffer.alloc(128));
    writePadding(memory.view, 0, 128);
    sealRecord(memory.bytes, memory.view, 0, SEED);
    expect(verifyRecord(memory.bytes, memory.view, 0, 128, SEED)).toBe(false);
  });

  test('of another kind never verifies, whatever its checksum', () => {
    const bytes = recordOf(FULL);
    const memory = memoryOf(bytes);
    for (const kind of [0, 2, 0x7f, 0xff]) {
      bytes[8] = kind;
      sealRecord(bytes, memory.view, 0, SEED);
      expect(verifyRecord(bytes, memory.view, 0, bytes.length, SEED), `kind ${kind}`).toBe(false);
    }
  });
});

describe('an integer of 64 bits', () => {
  test('is read as it was written, up to the largest safe one', () => {
    const { view } = memoryOf(Buffer.alloc(8));
    fc.assert(
      fc.property(
        fc.oneof(fc.maxSafeNat(), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER)),
        (value) => {
          writeSafeInteger(view, 0, value);
          expect(readSafeInteger(view, 0)).toBe(value);
          expect(view.getBigUint64(0, true)).toBe(BigInt(value));
        },
      ),
    );
  });

  test('and lengths are rounded up to multiples of 8', () => {
    expect([0, 1, 7, 8, 9, 1023].map(align)).toEqual([0, 8, 8, 8, 16, 1024]);
  });
});
