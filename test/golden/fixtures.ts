/** What the golden files were made of: fixed inputs, and the encoders that make bytes of them. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from 'keeperlog';
import { type BackupList, encodeBackupList } from '../../dist/shared/format/backup-list.js';
import { encodeResult } from '../../dist/shared/format/base.js';
import { HEADS_FILE, indexFile } from '../../dist/shared/format/file-names.js';
import { encodeManifest, type Manifest } from '../../dist/shared/format/manifest.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { memoryOf } from '../../dist/shared/format/record.js';
import {
  BLOCK_CODEC,
  BLOCK_ENTRY_BYTES,
  encodeSealedHeader,
  MAX_BLOCK_BYTES,
  writeBlockEntry,
} from '../../dist/shared/format/sealed.js';
import { encodeSegmentHeader, type SegmentHeader } from '../../dist/shared/format/segment.js';
import { signingKeyOf, signText } from '../../dist/shared/format/signing-key.js';
import { encodeTombstones, type TombstonesContent } from '../../dist/shared/format/tombstones.js';
import { encodeTreeFile } from '../../dist/shared/format/tree-file.js';
import { EMPTY_ROOT, rootOfFrontier } from '../../dist/shared/format/tree-hash.js';
import {
  encodeWatermark,
  WATERMARK_FILE_BYTES,
  WATERMARK_SLOT_BYTES,
  type Watermark,
  watermarkOffset,
} from '../../dist/shared/format/watermark.js';
import { formatCheckpointBody } from '../../dist/shared/portable/proof/checkpoint.js';
import { formatNote } from '../../dist/shared/portable/proof/note.js';
import { nodeStorage, readFile } from '../../dist/shared/storage.js';
import { writeBase } from '../../dist/workers/background/base-writer.js';
import { commitCheckpoint, writeCheckpoint } from '../../dist/workers/background/checkpoint-writer.js';
import { Workspace } from '../../dist/workers/background/workspace.js';
import { DIR, FIRST, type Made, makeIndex, NODE, timestampOf } from '../index/kit.js';
import { hasher, STORE, viewOf } from '../support/bytes.js';
import { sharedEntries } from '../support/entries.js';
import { compactedFrameOf, frameOf, recordOf } from '../support/records.js';
import { makeDir, removeDir } from '../support/stores.js';

export const GOLDEN_DIR = fileURLToPath(new URL('.', import.meta.url));
export const STORE_DIR = path.join(GOLDEN_DIR, 'store');

export const RECORD = {
  stream: 'task/42',
  event: {
    type: 'TaskDone',
    data: {
      ok: true,
      text: 'grün',
      list: [1, -1, 1.5, null],
      nan: Number.NaN,
      big: 2n ** 63n,
      at: new Date(-1),
      raw: new Uint8Array([1, 2]),
    },
    metadata: { agent: 'ada', session: 's', correlationId: 'c', traceparent: '00-1-2-01', custom: { n: 1 } },
    tags: ['task:42', 'ü'],
    causes: ['1700000000000000000_1_node', 2],
    schemaVersion: 7,
    idempotencyKey: 'key',
  },
  place: 3,
  flags: 2,
  sequence: 2 ** 40 + 5,
  revision: 41,
  timestampNs: 1_700_000_000_123_456_789n,
};

const SMALL = { ...RECORD, event: { type: 'T' }, place: 0, flags: 3 };
export const FRAME = {
  segment: 9,
  firstSequence: 2 ** 40 + 5,
  epoch: 3,
  durableUpTo: 2 ** 40 + 4,
  previous: new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]),
};

export const SEGMENT: SegmentHeader = {
  number: 9,
  firstSequence: 2 ** 40 + 5,
  epoch: 3,
  previousBytes: 104_857_000,
  previous: new Uint8Array([8, 7, 6, 5, 4, 3, 2, 1]),
  createdMs: 1_700_000_000_123,
  previousTimestampNs: 1_700_000_000_123_456_788n,
};

export const WATERMARKS: readonly Watermark[] = [
  { epoch: 3, turn: 6, sequence: 2 ** 40 + 5, segment: 9, endOffset: 512, clean: false },
  { epoch: 3, turn: 7, sequence: 2 ** 40 + 6, segment: 9, endOffset: 1024, clean: true },
];

export const MANIFEST: Manifest = {
  format: 1,
  storeId: STORE.toString('hex'),
  nodeId: 'golden',
  hashKey: '0123456789abcdef'.repeat(4),
  createdMs: 1_700_000_000_000,
  epoch: 3,
  durableUpTo: 2 ** 40 + 4,
  firstSegment: 1,
  lastSegment: 9,
  floor: 1,
  holes: [[5, 7]],
};

/** More heads than one block holds. */
export const HEADS = Array.from({ length: 130 }, (_, i) => ({
  hash: Uint32Array.of((i * 2_654_435_761) >>> 0, (i * 40_503 * 65_537) >>> 0, i, i * 3),
  a: i + 1,
  b: 2 ** 33 + i,
}));
export const KEYS = [1, 2, 3].map((i) => ({
  hash: Uint32Array.of(i, i + 1, i + 2, i + 3),
  a: i * 10,
  b: 1_700_000_000_000 + i,
}));

