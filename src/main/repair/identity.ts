/** What a store is: by its manifest, or, where that is lost, by its segments. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { corrupt, unsupported } from '../../shared/damage.js';
import { PlaceHasher, recordSeed, STORE_ID_BYTES } from '../../shared/format/checksum.js';
import { MANIFEST_FILE, sealedNumber, segmentNumber, WATERMARK_FILE } from '../../shared/format/file-names.js';
import {
  decodeManifest,
  MAX_MANIFEST_BYTES,
  type Manifest,
  manifestFormat,
  NEWEST_MANIFEST_FORMAT,
} from '../../shared/format/manifest.js';
import { RAW_HEADER_OFFSET } from '../../shared/format/sealed.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import { decodeWatermark, WATERMARK_FILE_BYTES, type Watermark } from '../../shared/format/watermark.js';
import { refuseNoStore } from '../../shared/no-store.js';
import { invalid } from '../../shared/options.js';
import { KeeperError } from '../../shared/portable/errors.js';
import { readFile, readRange, type Storage } from '../../shared/storage.js';

export interface Identity {
  readonly manifest: Manifest;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
  /** Of the checksums of records. */
  readonly seed: number;
  /** Whether the manifest was made anew. */
  readonly isNew: boolean;
  readonly watermark: Watermark | undefined;
  /** The last sequence, and the last segment in use, that manifest and watermark know of. */
  readonly durable: number;
  readonly lastSegment: number;
}

/**
 * @param nodeId third part of every id; wanted where the manifest is lost, which alone knows it
 * @throws ERR_NOT_FOUND where there is no store; ERR_INVALID_OPTIONS where the node id is wanted, or is another;
 *   ERR_CORRUPT where nothing is left that says which store this was; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export async function identify(storage: Storage, dir: string, nodeId: string | undefined): Promise<Identity> {
  refuseNoStore(storage, dir);
  const kept = readManifest(storage, dir);
  if (kept !== undefined && nodeId !== undefined && nodeId !== kept.nodeId) {
    throw invalid('nodeId', `is ${nodeId}, but this store's is ${kept.nodeId} and cannot change`);
  }
  const manifest = kept ?? (await newManifest(storage, dir, nodeId));
  const storeId = Buffer.from(manifest.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  const file = path.join(dir, WATERMARK_FILE);
  const watermark = storage.exists(file)
    ? decodeWatermark(readFile(storage, file, WATERMARK_FILE_BYTES), hasher)
    : undefined;
  const isCurrent = watermark !== undefined && (kept === undefined || watermark.epoch === manifest.epoch);
  const holdsFrames = isCurrent && watermark.endOffset > SEGMENT_HEADER_BYTES;
  return {
    manifest: kept === undefined ? { ...manifest, epoch: Math.max(manifest.epoch, watermark?.epoch ?? 0) } : manifest,
    storeId,
    hasher,
    seed: recordSeed(storeId),
    isNew: kept === undefined,
    watermark,
    durable: Math.max(manifest.durableUpTo, isCurrent ? watermark.sequence : 0),
    lastSegment: holdsFrames ? watermark.segment : 0,
  };
}

/** The manifest, or undefined where it is missing or does not verify. */
function readManifest(storage: Storage, dir: string): Manifest | undefined {
  const file = path.join(dir, MANIFEST_FILE);
  const found = storage.exists(file) ? decodeManifest(readFile(storage, file, MAX_MANIFEST_BYTES + 1)) : undefined;
  if (found?.kind === 'unsupported') throw unsupported(file, found.format, NEWEST_MANIFEST_FORMAT);
  return found?.kind === 'valid' ? found.manifest : undefined;
}

/** A manifest by what the segments say of their store. */
async function newManifest(storage: Storage, dir: string, nodeId: string | undefined): Promise<Manifest> {
  const file = path.join(dir, MANIFEST_FILE);
  const names = storage.exists(dir) ? storage.list(dir).filter((name) => numberOf(name) !== undefined) : [];
  if (names.length === 0 && !storage.exists(file)) {
    throw new KeeperError('ERR_NOT_FOUND', `there is no store in ${dir}`);
  }
  const headers: { storeId: Buffer; header: SegmentHeader }[] = [];
  for (const name of names) {
    const offset = sealedNumber(name) === undefined ? 0 : RAW_HEADER_OFFSET;
    const bytes = readRange(storage, path.join(dir, name), offset, SEGMENT_HEADER_BYTES);
    if (bytes.length < SEGMENT_HEADER_BYTES) continue;
    const storeId = Buffer.from(bytes.subarray(8, 8 + STORE_ID_BYTES));
    const found = decodeSegmentHeader(bytes, bytes.readUInt32LE(24), storeId, await PlaceHasher.create(storeId));
    if (found.kind === 'valid') headers.push({ storeId, header: found.header });
  }
  const storeId = mostCommon(headers.map((found) => found.storeId.toString('hex')));
  if (storeId === undefined) {
    throw corrupt(file, 0, 'neither the manifest nor the header of any segment says which store this was');
  }
  if (nodeId === undefined) {
    throw invalid('nodeId', 'must be given: the manifest is lost, and with it the third part of every event id');
  }
  const own = headers.filter((found) => found.storeId.toString('hex') === storeId).map(({ header }) => header);
  const oldest = own.reduce((a, b) => (b.number < a.number ? b : a));
  const firstSegment = Math.min(oldest.number, ...names.map((name) => numberOf(name)!));
  const floor = firstSegment === 1 ? 1 : oldest.firstSequence;
  // Nobody knows whether there are any: the log is read for them.
  const tombstones = floor;
  return {
    format: manifestFormat({ tombstones }),
    storeId,
    nodeId,
    hashKey: randomBytes(32).toString('hex'),
    createdMs: oldest.createdMs,
    epoch: Math.max(...own.map(({ epoch }) => epoch)),
    durableUpTo: 0,
    firstSegment,
    lastSegment: Math.max(...own.map(({ number }) => number)),
    floor,
    holes: [],
    tombstones,
  };
}

/** The number of a segment, by the name of its file, raw or sealed. */
function numberOf(name: string): number | undefined {
  return segmentNumber(name) ?? sealedNumber(name);
}

function mostCommon(values: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a)[0]?.[0];
}
