/** What verify checks beside the checksums: logs whose checksums are all right, and that are wrong all the same. */
import fs from 'node:fs';
import path from 'node:path';
import type { Problem, Store } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { PlaceHasher, recordSeed } from '../../dist/shared/format/checksum.js';
import { segmentFile } from '../../dist/shared/format/file-names.js';
import { FRAME_HEADER_BYTES, readFrameHeader, writeFrameHeader } from '../../dist/shared/format/frame.js';
import {
  type Memory,
  memoryOf,
  recordLength,
  recordParts,
  recordRevision,
  recordSequence,
  recordTimestampNs,
  sealRecord,
  stampRecord,
} from '../../dist/shared/format/record.js';
import { SEGMENT_HEADER_BYTES } from '../../dist/shared/format/segment.js';
import { open, temporaryDir } from '../support/stores.js';

/** Streams a and b in turn: sequences 1 to 3 in the first segment, 4 to 7 in the second one. */
async function small(): Promise<Store> {
  const store = await open({ segmentBytes: 65_536, maxEventBytes: 65_536, maxBatchBytes: 65_536, dir: temporaryDir() });
  for (const stream of ['a', 'b']) await store.append(stream, { type: 'T', data: 'x'.repeat(30_000) });
  await store.append('a', { type: 'T', data: 'x'.repeat(4_900) });
  for (const stream of ['b', 'a', 'b', 'a']) await store.append(stream, { type: 'T', data: 'a small one' });
  expect(store.stats().segments).toBe(2);
  return store;
}

type Change = (memory: Memory, at: number, sequence: number) => void;

/** Change the records of a segment, and make all checksums in it good again. */
async function rewrite(store: Store, number: number, change: Change): Promise<void> {
  const { dir, storeId } = store.stats();
  const id = Buffer.from(storeId, 'hex');
  const hasher = await PlaceHasher.create(id);
  const file = path.join(dir, segmentFile(number));
  const memory = memoryOf(fs.readFileSync(file));
  const { bytes, view } = memory;
  let previous: Uint8Array | undefined;
  for (let at = SEGMENT_HEADER_BYTES; ; ) {
    const frame = readFrameHeader(bytes, view, at, hasher, number);
    if (frame === undefined) break;
    const [start, end] = [at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + frame.bodyBytes];
    for (let record = start; record < end; record += recordLength(view, record)) {
      change(memory, record, recordSequence(view, record));
      sealRecord(bytes, view, record, recordSeed(id));
    }
    const header = bytes.subarray(at, start);
    const fields = { ...frame, previous: previous ?? frame.previous };
    previous = writeFrameHeader(header, memoryOf(header).view, fields, hasher, number, [bytes.subarray(start, end)]);
    at = end;
  }
  fs.writeFileSync(file, bytes);
}

/** Give records other revisions, or times. */
function stamped(changes: Record<number, { revision?: number; timestampNs?: bigint }>): Change {
  return ({ view }, at, sequence) => {
    const changed = changes[sequence];
    if (changed === undefined) return;
    const timestampNs = changed.timestampNs ?? recordTimestampNs(view, at);
    const revision = changed.revision ?? recordRevision(view, at);
    stampRecord(view, at, sequence, revision, Number(timestampNs >> 32n), Number(timestampNs & 0xffffffffn));
  };
}

async function problemsOf(store: Store, deep = true): Promise<string[]> {
  const { problems } = await store.verify({ deep });
  for (const problem of problems) expect(problem.firstSequence, problem.message).toBeGreaterThan(0);
  return problems.map(({ code, message, file }: Problem) => `${path.basename(file)} ${code} ${message}`);
}

const SECOND = 'segment-0000000002.log ERR_CORRUPT';

