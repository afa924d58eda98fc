/**
 * Files of format 1, as they were first written, are read for ever. `npm run golden` makes them anew, which is right only
 * as long as nobody has a store.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { BaseFile } from '../../dist/main/append/base-file.js';
import { HeadsFile } from '../../dist/main/append/heads-file.js';
import { checkIndex } from '../../dist/main/read/index-check.js';
import { RecordHeader } from '../../dist/shared/decoding/record-header.js';
import { decodeBackupList } from '../../dist/shared/format/backup-list.js';
import { hashBody } from '../../dist/shared/format/base.js';
import { HEADS_FILE, indexFile, LOCK_FILE, sealedFile } from '../../dist/shared/format/file-names.js';
import { readFrameHeader, verifyFrameBody, walkRecords } from '../../dist/shared/format/frame.js';
import { INDEXED } from '../../dist/shared/format/index-file.js';
import { decodeManifest } from '../../dist/shared/format/manifest.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { decodePayload } from '../../dist/shared/format/payload.js';
import {
  memoryOf,
  recordDataCodec,
  recordRevision,
  recordSequence,
  recordTimestampNs,
  verifyRecord,
} from '../../dist/shared/format/record.js';
import { isRemoved, lastSequenceAt } from '../../dist/shared/format/removed-record.js';
import { decodeSegmentHeader } from '../../dist/shared/format/segment.js';
import { decodeTombstones } from '../../dist/shared/format/tombstones.js';
import { decodeTreeFile } from '../../dist/shared/format/tree-file.js';
import { decodeWatermark } from '../../dist/shared/format/watermark.js';
import { SealedSegment } from '../../dist/shared/sealed-segment.js';
import { nodeStorage } from '../../dist/shared/storage.js';
import { EMPTY_DISK } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import {
  asText,
  BACKUP,
  base,
  COMPACTED,
  createStore,
  FRAME,
  GOLDEN_DIR,
  goldenFiles,
  HEADS,
  INDEXED_PLACES,
  INDEXED_RECORDS,
  KEYS,
  MANIFEST,
  MANIFEST_TOMBSTONES,
  RECORD,
  RESULTS,
  SEGMENT,
  STORE_DIR,
  TOMBSTONES,
  TREE,
  WATERMARKS,
} from '../golden/fixtures.js';
import { DIR, FIRST, listsOf, makeIndex, openIndex } from '../index/kit.js';
import { hasher, STORE, viewOf } from '../support/bytes.js';
import { frameOf, recordOf, SEED } from '../support/records.js';
import { copyDir, listing, makeDir, open, removeDir } from '../support/stores.js';

const EXPECTED = path.join(GOLDEN_DIR, 'store.txt');

if (process.env.KEEPERLOG_GOLDEN === 'create') {
  for (const [name, bytes] of await goldenFiles()) fs.writeFileSync(path.join(GOLDEN_DIR, name), bytes);
  removeDir(STORE_DIR);
  await createStore(STORE_DIR);
  fs.rmSync(path.join(STORE_DIR, LOCK_FILE));
  const { openStore } = await import('keeperlog');
  const store = await openStore({ dir: STORE_DIR, readOnly: true });
  fs.writeFileSync(EXPECTED, asText((await store.read().toArray()).map((event) => event.toObject())));
  await store.close();
}

const golden = (name: string): Buffer => fs.readFileSync(path.join(GOLDEN_DIR, name));

describe('golden files of format 1', () => {
  test('are what the encoders still write', async () => {
    const files = await goldenFiles();
    expect(files.size).toBe(15);
    for (const [name, bytes] of files) expect(golden(name).equals(bytes), name).toBe(true);
  });

  test('a record is read', () => {
    const memory = memoryOf(golden('record.bin'));
    expect(verifyRecord(memory.bytes, memory.view, 0, memory.bytes.length, SEED)).toBe(true);
    const header = new RecordHeader(memory, 0);
    const { data, end } = header.parts;
    expect(recordSequence(memory.view, 0)).toBe(RECORD.sequence);
    expect(recordRevision(memory.view, 0)).toBe(RECORD.revision);
    expect(recordTimestampNs(memory.view, 0)).toBe(RECORD.timestampNs);
    expect(header.stream).toBe(RECORD.stream);
    expect(header.type).toBe('TaskDone');
    expect(header.agent).toBe('ada');
    expect(header.key).toBe('key');
    expect(header.tags).toEqual(RECORD.event.tags);
    expect(header.causes('n')).toEqual([RECORD.event.causes[0], `${RECORD.timestampNs - 1n}_${RECORD.sequence - 1}_n`]);
    expect(decodePayload(recordDataCodec(memory.view, 0), memory.bytes.subarray(data, end))).toEqual(RECORD.event.data);
  });

  test('a frame is read', () => {
    const bytes = golden('frame.bin');
    const { segment, ...fields } = FRAME;
    const header = readFrameHeader(bytes, viewOf(bytes), 0, hasher, segment)!;
    expect(header).toMatchObject({ ...fields, count: 2, bodyBytes: bytes.length - 64 });
    expect(verifyFrameBody(bytes, 0, header, hasher, segment)).toBe(true);
  });

  test('a frame is read of which records were removed', () => {
    const bytes = golden('compacted-frame.bin');
    const { frame, records } = COMPACTED;
    const { number } = SEGMENT;
    const header = readFrameHeader(bytes, viewOf(bytes), 0, hasher, number)!;
    // It has the place in the chain that it was written with.
    const written = readFrameHeader(
      frameOf(records, number, frame),
      viewOf(frameOf(records, number, frame)),
      0,
      hasher,
      number,
    )!;
    expect(header).toEqual({ ...written, durableUpTo: 0, isCompacted: true });
    expect(verifyFrameBody(bytes, 0, header, hasher, number)).toBe(true);
    const starts: number[] = [];
    const { view } = memoryOf(bytes);
    expect(walkRecords(view, 0, header, starts)).toBe(starts[2]);
    const { firstSequence: first } = SEGMENT;
    expect(starts.map((at) => [recordSequence(view, at), lastSequenceAt(view, at), isRemoved(view, at)])).toEqual([
      [first, first, false],
      [first + 1, first + 2, true],
      [first + 3, first + 3, false],
    ]);
    for (const at of starts) expect(verifyRecord(bytes, view, at, bytes.length, SEED)).toBe(true);
  });

  test('a compacted segment is read', () => {
    const disk = new MemoryDisk(EMPTY_DISK);
    disk.makeDir(DIR);
    const { number } = SEGMENT;
    const file = path.join(DIR, sealedFile(number));
    const handle = disk.openWrite(file, 'create');
    disk.write(handle, [golden('compacted-segment.bin')], 0);
    disk.close(handle);
    const sealed = SealedSegment.open(disk, { file, number, storeId: STORE, hasher });
    expect(sealed.header).toMatchObject({ isCompacted: true, count: 2, firstSequence: SEGMENT.firstSequence });
    const raw = Buffer.alloc(sealed.bytes);
    sealed.read(raw, 0);
    expect(raw.subarray(128).equals(golden('compacted-frame.bin'))).toBe(true);
    const header = readFrameHeader(raw, viewOf(raw), 128, hasher, number)!;
    expect(sealed.header.lastFrame).toEqual(header.checksum);
    sealed.close();
  });

  test('a segment header is read', () => {
    const found = decodeSegmentHeader(golden('segment-header.bin'), SEGMENT.number, STORE, hasher);
    expect(found).toEqual({ kind: 'valid', header: SEGMENT });
  });

  test('a watermark file is read', () => {
    expect(decodeWatermark(golden('watermark.bin'), hasher)).toEqual(WATERMARKS[1]);
  });

  test('a manifest is read', () => {
    expect(decodeManifest(golden('manifest.txt'))).toEqual({ kind: 'valid', manifest: MANIFEST });
  });

  test('a checkpoint is read', () => {
    const dir = makeDir();
    fs.writeFileSync(path.join(dir, HEADS_FILE), golden('checkpoint.bin'));
    const file = HeadsFile.open(nodeStorage, dir, hasher)!;
    expect(file.header).toMatchObject({ heads: HEADS.length, keys: KEYS.length, sequence: 2 ** 40 + 4 });
    for (const { hash, a, b } of HEADS) expect(file.find(hash)).toEqual({ revision: a - 1, lastSequence: b });
    const keys: unknown[] = [];
    file.forEachKey((hash, a, b) => void keys.push({ hash, a, b }));
    expect(keys).toEqual(KEYS);
    file.close();
    removeDir(dir);
  });

  test('an index file is read', async () => {
    const disk = new MemoryDisk(EMPTY_DISK);
    disk.makeDir(DIR);
    const { segment, offsets } = await makeIndex(INDEXED_RECORDS, INDEXED_PLACES);
    const handle = disk.openWrite(path.join(DIR, indexFile(segment.number)), 'create');
    disk.write(handle, [golden('index.bin')], 0);
    disk.close(handle);
    const { index, files } = await openIndex({ disk, segment, offsets }, 0);
    const records = INDEXED_RECORDS.flat();
    for (const field of INDEXED) {
      const lists: [string, number[]][] = [];
      for await (const list of index.ofEach(field, '')) {
        lists.push([list.value, [...(await list.within(FIRST, FIRST + INDEXED_PLACES))]]);
      }
      expect(new Map(lists)).toEqual(listsOf(records, field));
      for (const [value, places] of lists) expect((await index.ofValue(field, value)).count).toBe(places.length);
    }
    const places = Uint32Array.from(records, ({ place }) => place);
    expect([...(await index.recordsAt(places))!.starts]).toEqual([...places].map((place) => offsets[place]));
    expect(await checkIndex(files, segment, () => {})).toBeUndefined();
    files.close();
  });

  test("a backup's list is read", () => {
    expect(decodeBackupList(golden('backup.txt'))).toEqual({ kind: 'valid', list: BACKUP });
  });

  test('a base is read, and the manifest that names it', async () => {
    const found = decodeManifest(golden('manifest-base.txt'));
    const { manifest } = await base();
    expect(found).toEqual({ kind: 'valid', manifest });
    const dir = makeDir();
    fs.writeFileSync(path.join(dir, manifest.base!.file), golden('base.bin'));
    const file = BaseFile.open(nodeStorage, dir, hasher, manifest.base!);
    file.verify();
    const names = await NameHasher.create(Buffer.from(MANIFEST.hashKey, 'hex'));
    for (const result of RESULTS) {
      const { sequence, revision, timestampNs } = result;
      const body = hashBody(names, memoryOf(recordOf(result)), 0);
      expect(file.find(sequence)).toEqual({ sequence, revision, timestampNs, body });
    }
    file.close();
    const heads = HeadsFile.open(nodeStorage, dir, hasher, manifest.base)!;
    for (const { hash, a, b } of HEADS) expect(heads.find(hash)).toEqual({ revision: a - 1, lastSequence: b });
    heads.close();
    removeDir(dir);
  });

  test('a file of tombstones is read, and the manifest that tells of them', () => {
    expect(decodeTombstones(golden('tombstones.bin'), STORE, hasher)).toEqual(TOMBSTONES);
    const found = decodeManifest(golden('manifest-tombstones.txt'));
    expect(found).toEqual({ kind: 'valid', manifest: MANIFEST_TOMBSTONES });
  });

  test("a tree's file is read", () => {
    const found = decodeTreeFile(golden('tree.txt'), TREE.origin);
    const keys = TREE.signers.map(({ verifier }) => verifier);
    const { origin, size } = TREE;
    const frontier = TREE.frontier.map((hash) => new Uint8Array(hash));
    expect(found).toMatchObject({ kind: 'valid', tree: { keys, signers: keys, frontier, body: { origin, size } } });
  });
});

describe('the golden store', () => {
  test('is read without a byte being written', async () => {
    const before = listing(STORE_DIR);
    const store = await open({ dir: STORE_DIR, readOnly: true });
    const events = await store.read().toArray();
    expect(asText(events.map((event) => event.toObject()))).toBe(golden('store.txt').toString());
    expect(await store.verify({ deep: true })).toMatchObject({ ok: true, segments: 2, events: 7, problems: [] });
    expect(listing(STORE_DIR)).toEqual(before);
  });

  test('is opened and goes on', async () => {
    const store = await open({ dir: copyDir(STORE_DIR) });
    expect(store.stats()).toMatchObject({ nodeId: 'golden', durable: 7, recovery: { clean: true } });
    const events = await store.read().toArray();
    expect(asText(events.map((event) => event.toObject()))).toBe(golden('store.txt').toString());
    const repeated = { type: 'TaskNoted', data: { n: 1, text: 'grün' }, idempotencyKey: 'k2' };
    const task = [{ type: 'TaskStarted' }, { type: 'TaskDone', data: [1n], causes: [0, 1] }];
    const call = [
      { stream: 'task/1', events: repeated },
      { stream: 'task/2', events: task },
    ];
    expect(await store.appendMany(call)).toMatchObject({ duplicate: true, firstSequence: 5 });
    expect(await store.append('task/1', { type: 'TaskDone' }, { expect: 2 })).toMatchObject({
      firstSequence: 8,
      revision: 3,
    });
    expect((await store.verify({ deep: true })).ok).toBe(true);
  });
});
