/**
 * What a store's directory holds: which segments, where the log ends, what of it is known to be durable, and what
 * follows its end. Only reads. The writer mends by it, a read-only opener serves by it.
 */
import path from 'node:path';
import { type ActiveSegment, type Place, scanActive } from './active-scan.js';
import { corrupt, unsupported } from './damage.js';
import { PlaceHasher } from './format/checksum.js';
import { MANIFEST_FILE, sealedNumber, segmentFile, segmentNumber, WATERMARK_FILE } from './format/file-names.js';
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest, NEWEST_MANIFEST_FORMAT } from './format/manifest.js';
import { decodeSegmentHeader, SEGMENT_FORMAT, SEGMENT_HEADER_BYTES, type SegmentHeader } from './format/segment.js';
import { decodeWatermark, WATERMARK_FILE_BYTES, type Watermark } from './format/watermark.js';
import { refuseNoStore } from './no-store.js';
import { fromWire, isKeeperError, KeeperError, toWire } from './portable/errors.js';
import { type ReadStorage, readFile } from './storage.js';
import { fileOfSegment, unsealing } from './unsealing.js';

export interface Inspection {
  readonly manifest: Manifest;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
  readonly watermark: Watermark | undefined;
  /** Every segment in use that has a valid header, oldest first; none in a new store. */
  readonly segments: readonly SegmentHeader[];
  /** The others, oldest first: missing, or without a header that belongs there. With any of them the log is damaged. */
  readonly lost: readonly LostSegment[];
  readonly active: ActiveSegment | undefined;
  /** The last sequence that is known to be durable. */
  readonly durable: number;
  /** Whether the last writer closed the store. */
  readonly clean: boolean;
}

export interface LostSegment {
  readonly number: number;
  /** ERR_CORRUPT, with the segment's file. */
  readonly error: KeeperError;
}

/**
 * The manifest of a directory, or undefined where there is no store.
 * @throws ERR_INVALID_OPTIONS where it is a backup, or a restore has not come to its end; ERR_CORRUPT, ERR_UNSUPPORTED_FORMAT
 */
export function readManifest(storage: ReadStorage, dir: string): Manifest | undefined {
  refuseNoStore(storage, dir);
  const file = path.join(dir, MANIFEST_FILE);
  if (!storage.exists(file)) {
    const orphan = storage.exists(dir)
      ? storage.list(dir).find((name) => (segmentNumber(name) ?? sealedNumber(name)) !== undefined)
      : undefined;
    if (orphan === undefined) return undefined;
    throw corrupt(file, 0, 'the manifest is missing beside segments of a log');
  }
  const found = decodeManifest(readFile(storage, file, MAX_MANIFEST_BYTES + 1));
  if (found.kind === 'valid') return found.manifest;
  if (found.kind === 'corrupt') throw corrupt(file, 0, `the manifest does not verify: ${found.why}`);
  throw unsupported(file, found.format, NEWEST_MANIFEST_FORMAT);
}

/**
 * Look at a store.
 * @throws ERR_UNSUPPORTED_FORMAT; ERR_STORAGE where a read failed: nothing is then concluded from what could not be read
 */