describe('verify finds', () => {
  test('nothing in a log that is written again as it was', async () => {
    const store = await small();
    await rewrite(store, 2, () => {});
    expect(await problemsOf(store)).toEqual([]);
  });

  test('a revision that does not follow the one in the segment before it, and one within a segment', async () => {
    const store = await small();
    await rewrite(store, 2, stamped({ 4: { revision: 3 }, 6: { revision: 9 } }));
    expect(await problemsOf(store)).toEqual([
      `${SECOND} sequence 6 has revision 9 where 4 is expected`,
      `${SECOND} sequence 4 has revision 3 where 1 is expected`,
    ]);
    expect(await problemsOf(store, false)).toEqual([]);
  });

  test('a revision that comes again, and those of two streams', async () => {
    const store = await small();
    await rewrite(store, 2, stamped({ 5: { revision: 1 }, 6: { revision: 9 }, 7: { revision: 7 } }));
    expect(await problemsOf(store)).toEqual([
      `${SECOND} sequence 6 has revision 9 where 2 is expected`,
      `${SECOND} sequence 7 has revision 7 where 2 is expected`,
      `${SECOND} sequence 5 has revision 1 where 2 is expected`,
    ]);
  });

  test('no gap of revisions where the events between them do not verify', async () => {
    const store = await small();
    const file = path.join(store.stats().dir, segmentFile(2));
    const bytes = fs.readFileSync(file);
    bytes[bytes.indexOf('a small one')]! ^= 1;
    fs.writeFileSync(file, bytes);
    expect(await problemsOf(store)).toEqual([`${SECOND} the frame does not verify`]);
  });

  test('a time that does not increase, within a segment and from one to the next', async () => {
    const store = await small();
    await rewrite(store, 2, stamped({ 4: { timestampNs: 5n }, 6: { timestampNs: 5n } }));
    expect(await problemsOf(store, false)).toEqual([
      `${SECOND} the timestamp of sequence 4 does not increase`,
      `${SECOND} the timestamp of sequence 6 does not increase`,
    ]);
  });

  test('records that are others than those that were signed, though all checksums hold', async () => {
    const store = await small();
    await store.checkpoint();
    await rewrite(store, 2, stamped({ 5: { timestampNs: (await store.get(5))!.timestampNs + 1n } }));
    expect(await problemsOf(store, false)).toEqual([]);
    expect(await problemsOf(store)).toEqual([`${SECOND} what is stored as sequence 5 is not what was signed`]);
  });

  test('a payload that does not decode', async () => {
    const store = await small();
    await rewrite(store, 2, ({ bytes, view }, at, sequence) => {
      if (sequence === 5) bytes[recordParts(view, at).data] = 0xc1; // what MessagePack has no use for
    });
    expect(await problemsOf(store)).toEqual([
      expect.stringMatching(/^segment-0000000002.log ERR_CORRUPT the payload of sequence 5 does not decode: /),
    ]);
    expect(await problemsOf(store, false)).toEqual([]);
  });

  test('a segment that does not continue the one before it', async () => {
    const store = await small();
    await rewrite(store, 1, stamped({ 3: { timestampNs: BigInt(Date.now()) * 1_000_000n - 10n ** 15n } }));
    const { problems } = await store.verify();
    expect(problems).toContainEqual({
      code: 'ERR_CORRUPT',
      message: 'the segment does not continue the one before it',
      file: path.join(store.stats().dir, segmentFile(2)),
      offset: 0,
    });
  });

  test('a frame of another format, once', async () => {
    const store = await small();
    const { dir, storeId } = store.stats();
    const hasher = await PlaceHasher.create(Buffer.from(storeId, 'hex'));
    const file = path.join(dir, segmentFile(2));
    const bytes = fs.readFileSync(file);
    const header = bytes.subarray(SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES);
    const place = FRAME_HEADER_BYTES - hasher.digest(2, header).length;
    header.writeUInt16LE(3, 4);
    header.set(hasher.digest(2, header.subarray(0, place)), place);
    fs.writeFileSync(file, bytes);
    expect(await problemsOf(store)).toEqual([
      expect.stringMatching(/^segment-0000000002.log ERR_UNSUPPORTED_FORMAT .*format 3/),
    ]);
  });
});
