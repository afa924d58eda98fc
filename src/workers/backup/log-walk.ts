/** Following the frames of a segment, whatever its file is called, raw or sealed. */
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import type { Holes } from '../../shared/holes.js';
import type { FramePosition } from '../../shared/seal-tasks.js';
import { SealedSegment } from '../../shared/sealed-segment.js';
import type { Storage } from '../../shared/storage.js';
import { readFrames } from '../seal/frames.js';
import { asStorage } from '../seal/one-file.js';

/** What the log of a store is verified with. */
export interface LogPlace {
  readonly storage: Storage;
  readonly storeId: Uint8Array;
  readonly hasher: PlaceHasher;
  readonly holes: Holes;
  /** Between two slices. */
  readonly pause: () => void | Promise<void>;
}

/** A file that holds a segment. */
export interface SegmentSource {
  readonly file: string;
  readonly sealed: boolean;
  readonly number: number;
  /** The file that is to blame for what does not verify, where it is another one. */
  readonly blamed?: string;
}

/** An open segment, read as a raw one. */
export interface OpenSegment {
  /** Of the raw segment; of a raw file what is behind the log's end as well. */
  readonly bytes: number;
  /** Read up to the target's length; returns what there was. */
  read(target: Uint8Array, offset: number): number;
  close(): void;
}

/** @throws ERR_CORRUPT where a sealed one cannot be read; ERR_UNSUPPORTED_FORMAT, ERR_STORAGE */
export function openSegment({ storage, storeId, hasher }: LogPlace, source: SegmentSource): OpenSegment {
  const { file, sealed, number } = source;
  if (sealed) return SealedSegment.open(storage, { file, number, storeId, hasher });
  const handle = storage.openRead(file);
  return {
    bytes: storage.size(handle),
    read: (target, offset) => storage.read(handle, target, offset),
    close: () => storage.close(handle),
  };
}

/** The header of a segment; undefined where its file does not begin with one that belongs there. */
export function headerOf(place: LogPlace, source: SegmentSource, open: OpenSegment): SegmentHeader | undefined {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const length = open.read(bytes, 0);
  const found = decodeSegmentHeader(bytes.subarray(0, length), source.number, place.storeId, place.hasher);
  return found.kind === 'valid' ? found.header : undefined;
}

/**
 * Follow frames that verify, each of which follows the one before it.
 * @param from where they begin
 * @param lastSequence the last one that is wanted
 * @returns the place behind the frame that has it
 * @throws ERR_CORRUPT, ERR_STORAGE
 */
export async function walk(
  { hasher, holes, pause }: LogPlace,
  { file, blamed = file, number }: SegmentSource,
  open: OpenSegment,
  from: FramePosition,
  lastSequence: number,
): Promise<FramePosition> {
  const frames = { log: asStorage(open), hasher, holes, file, blamed, number, lastSequence };
  let at = from;
  while (at.sequence <= lastSequence) {
    await pause();
    at = readFrames(frames, at).to;
  }
  return at;
}

export function samePlace(a: Pick<FramePosition, 'offset' | 'previous'>, b: typeof a): boolean {
  return a.offset === b.offset && sameChecksum(a.previous, b.previous);
}
