/** The frames of a segment's file that verify, wherever in it they stand. */
import { unsupported } from '../../shared/damage.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import {
  COMPACTED_FRAME_FORMAT,
  FRAME_HEADER_BYTES,
  FRAME_MAGIC,
  type FrameHeader,
  readFrameHeader,
  verifyFrameBody,
  walkRecords,
} from '../../shared/format/frame.js';
import { recordTimestampNs } from '../../shared/format/record.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import type { FileWindow } from './window.js';

const MAGIC = Buffer.alloc(4);
MAGIC.writeUInt32LE(FRAME_MAGIC);

/** A frame that verifies. */
export interface Frame extends FrameHeader {
  /** The path of the file that it is in. */
  readonly file: string;
  readonly offset: number;
  readonly end: number;
  readonly lastSequence: number;
  readonly lastTimestampNs: bigint;
}

/** What frames are verified with. */
export interface FramePlace {
  readonly file: string;
  readonly number: number;
  readonly hasher: PlaceHasher;
}

/**
 * The frame at an offset, or undefined where none begins that verifies.
 * @throws ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export async function frameAt(window: FileWindow, place: FramePlace, offset: number): Promise<Frame | undefined> {
  const header = await headerAt(window, place, offset);
  if (header === undefined) return undefined;
  const end = offset + FRAME_HEADER_BYTES + header.bodyBytes;
  const whole = await window.piece(offset, end - offset);
  if (whole === undefined || !verifyFrameBody(whole.bytes, whole.at, header, place.hasher, place.number)) {
    return undefined;
  }
  const last = walkRecords(whole.view, whole.at, header);
  if (last === -1) return undefined;
  const lastSequence = header.firstSequence + header.count - 1;
  return {
    ...header,
    file: place.file,
    offset,
    end,
    lastSequence,
    lastTimestampNs: recordTimestampNs(whole.view, last),
  };
}

/**
 * Every frame from an offset on that verifies, in the order of the file.
 * @throws ERR_UNSUPPORTED_FORMAT, ERR_STORAGE
 */
export async function* framesOf(
  window: FileWindow,
  place: FramePlace,
  from = SEGMENT_HEADER_BYTES,
): AsyncGenerator<Frame> {
  for (let offset = from; ; ) {
    const frame = await frameAt(window, place, offset);
    if (frame !== undefined) {
      yield frame;
      offset = frame.end;
      continue;
    }
    const next = await window.find(MAGIC, offset + 8);
    if (next === undefined) return;
    offset = next;
  }
}

async function headerAt(window: FileWindow, place: FramePlace, offset: number): Promise<FrameHeader | undefined> {
  const piece = await window.piece(offset, FRAME_HEADER_BYTES);
  if (piece === undefined) return undefined;
  try {
    return readFrameHeader(piece.bytes, piece.view, piece.at, place.hasher, place.number);
  } catch (error) {
    if (error instanceof RangeError) throw unsupported(place.file, error.message, COMPACTED_FRAME_FORMAT);
    throw error;
  }
}
