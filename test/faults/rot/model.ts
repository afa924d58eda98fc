/**
 * What docs/format.md says about the end of a log, followed word by word over files as values: which of a damaged store's
 * events were durable as far as the disk can tell, and which may be a torn tail. Not the engine's own recovery: that is
 * what is compared with it.
 */
import { PlaceHasher } from '../../../dist/shared/format/checksum.js';
import { MANIFEST_FILE, segmentFile, segmentNumber, WATERMARK_FILE } from '../../../dist/shared/format/file-names.js';
import {
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  NO_FRAME,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
} from '../../../dist/shared/format/frame.js';
import { decodeManifest } from '../../../dist/shared/format/manifest.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../../dist/shared/format/segment.js';
import { decodeWatermark } from '../../../dist/shared/format/watermark.js';
import type { Files } from './files.js';

export type LogEnd =
  /** Neither readers nor writers may have it. */
  | { readonly kind: 'refused' }
  | {
      readonly kind: 'found';
      /** The last sequence that is known to be durable: what readers are served. */
      readonly durable: number;
      /** The last sequence of the chain: what a writer goes on from, unless `durable` is above it. */
      readonly last: number;
      /** Whether anything but zeros follows. */
      readonly tail: boolean;
      /** The files of segments that were in use and are missing, or have no header that belongs there: no writer may have it. */
      readonly lost: readonly string[];
    };

const REFUSED: LogEnd = { kind: 'refused' };

export async function endOfLog(files: Files): Promise<LogEnd> {
  const manifestFile = files.get(MANIFEST_FILE);
  const found = manifestFile === undefined ? undefined : decodeManifest(manifestFile);
  if (found?.kind !== 'valid') return REFUSED;
  const { manifest } = found;
  const storeId = Buffer.from(manifest.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  const slots = files.get(WATERMARK_FILE);
  const newest = slots === undefined ? undefined : decodeWatermark(slots, hasher);
  const watermark = newest?.epoch === manifest.epoch ? newest : undefined;

  const used = Math.max(
    manifest.lastSegment,
    watermark !== undefined && watermark.endOffset > SEGMENT_HEADER_BYTES ? watermark.segment : 0,
  );
  const headers: SegmentHeader[] = [];
  const numbers = [...files.keys()].map(segmentNumber).filter((number) => number !== undefined);
  const missing: number[] = [];
  const lost = new Set<string>();
  for (const number of [...numbers, ...range(manifest.firstSegment, used)].sort((a, b) => a - b)) {
    if (number < manifest.firstSegment || headers.at(-1)?.number === number) continue;
    const expected = (headers.at(-1)?.number ?? manifest.firstSegment - 1) + 1;
    const bytes = files.get(segmentFile(number));
    const header =
      bytes === undefined
        ? undefined
        : decodeSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES), number, storeId, hasher);
    if (header?.kind === 'unsupported') return REFUSED;
    if (header?.kind !== 'valid') {
      if (number <= used || header?.kind === 'foreign') lost.add(segmentFile(number));
      else missing.push(number);
      continue;
    }
    if (headers.length > 0 && header.header.firstSequence <= headers.at(-1)!.firstSequence) {
      lost.add(segmentFile(number));
      continue;
    }
    for (const other of [...missing, ...range(expected, number - 1)]) lost.add(segmentFile(other));
    missing.length = 0;
    headers.push(header.header);
  }

  const active = headers.at(-1);
  let durable = Math.max(manifest.durableUpTo, watermark?.sequence ?? 0);
  if (active === undefined) return { kind: 'found', durable, last: 0, tail: false, lost: [...lost] };
  durable = Math.max(durable, active.firstSequence - 1);
  const bytes = files.get(segmentFile(active.number))!;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = SEGMENT_HEADER_BYTES;
  let last = active.firstSequence - 1;
  let previous: Uint8Array = active.number === 1 ? NO_FRAME : active.previous;
  for (;;) {
    const frame = readFrameHeader(bytes, view, at, hasher, active.number);
    if (frame === undefined || frame.firstSequence !== last + 1 || !sameChecksum(frame.previous, previous)) break;
    if (at + FRAME_HEADER_BYTES + frame.bodyBytes > bytes.length) break;
    if (!verifyFrameBody(bytes, at, frame, hasher, active.number)) break;
    last += frame.count;
    previous = frame.checksum;
    at += FRAME_HEADER_BYTES + frame.bodyBytes;
  }
  for (let place = SEGMENT_HEADER_BYTES; place < bytes.length; place += FRAME_ALIGNMENT) {
    const frame = readFrameHeader(bytes, view, place, hasher, active.number);
    if (frame?.epoch === manifest.epoch) durable = Math.max(durable, frame.durableUpTo);
  }
  return { kind: 'found', durable, last, tail: bytes.subarray(at).some((byte) => byte !== 0), lost: [...lost] };
}

function range(first: number, last: number): number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}
