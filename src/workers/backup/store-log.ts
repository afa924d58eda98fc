/** The log of a store as it is backed up: which segments there are up to a sequence, and where each of them ends. */
import path from 'node:path';
import { lostSegment } from '../../shared/damage.js';
import { sealedFile, segmentFile, segmentNumber } from '../../shared/format/file-names.js';
import type { Manifest } from '../../shared/format/manifest.js';
import type { SegmentHeader } from '../../shared/format/segment.js';
import { readSegmentHeader } from '../../shared/inspect.js';
import { isKeeperError } from '../../shared/portable/errors.js';
import type { FramePosition } from '../../shared/seal-tasks.js';
import { fileOfSegment, unsealing } from '../../shared/unsealing.js';
import { startOf } from '../seal/frames.js';
import { type LogPlace, openSegment, type SegmentSource, walk } from './log-walk.js';

/** A segment of the store. */
export interface StoreSegment {
  readonly header: SegmentHeader;
  /** The last sequence of it that is wanted, or that was lost behind it. */
  readonly lastSequence: number;
  /** Whether it is the newest that is wanted: of it no more may be copied than is durable. */
  readonly isLast: boolean;
  /** What the one behind it says of its end; undefined where that says nothing. */
  readonly end: { readonly offset: number; readonly previous: Uint8Array } | undefined;
}

/**
 * The segments that hold anything up to a sequence, oldest first; and behind a sealed one that ends there the next, as the newest
 * segment of a store is a raw one.
 * @throws ERR_CORRUPT where one is missing; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export async function segmentsUpTo(
  place: LogPlace,
  dir: string,
  manifest: Manifest,
  upTo: number,
): Promise<StoreSegment[]> {
  const log = unsealing(place.storage, place.storeId, place.hasher);
  const headerOf = (number: number): SegmentHeader | undefined => {
    const isThere = log.exists(path.join(dir, segmentFile(number)));
    return isThere ? readSegmentHeader({ ...place, storage: log, dir }, number) : undefined;
  };
  const headers: SegmentHeader[] = [];
  for (let number = manifest.firstSegment; ; number++) {
    await place.pause();
    const header = headerOf(number);
    const isBehindSealed = headers.length > 0 && !place.storage.exists(path.join(dir, segmentFile(number - 1)));
    if (header !== undefined && header.firstSequence <= (isBehindSealed ? upTo + 1 : upTo)) {
      headers.push(header);
      continue;
    }
    if (header !== undefined) break;
    // A file that was never used has none behind it that was.
    const behind = log.list(dir).map((name) => segmentNumber(name) ?? 0);
    const isUsed = (other: number): boolean => other > number && (headerOf(other)?.firstSequence ?? Infinity) <= upTo;
    if (number > manifest.lastSegment && !behind.some(isUsed)) break;
    const from = headers.at(-1)?.firstSequence ?? manifest.floor;
    throw lostSegment(fileOfSegment(place.storage, dir, number), from, upTo);
  }
  return headers.map((header, i) => {
    const next = headers[i + 1];
    if (next === undefined) return { header, lastSequence: upTo, isLast: true, end: undefined };
    const isJoined = place.holes.beginsAnew(place.holes.skip(next.firstSequence));
    const end = isJoined ? undefined : { offset: next.previousBytes, previous: next.previous };
    return { header, lastSequence: next.firstSequence - 1, isLast: false, end };
  });
}

/**
 * Do something with the file that a segment is in: the raw one, or, where that has gone by then, the sealed one. It may become
 * sealed at any moment.
 */
export async function withFileOf<T>(
  { storage }: LogPlace,
  dir: string,
  number: number,
  use: (source: SegmentSource) => Promise<T>,
): Promise<T> {
  const raw = { file: path.join(dir, segmentFile(number)), sealed: false, number };
  const sealed = { file: path.join(dir, sealedFile(number)), sealed: true, number };
  if (!storage.exists(raw.file)) return use(sealed);
  try {
    return await use(raw);
  } catch (error) {
    const isGone = isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT' && !storage.exists(raw.file);
    if (isGone) return use(sealed);
    throw error;
  }
}

/** Bytes that are to be copied of a segment: of a full one that is sealed the whole file. */
export function sizeOf(
  place: LogPlace,
  dir: string,
  { header, isLast }: StoreSegment,
  { offset }: Pick<FramePosition, 'offset'>,
): Promise<number> {
  return withFileOf(place, dir, header.number, async ({ file, sealed }) => {
    if (!sealed || isLast) return offset;
    const handle = place.storage.openRead(file);
    try {
      return place.storage.size(handle);
    } finally {
      place.storage.close(handle);
    }
  });
}

/**
 * The place behind the frame of a segment that has a sequence.
 * @param from a place before it
 */
export function placeOf(
  place: LogPlace,
  dir: string,
  { header }: StoreSegment,
  sequence: number,
  from = startOf(header, place.holes),
): Promise<FramePosition> {
  return withFileOf(place, dir, header.number, async (source) => {
    const open = openSegment(place, source);
    try {
      return await walk(place, source, open, from, sequence);
    } finally {
      open.close();
    }
  });
}
