/** Every decoder of what lies on a disk, with valid inputs to begin with and a way to repair what was changed in them. */
import { BaseFile } from '../../dist/main/append/base-file.js';
import { HeadsFile } from '../../dist/main/append/heads-file.js';
import { storedEvent } from '../../dist/main/read/stored-event.js';
import { encodeResult } from '../../dist/shared/format/base.js';
import { HEADS_FILE } from '../../dist/shared/format/file-names.js';
import { readFrameHeader, verifyFrameBody, walkRecords } from '../../dist/shared/format/frame.js';
import { decodeIndexHeader, encodeIndexHeader, INDEXED } from '../../dist/shared/format/index-file.js';
import { decodeChunk, encodeChunk } from '../../dist/shared/format/index-offsets.js';
import { decodePart, encodePart, readFollowing } from '../../dist/shared/format/index-postings.js';
import { TreeBlockReader, TreeBlockWriter } from '../../dist/shared/format/index-tree.js';
import { decodeManifest, encodeManifest } from '../../dist/shared/format/manifest.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { decodePayload, PAYLOAD, PayloadWriter } from '../../dist/shared/format/payload.js';
import { memoryOf, verifyRecord } from '../../dist/shared/format/record.js';
import { decodeSegmentHeader, encodeSegmentHeader } from '../../dist/shared/format/segment.js';
import { decodeTombstones, encodeTombstones } from '../../dist/shared/format/tombstones.js';
import { MalformedBytes } from '../../dist/shared/format/varint.js';
import { decodeWatermark, encodeWatermark } from '../../dist/shared/format/watermark.js';
import { writeBase } from '../../dist/workers/background/base-writer.js';
import { commitCheckpoint, writeCheckpoint } from '../../dist/workers/background/checkpoint-writer.js';
import { Workspace } from '../../dist/workers/background/workspace.js';
import { EMPTY_DISK, type Image } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import type { Random } from '../crash/random.js';
import { hasher, STORE, viewOf } from '../support/bytes.js';
import { sharedEntries } from '../support/entries.js';
import { compactedFrameOf, frameOf, SEED as RECORD_SEED, recordOf } from '../support/records.js';
import { arbitraryBytes, below, mutate, pick } from './mutate.js';
import {
  repairBase,
  repairCheckpoint,
  repairFrame,
  repairIndexHeader,
  repairManifest,
  repairRecord,
  repairSegmentHeader,
  repairTombstones,
  repairWatermark,
} from './repair.js';
import type { Target } from './run.js';

const SEGMENT = 3;

const EVENTS: readonly object[] = [
  { type: 't' },
  { type: 'Done', data: { ok: true, list: [1, -1, 1.5, null, 'text'], deep: { deeper: { deepest: [] } } } },
  { type: 'Done', data: new Uint8Array(40), tags: ['a', 'bc', 'ü'], causes: ['1700000000000000000_1_node'] },
  {
    type: 'Rare',
    data: { at: new Date(1), big: 2n ** 60n, bytes: new Uint8Array([1, 2, 3]) },
    metadata: { agent: 'ada', session: 's', correlationId: 'c', traceparent: '00-1', custom: { n: 1 } },
    idempotencyKey: 'key',
    schemaVersion: 7,
  },
];
const RECORDS = EVENTS.map((event, i) => recordOf({ stream: `stream/${i}`, event, sequence: i + 1, revision: i }));
const FRAMES = [
  frameOf(RECORDS, SEGMENT),
  frameOf(RECORDS.slice(0, 1), SEGMENT, { durableUpTo: 0 }),
  compactedFrameOf(RECORDS, [1, 3], SEGMENT),
];

/** A target whose inputs are its valid ones, changed, and then repaired most of the time. */
function target(
  name: string,
  valid: readonly Buffer[],
  repair: (bytes: Buffer) => Buffer | undefined,
  decode: (bytes: Buffer) => unknown,
): Target {
  const input = (random: Random): Buffer => {
    const changed = Buffer.from(mutate(random, pick(random, valid)));
    return random() < 0.75 ? (repair(changed) ?? changed) : changed;
  };
  return { name, input, decode };
}

