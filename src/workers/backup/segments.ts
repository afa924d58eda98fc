/** Copying a segment, and verifying the copy: its frames, and that it continues the segment before it. */
import { corrupt } from '../../shared/damage.js';
import { TEMPORARY } from '../../shared/format/file-names.js';
import type { FramePosition } from '../../shared/seal-tasks.js';
import { startOf } from '../seal/frames.js';
import { bytesOf, type Copied, type CopyContext, copyInto, putInPlace } from './copying.js';
import { headerOf, type LogPlace, openSegment, type SegmentSource, samePlace, walk } from './log-walk.js';

/** Where a segment's frames end. */
export type SegmentEnd = Pick<FramePosition, 'offset' | 'previous'>;

/** A segment that is to be copied. */
export interface SegmentCopy {
  readonly source: SegmentSource;
  /** Whether the copy is to be a sealed one. */
  readonly sealed: boolean;
  /** The path that it will have. */
  readonly to: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly end: SegmentEnd;
  /** Of the segment before it; undefined of the first one. */
  readonly before: SegmentEnd | undefined;
}

/**
 * @param isRight whether these are the bytes that it is to have
 * @throws ERR_CORRUPT where the source is not what it is to be; ERR_STORAGE
 */
export async function copySegment(
  place: LogPlace & CopyContext,
  segment: SegmentCopy,
  isRight: (copied: Copied) => boolean = () => true,
): Promise<Copied> {
  const copied = await copyFileOf(place, segment);
  const blamed = segment.source.blamed ?? segment.source.file;
  if (!isRight(copied)) {
    throw corrupt(blamed, 0, 'the file is not the one that was copied', segment);
  }
  await verifyCopy(place, segment, blamed);
  putInPlace(place.storage, segment.to);
  return copied;
}

/** As it is, or its raw bytes up to the end of its last frame. */
async function copyFileOf(place: LogPlace & CopyContext, segment: SegmentCopy): Promise<Copied> {
  const { storage } = place;
  const { source, sealed, to, end } = segment;
  if (!sealed) {
    const open = openSegment(place, source);
    try {
      return await copyInto(place, open, end.offset, to);
    } finally {
      open.close();
    }
  }
  // One that cannot be read is to be called by its own name.
  openSegment(place, source).close();
  const handle = storage.openRead(source.file);
  try {
    return await copyInto(place, bytesOf(storage, handle), storage.size(handle), to);
  } finally {
    storage.close(handle);
  }
}

async function verifyCopy(place: LogPlace, segment: SegmentCopy, blamed: string): Promise<void> {
  const { sealed, to, source, firstSequence, lastSequence, end, before } = segment;
  const copy: SegmentSource = { file: to + TEMPORARY, sealed, number: source.number, blamed };
  const open = openSegment(place, copy);
  try {
    const header = headerOf(place, copy, open);
    if (header === undefined || header.firstSequence !== firstSequence) {
      throw corrupt(blamed, 0, 'the segment has no header that belongs there', segment);
    }
    const start = startOf(header, place.holes);
    const isJoined = place.holes.beginsAnew(start.sequence);
    const follows = { offset: header.previousBytes, previous: header.previous };
    if (before !== undefined && !isJoined && !samePlace(before, follows)) {
      throw corrupt(blamed, 0, 'the segment does not continue the one before it', segment);
    }
    const found = await walk(place, copy, open, start, lastSequence);
    if (found.sequence === place.holes.skip(lastSequence + 1) && samePlace(found, end)) return;
    throw corrupt(blamed, found.offset, 'the segment does not end as the one behind it says', segment);
  } finally {
    open.close();
  }
}