const ORIGIN = `keeperlog/${STORE.toString('hex')}`;

/** A tree of 5 leaves between two generations of keys: both have signed. */
export const TREE = {
  origin: ORIGIN,
  size: 5,
  frontier: [EMPTY_ROOT, Buffer.alloc(32, 5)],
  signers: [1, 2].map((byte) => signingKeyOf(ORIGIN, Buffer.alloc(32, byte))),
};

const SHA = (byte: number): string => byte.toString(16).padStart(2, '0').repeat(32);

/** The fourth backup into a directory, of a store whose first segment has gone. */
export const BACKUP: BackupList = {
  format: 1,
  storeId: STORE.toString('hex'),
  number: 4,
  createdMs: 1_700_000_000_456,
  content: {
    manifest: {
      ...MANIFEST,
      format: 2,
      durableUpTo: 30,
      firstSegment: 2,
      lastSegment: 3,
      floor: 11,
      base: { file: 'keeperlog.11.base', checksum: '2122232425262728' },
    },
    segments: [
      {
        number: 2,
        firstSequence: 11,
        lastSequence: 25,
        endOffset: 65_400,
        lastFrame: '0102030405060708',
        sealed: true,
        backup: 1,
        bytes: 20_000,
        sha256: SHA(1),
      },
      {
        number: 3,
        firstSequence: 26,
        lastSequence: 30,
        endOffset: 4096,
        lastFrame: '1112131415161718',
        sealed: false,
        backup: 4,
        bytes: 4096,
        sha256: SHA(2),
      },
    ],
    heads: { sequence: 28, backup: 3, bytes: 12_288, sha256: SHA(3) },
    base: { backup: 2, bytes: 16_384, sha256: SHA(5) },
    tree: { size: 30, backup: 4, bytes: 500, sha256: SHA(4) },
  },
};

/** The tombstones of a store, and a manifest that tells of them. */
export const TOMBSTONES: TombstonesContent = {
  sequence: 2 ** 40 + 4,
  tombstones: [
    ['task/42', 12],
    ['grün', 2 ** 40 + 1],
  ],
};
export const MANIFEST_TOMBSTONES: Manifest = { ...MANIFEST, format: 3, tombstones: 12 };

/** The frame of a segment, and the segment sealed, of which two of four records were removed. */
export const COMPACTED = {
  frame: { firstSequence: SEGMENT.firstSequence, epoch: 3, durableUpTo: 2 ** 40 + 4, previous: SEGMENT.previous },
  records: [0, 1, 2, 3].map((i) =>
    recordOf({ ...SMALL, event: { type: 'T', data: 'x'.repeat(40 * i) }, sequence: SEGMENT.firstSequence + i }),
  ),
  gone: [1, 3],
} as const;