/** Everything that can be asked of an event. */
export function lookAt(event: ReturnType<typeof storedEvent>): unknown {
  return [event.toJSON(), event.metadata, event.idempotencyKey, event.tags, event.causes];
}

const record = target(
  'record',
  RECORDS,
  (bytes) => void repairRecord(bytes, 0, RECORD_SEED),
  (bytes) => {
    const memory = memoryOf(bytes);
    return verifyRecord(bytes, memory.view, 0, bytes.length, RECORD_SEED) ? lookAt(storedEvent(memory, 0, 'node')) : [];
  },
);

/** What frame.ts says of an unknown format. */
const isFormatError = (error: unknown): boolean =>
  error instanceof RangeError && /^frame format \d+$/.test(error.message);

const frame: Target = {
  ...target(
    'frame',
    FRAMES,
    (bytes) => void repairFrame(bytes, 0, hasher, SEGMENT, RECORD_SEED),
    (bytes) => {
      const memory = memoryOf(bytes);
      const header = readFrameHeader(bytes, memory.view, 0, hasher, SEGMENT);
      if (header === undefined || header.bodyBytes > bytes.length - 64) return header;
      const starts: number[] = [];
      if (!verifyFrameBody(bytes, 0, header, hasher, SEGMENT)) return header;
      if (walkRecords(memory.view, 0, header, starts) === -1) return header;
      // A record whose payload does not decode says nothing of the others.
      return starts.map((at) => typed(() => lookAt(storedEvent(memory, at, 'node'))));
    },
  ),
  mayThrow: isFormatError,
};

function typed(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (Reflect.get(error as object, 'code') !== 'ERR_CORRUPT') throw error;
    return undefined;
  }
}

const segment = target(
  'segment header',
  [
    encodeSegmentHeader(
      {
        number: SEGMENT,
        firstSequence: 9,
        epoch: 2,
        previousBytes: 4096,
        previous: new Uint8Array(8),
        createdMs: 1_700_000_000_000,
        previousTimestampNs: 1_700_000_000_000_000_000n,
      },
      STORE,
      hasher,
    ),
  ],
  (bytes) => void repairSegmentHeader(bytes, hasher),
  (bytes) => {
    const found = decodeSegmentHeader(bytes, SEGMENT, STORE, hasher);
    if (found.kind === 'valid') safe(found.header.firstSequence, found.header.epoch, found.header.previousBytes);
    return found;
  },
);

export const MANIFEST = {
  format: 1,
  storeId: STORE.toString('hex'),
  nodeId: 'node',
  hashKey: '11'.repeat(32),
  createdMs: 1_700_000_000_000,
  epoch: 2,
  durableUpTo: 9,
  firstSegment: 1,
  lastSegment: 1,
  floor: 1,
  holes: [] as [number, number][],
};

/** JSON that a member should not be. */
const NONSENSE: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  0.5,
  2 ** 53,
  1e300,
  '',
  'x',
  '00',
  [],
  [1],
  [[1]],
  {},
  { toString: 1 },
];

const manifest: Target = {
  name: 'manifest',
  input(random) {
    const valid = encodeManifest({ ...MANIFEST, holes: random() < 0.5 ? [] : [[1, 2]] });
    if (random() < 0.5) {
      const changed = mutate(random, valid);
      return random() < 0.75 ? repairManifest(changed) : changed;
    }
    if (random() < 0.1) return repairManifest(Buffer.from(JSON.stringify(pick(random, NONSENSE))));
    const member = pick(random, Object.keys(MANIFEST));
    const text = { ...MANIFEST, [member]: random() < 0.1 ? undefined : pick(random, NONSENSE) };
    return repairManifest(Buffer.from(JSON.stringify(text)));
  },
  decode(bytes) {
    const found = decodeManifest(bytes);
    if (found.kind !== 'valid') return found;
    const { storeId, hashKey, epoch, durableUpTo, firstSegment, lastSegment, floor } = found.manifest;
    safe(
      epoch,
      durableUpTo,
      firstSegment,
      lastSegment,
      floor,
      found.manifest.createdMs,
      ...found.manifest.holes.flat(),
    );
    if (Buffer.from(storeId, 'hex').length !== 16 || Buffer.from(hashKey, 'hex').length !== 32)
      throw new Error('an id');
    return found;
  },
};