export async function inspectStore(storage: ReadStorage, dir: string, manifest: Manifest): Promise<Inspection> {
  const storeId = Buffer.from(manifest.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  const place = { storage: unsealing(storage, storeId, hasher), dir, storeId, hasher };
  // Read before the segments: beside a live writer these are then at least as far.
  const watermarkPath = path.join(dir, WATERMARK_FILE);
  const watermark = storage.exists(watermarkPath)
    ? decodeWatermark(readFile(storage, watermarkPath, WATERMARK_FILE_BYTES), hasher)
    : undefined;
  const current = watermark?.epoch === manifest.epoch ? watermark : undefined;
  const known = Math.max(manifest.durableUpTo, current?.sequence ?? 0);
  const lastUsed = Math.max(lastUsedSegment(manifest, current), usedBehindSealed(storage, dir));
  const fileOf = (number: number): string => fileOfSegment(storage, dir, number);
  const { segments, lost } = readSegmentHeaders(place, fileOf, manifest.firstSegment, lastUsed);
  const header = segments.at(-1);
  const scanned = header === undefined ? undefined : scanActive(place, header, manifest, known);
  return {
    manifest,
    storeId,
    hasher,
    watermark,
    segments,
    lost,
    active: scanned?.active,
    durable: scanned?.durable ?? known,
    clean: current?.clean === true,
  };
}

/**
 * Why a segment is lost, with the sequences that lie between its neighbours.
 * @throws ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export function lostError(
  storage: ReadStorage,
  dir: string,
  { manifest, storeId, hasher, segments, durable }: Inspection,
  { number, error }: LostSegment,
): KeeperError {
  const place = { storage: unsealing(storage, storeId, hasher), dir, storeId, hasher };
  const before = segments.findLast((segment) => segment.number < number);
  const next = segments.find((segment) => segment.number > number);
  const lastBefore =
    before === undefined ? manifest.floor - 1 : scanActive(place, before, manifest, durable).active.lastSequence;
  const lastSequence = next === undefined ? durable : next.firstSequence - 1;
  // Nobody knows of any where the end was not known to be durable.
  if (lastBefore >= lastSequence) return error;
  return fromWire({ ...toWire(error), firstSequence: lastBefore + 1, lastSequence });
}

/**
 * The header of a segment, or undefined if the file was never used.
 * @param named the file that it is in, which is sealed or not
 * @throws ERR_CORRUPT where it belongs to another place, ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export function readSegmentHeader(
  place: Place,
  number: number,
  named = path.join(place.dir, segmentFile(number)),
): SegmentHeader | undefined {
  const handle = place.storage.openRead(path.join(place.dir, segmentFile(number)));
  try {
    const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
    const length = place.storage.read(handle, bytes, 0);
    const found = decodeSegmentHeader(bytes.subarray(0, length), number, place.storeId, place.hasher);
    if (found.kind === 'valid') return found.header;
    if (found.kind === 'unsupported') throw unsupported(named, String(found.format), SEGMENT_FORMAT);
    if (found.kind === 'foreign') throw corrupt(named, 0, 'the segment belongs to another store or another place');
    if (found.kind === 'corrupt') throw corrupt(named, 0, 'the header of the segment says what cannot be');
    return undefined;
  } finally {
    place.storage.close(handle);
  }
}

/** The last segment that is known to hold durable frames. The watermark may name one whose first is still to come. */
function lastUsedSegment(manifest: Manifest, watermark: Watermark | undefined): number {
  const holdsFrames = watermark !== undefined && watermark.endOffset > SEGMENT_HEADER_BYTES;
  return Math.max(manifest.lastSegment, holdsFrames ? watermark.segment : 0);
}

/** Behind the newest sealed segment, as that is sealed once the next one has a durable header, with a frame or without. */
export function usedBehindSealed(storage: ReadStorage, dir: string): number {
  return storage.list(dir).reduce((used, name) => Math.max(used, (sealedNumber(name) ?? -1) + 1), 0);
}

/**
 * The headers of the segments that are in use. Behind them there may be files without one: a header goes out with its
 * segment's first frame, or a little before, and the file after it is made ahead.
 * @param fileOf the file that a segment is in, sealed or not
 */
function readSegmentHeaders(
  place: Place,
  fileOf: (number: number) => string,
  first: number,
  lastUsed: number,
): { segments: SegmentHeader[]; lost: LostSegment[] } {
  const numbers = place.storage
    .list(place.dir)
    .map(segmentNumber)
    .filter((number) => number !== undefined)
    .filter((number) => number >= first)
    .sort((a, b) => a - b);
  const segments: SegmentHeader[] = [];
  const lost: LostSegment[] = [];
  // The next segment may be torn, or its name lost, beside the one after it. It is a hole if one behind it was used.
  let unused: LostSegment | undefined;
  const lack = (number: number, why: string): void => {
    const segment = { number, error: corrupt(fileOf(number), 0, why) };
    if (number <= lastUsed) lost.push(segment);
    else unused ??= segment;
  };
  let next = first;
  for (const number of numbers) {
    // One hole, however many numbers it has: a stray file may have any.
    if (number > next) lack(next, 'a segment in the middle of the log is missing');
    next = number + 1;
    const header = headerOrDamage(place, number, fileOf(number));
    if (header === undefined) {
      lack(number, 'a segment that was in use has no valid header');
      continue;
    }
    if (header instanceof KeeperError) {
      lost.push({ number, error: header });
      continue;
    }
    const before = segments.at(-1);
    if (before !== undefined && header.firstSequence <= before.firstSequence) {
      const why = `the segment begins at sequence ${header.firstSequence}, before its predecessor ends`;
      lost.push({ number, error: corrupt(fileOf(number), 0, why) });
      continue;
    }
    if (unused !== undefined) lost.push(unused);
    unused = undefined;
    segments.push(header);
  }
  if (next <= lastUsed) lack(next, 'the newest segment is missing');
  return { segments, lost };
}

function headerOrDamage(place: Place, number: number, named: string): SegmentHeader | KeeperError | undefined {
  try {
    return readSegmentHeader(place, number, named);
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return error;
    throw error;
  }
}