function compactedSegment(): Buffer {
  const { records, gone, frame } = COMPACTED;
  const { number, firstSequence } = SEGMENT;
  const rawHeader = encodeSegmentHeader(SEGMENT, STORE, hasher);
  const raw = Buffer.concat([rawHeader, compactedFrameOf(records, gone, number, frame)]);
  const table = Buffer.alloc(BLOCK_ENTRY_BYTES);
  writeBlockEntry(table, 0, raw, number, hasher);
  const left = records.filter((_, i) => i < gone[0] || i >= gone[1]);
  const digests = Buffer.concat(left.map((record) => createHash('sha256').update(record).digest()));
  const header = encodeSealedHeader(
    {
      codec: BLOCK_CODEC.none,
      number,
      isCompacted: true,
      blockBytes: MAX_BLOCK_BYTES,
      firstSequence,
      count: left.length,
      rawBytes: raw.length,
      lastFrame: frameOf(records, number, frame).subarray(56, 64),
      storedBytes: raw.length,
      tableChecksum: hasher.digest(number, table),
      digestsChecksum: hasher.digest(number, digests),
    },
    rawHeader,
    STORE,
    hasher,
  );
  return Buffer.concat([header, raw, table, digests, table, header]);
}

/** Every golden file but the store, as the current code writes it. */
export async function goldenFiles(): Promise<Map<string, Buffer>> {
  const record = recordOf(RECORD);
  const { segment, ...frame } = FRAME;
  const watermark = Buffer.alloc(WATERMARK_FILE_BYTES);
  for (const one of WATERMARKS) {
    const slot = Buffer.alloc(WATERMARK_SLOT_BYTES);
    encodeWatermark(slot, viewOf(slot), one, hasher);
    watermark.set(slot, watermarkOffset(one.turn));
  }
  return new Map([
    ['record.bin', record],
    ['frame.bin', frameOf([record, recordOf({ ...SMALL, sequence: RECORD.sequence + 1 })], segment, frame)],
    ['compacted-frame.bin', compactedFrameOf(COMPACTED.records, COMPACTED.gone, SEGMENT.number, COMPACTED.frame)],
    ['compacted-segment.bin', compactedSegment()],
    ['segment-header.bin', encodeSegmentHeader(SEGMENT, STORE, hasher)],
    ['watermark.bin', watermark],
    ['manifest.txt', encodeManifest(MANIFEST)],
    ['checkpoint.bin', await checkpoint()],
    ['base.bin', (await base()).bytes],
    ['manifest-base.txt', encodeManifest((await base()).manifest)],
    ['tombstones.bin', encodeTombstones(TOMBSTONES, STORE, hasher)],
    ['manifest-tombstones.txt', encodeManifest(MANIFEST_TOMBSTONES)],
    ['tree.txt', treeFile()],
    ['index.bin', await index()],
    ['backup.txt', encodeBackupList(BACKUP)],
  ]);
}

/** Values in every form that an index has: short and long lists, a bitmap, own ids, two levels and a filter. */
export const INDEXED_RECORDS: readonly (readonly Made[])[] = [0, 6000].map((from) =>
  Array.from({ length: from === 0 ? 6000 : 3000 }, (_, i): Made => {
    const n = from + i;
    // The last ones are in a part of their own.
    const place = n < 8700 ? n : 65_536 + n - 8700;
    const causes = i < 200 ? [`${timestampOf(place + 1)}_${FIRST + place + 1}_${NODE}`, 1] : [];
    const metadata = {
      agent: n % 70 === 0 ? 'ada' : 'bob',
      ...(n % 20 === 0 && { correlationId: `order ${n % 1800}` }),
    };
    return { place, stream: n % 20 === 0 ? 'task/1' : 'grün', event: { type: 'T', tags: ['ab'], causes, metadata } };
  }),
);
export const INDEXED_PLACES = INDEXED_RECORDS.at(-1)!.at(-1)!.place + 1;