function safe(...numbers: readonly number[]): void {
  for (const number of numbers)
    if (!Number.isSafeInteger(number) || number < 0) throw new Error(`${number} is let pass`);
}

function watermarkFile(): Buffer {
  const file = Buffer.alloc(1024);
  for (const turn of [4, 5]) {
    const slot = file.subarray((turn % 2) * 512, (turn % 2) * 512 + 64);
    encodeWatermark(
      slot,
      viewOf(slot),
      { epoch: 2, turn, sequence: 9, segment: 1, endOffset: 512, clean: true },
      hasher,
    );
  }
  return file;
}

const watermark = target(
  'watermark',
  [watermarkFile()],
  (bytes) => void repairWatermark(bytes, hasher),
  (bytes) => {
    const found = decodeWatermark(bytes, hasher);
    if (found !== undefined) safe(found.epoch, found.turn, found.sequence, found.segment, found.endOffset);
    return found;
  },
);

const HASHES = Array.from({ length: 200 }, (_, i) => Uint32Array.of(i * 7919, i * 104_729, i, i));

const CHECKPOINT_DISK: Image = await (async () => {
  const disk = new MemoryDisk(EMPTY_DISK);
  disk.makeDir('/store');
  const entries = (from: number, to: number) =>
    sharedEntries(HASHES.slice(from, to).map((hash, i) => ({ hash, a: i + 1, b: i + 1 })));
  const snapshot = { storeId: STORE, sequence: 900, base: 0, heads: entries(0, 150), keys: entries(150, 200) };
  writeCheckpoint(disk, '/store', await Workspace.create(STORE), snapshot);
  commitCheckpoint(disk, '/store');
  return disk.image();
})();
const CHECKPOINT_INODE = CHECKPOINT_DISK.names.get(`/store/${HEADS_FILE}`)!;

const checkpoint: Target = {
  ...target(
    'checkpoint',
    [CHECKPOINT_DISK.contents.get(CHECKPOINT_INODE)!],
    (bytes) => void repairCheckpoint(bytes, hasher),
    (bytes) => {
      const { names, contents } = CHECKPOINT_DISK;
      const disk = new MemoryDisk({ names, contents: new Map([...contents, [CHECKPOINT_INODE, bytes]]) });
      const file = HeadsFile.open(disk, '/store', hasher);
      if (file === undefined) return undefined;
      const found: unknown[] = [file.verifies()];
      const covered = file.header.sequence;
      for (let i = 0; i < 200; i += 4) {
        const head = typed(() => file.find(HASHES[i]!)) as { revision: number; lastSequence: number } | undefined;
        if (head !== undefined) safe(covered - head.lastSequence, head.revision + 1);
      }
      typed(() =>
        file.forEachKey((hash, sequence) => {
          safe(covered - sequence);
          found.push(hash);
        }),
      );
      file.close();
      return found;
    },
  ),
};

const PLACES = 200_000;
const NODE = 'node';

const indexHeader = target(
  'index header',
  [
    encodeIndexHeader(
      {
        segment: { number: SEGMENT, firstSequence: 9, count: 5, rawBytes: 4096, lastFrame: new Uint8Array(8) },
        nodeId: NODE,
        fileBytes: 9000,
        places: 7,
        firstTimestampNs: 1n,
        lastTimestampNs: 9n,
        directoryOffset: 600,
        fields: Object.fromEntries(
          INDEXED.map((field, i) => [
            field,
            { root: i === 0 ? undefined : { offset: 700, length: i }, filterOffset: 0, filterBlocks: 0, values: i },
          ]),
        ) as any,
      },
      STORE,
      hasher,
    ),
  ],
  (bytes) => void repairIndexHeader(bytes, hasher),
  (bytes) => {
    const found = decodeIndexHeader(bytes, SEGMENT, STORE, hasher);
    if (found === undefined) return undefined;
    const { segment: of, fileBytes, places, directoryOffset, fields } = found;
    safe(of.firstSequence, of.count, of.rawBytes, fileBytes, places, directoryOffset);
    for (const { root, filterOffset, values } of Object.values(fields)) safe(root?.offset ?? 0, filterOffset, values);
    return found;
  },
);

/** What varint.ts says of bytes that no encoder writes. */
const isMalformed = (error: unknown): boolean => error instanceof MalformedBytes;

function treeBlocks(): Buffer[] {
  const leaf = new TreeBlockWriter(0, NODE);
  const part = { part: 1, offset: 900, length: 300, count: 280, isBitmap: false };
  const parts = [part, { part: 2, offset: 1208, length: 8192, count: 60_000, isBitmap: true }];
  const ids = [1, 2, 5].map((n) => `170000000${n}000000100_${n}_${NODE}`);
  for (const key of [...ids, 'a', 'abc', 'abd']) {
    leaf.addValue({ key, count: 1, first: 7, last: 7, places: { gaps: Buffer.alloc(0) } });
  }
  leaf.addValue({ key: 'b', count: 4, first: 3, last: 900, places: { gaps: Buffer.of(0, 5, 0xf6, 6) } });
  leaf.addValue({ key: 'c', count: 60_280, first: 65_600, last: 190_000, places: { parts } });
  const above = new TreeBlockWriter(2, NODE);
  for (const key of ['', ids[0]!, 'ab']) above.addBlock({ key, offset: 2 ** 33, length: 4100 });
  return [leaf.take(), above.take()];
}

/** Blocks of an index have their checksum beside them. */
const indexBlock: Target = {
  ...target(
    'index block',
    treeBlocks(),
    () => undefined,
    (bytes) => {
      const block = new TreeBlockReader(bytes, NODE, PLACES);
      const found: unknown[] = [];
      while (!block.isAtEnd) {
        if (block.level > 0) {
          const entry = block.block();
          safe(entry.offset, entry.length);
          found.push(entry);
          continue;
        }
        const { key, count, first, last, places } = block.value();
        safe(count, first, last);
        if ('gaps' in places) found.push([key, readFollowing(places.gaps, count, first, PLACES).length]);
        else safe(...places.parts.flatMap((one) => [one.offset, one.length, one.part, one.count]));
      }
      return found;
    },
  ),
  mayThrow: isMalformed,
};

const PARTS = [[1, 5, 9000], Array.from({ length: 20_000 }, (_, i) => i * 3)].map((places) => {
  const { bytes, isBitmap } = encodePart(Uint32Array.from(places));
  return Buffer.concat([Buffer.of(isBitmap ? 1 : 0, places.length & 0xff, places.length >>> 8), bytes]);
});

/** How many there are and of which kind is said elsewhere; here by the first bytes. */
const indexPart: Target = {
  ...target(
    'index part',
    PARTS,
    () => undefined,
    (bytes) => {
      if (bytes.length < 3) return undefined;
      const isBitmap = bytes[0]! % 2 === 1;
      const count = bytes.readUInt16LE(1);
      const part = bytes.subarray(3);
      if (!isBitmap && count > part.length) return undefined; // which a block's reader refuses
      const places = new Uint32Array(count);
      decodePart({ bytes: part, isBitmap }, count, 65_536, places, 0);
      for (const [i, place] of places.entries()) {
        if (place < 65_536 || place >= 131_072 || (i > 0 && place <= places[i - 1]!)) throw new Error(`place ${place}`);
      }
      return places.length;
    },
  ),
  mayThrow: isMalformed,
};

const indexOffsets: Target = {
  ...target(
    'index offsets',
    [encodeChunk(Uint32Array.from({ length: 101 }, (_, i) => 16 + i * 40)), encodeChunk(Uint32Array.of(16, 50_000))],
    () => undefined,
    (bytes) => {
      const offsets = decodeChunk(bytes, bytes.length > 50 ? 100 : 1, 1_000_000);
      for (const [i, offset] of offsets.entries()) if (offset < (offsets[i - 1] ?? 0)) throw new Error('not ascending');
      return offsets.length;
    },
  ),
  mayThrow: isMalformed,
};