async function index(): Promise<Buffer> {
  const { disk, segment } = await makeIndex(INDEXED_RECORDS, INDEXED_PLACES);
  return readFile(disk, path.join(DIR, indexFile(segment.number)), 2 ** 24);
}

function treeFile(): Buffer {
  const { frontier, signers, ...head } = TREE;
  const text = formatCheckpointBody({ ...head, root: rootOfFrontier(frontier) });
  const signatures = signers.map((key) => signText(text, key));
  const keys = signers.map(({ verifier }) => verifier);
  return encodeTreeFile({ keys, frontier, checkpoint: formatNote(text, signatures) });
}

async function checkpoint(): Promise<Buffer> {
  const workspace = await Workspace.create(STORE);
  const dir = makeDir();
  const snapshot = {
    storeId: STORE,
    sequence: 2 ** 40 + 4,
    base: 0,
    heads: sharedEntries(HEADS, 2047),
    keys: sharedEntries(KEYS),
  };
  writeCheckpoint(nodeStorage, dir, workspace, snapshot);
  commitCheckpoint(nodeStorage, dir);
  const bytes = fs.readFileSync(path.join(dir, HEADS_FILE));
  removeDir(dir);
  return bytes;
}

/** The events of two calls with keys. */
export const RESULTS = [1, 2, 3].map((i) => ({ ...RECORD, sequence: 10 * i, revision: i }));

/** The base of heads, keys and results as of the same sequence as the checkpoint, and a manifest that names it. */
export async function base(): Promise<{ bytes: Buffer; manifest: Manifest }> {
  const names = await NameHasher.create(Buffer.from(MANIFEST.hashKey, 'hex'));
  const dir = makeDir();
  const named = writeBase(nodeStorage, dir, await Workspace.create(STORE), {
    storeId: STORE,
    sequence: 2 ** 40 + 4,
    before: undefined,
    heads: sharedEntries(HEADS),
    keys: sharedEntries(KEYS),
    results: RESULTS.map((result) => encodeResult(names, memoryOf(recordOf(result)), 0)),
  });
  const bytes = fs.readFileSync(path.join(dir, named.file));
  removeDir(dir);
  const start = { floor: 2 ** 40 + 5, firstSegment: 9, base: named };
  return { bytes, manifest: { ...MANIFEST, ...start, format: 2 } };
}

/** A small store: two sessions, two codecs, two segments, keys, causes, several streams. */
export async function createStore(dir: string): Promise<void> {
  const limits = { dir, segmentBytes: 65_536, sealing: 'on-demand' } as const;
  const first = await openStore({ ...limits, nodeId: 'golden' });
  await first.append('task/1', [
    {
      type: 'TaskStarted',
      data: RECORD.event.data,
      metadata: RECORD.event.metadata,
      tags: ['task:1'],
      idempotencyKey: 'k1',
    },
    { type: 'TaskDone', data: { ok: true }, causes: [0], schemaVersion: 2 },
  ]);
  await first.append('blob', { type: 'Blob', data: new Uint8Array(60_000) });
  await first.append('blob', { type: 'Blob', data: new Uint8Array(6000).fill(7) });
  await first.close();
  const second = await openStore({ ...limits, dataCodec: 'json' });
  await second.appendMany([
    { stream: 'task/1', events: { type: 'TaskNoted', data: { text: 'grün', n: 1 }, idempotencyKey: 'k2' } },
    { stream: 'task/2', events: [{ type: 'TaskStarted' }, { type: 'TaskDone', data: [1n], causes: [0, 1] }] },
  ]);
  await second.close();
}

/** Anything as text that can be compared line by line. */
export function asText(value: unknown): string {
  const replacer = (_: string, member: unknown): unknown => {
    if (typeof member === 'bigint') return `${member}n`;
    if (typeof member === 'number' && !Number.isFinite(member)) return String(member);
    if (member instanceof Uint8Array)
      return `bytes ${member.length > 64 ? member.length : Buffer.from(member).toString('hex')}`;
    return member;
  };
  return `${JSON.stringify(value, replacer, 2)}\n`;
}