const BASE_FILE = 'keeperlog.901.base';
const BASE_DISK: Image = await (async () => {
  const disk = new MemoryDisk(EMPTY_DISK);
  disk.makeDir('/store');
  const names = await NameHasher.create(Buffer.alloc(32));
  const entries = (from: number, to: number) =>
    sharedEntries(HASHES.slice(from, to).map((hash, i) => ({ hash, a: i + 1, b: i + 1 })));
  const results = RECORDS.map((bytes) => encodeResult(names, memoryOf(bytes), 0));
  const content = { heads: entries(0, 150), keys: entries(150, 200), results };
  writeBase(disk, '/store', await Workspace.create(STORE), {
    storeId: STORE,
    sequence: 900,
    before: undefined,
    ...content,
  });
  return disk.image();
})();
const BASE_INODE = BASE_DISK.names.get(`/store/${BASE_FILE}`)!;

const base: Target = target(
  'base',
  [BASE_DISK.contents.get(BASE_INODE)!],
  (bytes) => void repairBase(bytes, hasher),
  (bytes) => {
    const { names, contents } = BASE_DISK;
    const disk = new MemoryDisk({ names, contents: new Map([...contents, [BASE_INODE, bytes]]) });
    const named = { file: BASE_FILE, checksum: bytes.toString('hex', 96, 104) };
    const file = typed(() => BaseFile.open(disk, '/store', hasher, named)) as BaseFile | undefined;
    if (file === undefined) return undefined;
    typed(() => file.verify());
    for (let sequence = 0; sequence < 6; sequence++) {
      const found = typed(() => file.find(sequence)) as { revision: number } | undefined;
      if (found !== undefined) safe(found.revision);
    }
    file.close();
    return file.header;
  },
);

const PAYLOADS = (['msgpack', 'json'] as const).flatMap((prefer) =>
  [1, 'text', [1, [2, [3]]], { a: 1, b: { c: [true, null] } }, [new Date(5), 2n ** 63n, new Uint8Array(3)]].map(
    (value) => {
      const writer = new PayloadWriter(prefer);
      const memory = memoryOf(Buffer.alloc(256));
      const length = writer.write(value, 'data', memory, 0, 256);
      return Buffer.concat([Buffer.of(writer.codec), memory.bytes.subarray(0, length)]);
    },
  ),
);

/** The first bytes of MessagePack that claim much. */
const CLAIMS = [
  0xc4, 0xc5, 0xc6, 0xc7, 0xc8, 0xc9, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0x8f, 0x9f, 0xd6, 0xd7, 0xd8,
];

/** Payloads have no checksum of their own. The codec is the first byte here. */
const payload: Target = {
  name: 'payload',
  input(random) {
    if (random() < 0.6) return mutate(random, pick(random, PAYLOADS));
    const parts = Array.from({ length: 1 + below(random, 6) }, () => [
      Buffer.of(pick(random, CLAIMS)),
      random() < 0.5 ? Buffer.alloc(below(random, 5), 0xff) : arbitraryBytes(random, 6),
    ]);
    return Buffer.concat([Buffer.of(PAYLOAD.msgpack), ...parts.flat(), arbitraryBytes(random, 40)]);
  },
  decode: (bytes) => decodePayload(bytes[0] ?? 0, bytes.subarray(1)),
  // As payload.ts says; but nothing that an engine throws about the decoder itself.
  mayThrow: (error) => error instanceof Error && !(error instanceof RangeError) && !(error instanceof TypeError),
};

const TOMBSTONES = [3, 40].map((count) => {
  const tombstones = Array.from({ length: count }, (_, i): [string, number] => [`stream/${i}`, 10 * i + 1]);
  return encodeTombstones({ sequence: 500, tombstones }, STORE, hasher);
});

const tombstones: Target = target(
  'tombstones',
  TOMBSTONES,
  (bytes) => repairTombstones(bytes, hasher),
  (bytes) => {
    const content = decodeTombstones(bytes, STORE, hasher);
    for (const [, sequence] of content?.tombstones ?? []) safe(sequence);
    return content;
  },
);

export const TARGETS: readonly Target[] = [
  record,
  frame,
  segment,
  manifest,
  watermark,
  checkpoint,
  base,
  tombstones,
  payload,
  indexHeader,
  indexBlock,
  indexPart,
  indexOffsets,
];
