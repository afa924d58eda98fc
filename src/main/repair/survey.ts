/** What is there of each segment: the frames that verify, as spans in which one follows the other. */
import path from 'node:path';
import { isDamagedFile, sealedNumber, segmentFile, segmentNumber } from '../../shared/format/file-names.js';
import { NO_FRAME, sameChecksum } from '../../shared/format/frame.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import type { Holes } from '../../shared/holes.js';
import { usedBehindSealed } from '../../shared/inspect.js';
import { aborted, isKeeperError } from '../../shared/portable/errors.js';
import { damagedParts } from '../../shared/sealed-parts.js';
import { type ReadStorage, readRange, type Storage } from '../../shared/storage.js';
import { fileOfSegment } from '../../shared/unsealing.js';
import { type Frame, frameAt, framesOf } from './frames.js';
import type { Identity } from './identity.js';
import { FileWindow } from './window.js';

/** Frames of a file that stand one behind the other, and follow each other. */
export interface Span {
  /** Its path. */
  readonly file: string;
  readonly offset: number;
  readonly end: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** What the first one says of the frame before it, and the last one's own checksum. */
  readonly previous: Uint8Array;
  readonly lastFrame: Uint8Array;
  readonly lastTimestampNs: bigint;
}

export interface SegmentSurvey {
  readonly number: number;
  readonly header: SegmentHeader | undefined;
  /** By sequence. */
  readonly spans: readonly Span[];
  /** Whether its file and header are in order, and the frames as well, from the first to where nothing more verifies. */
  readonly sound: boolean;
}

/** What comes behind a segment's last frame, as far as it is known. */
export interface Successor {
  readonly firstSequence: number;
  /** What it says of the frame before it. */
  readonly previous: Uint8Array;
}

export interface SurveyContext {
  readonly storage: Storage;
  /** The same, with sealed segments as raw ones. */
  readonly log: ReadStorage;
  readonly dir: string;
  readonly identity: Identity;
  readonly holes: Holes;
  readonly signal: AbortSignal | undefined;
  /** Told of a segment that was looked at, and its size in bytes. */
  readonly onSegment: (bytes: number) => void;
}

/** Segments, oldest first, and how far the log is known to have been durable. */
export interface StoreSurvey {
  readonly segments: readonly SegmentSurvey[];
  readonly durable: number;
}

/**
 * Look at all segments.
 * @throws ERR_STORAGE where a file cannot be read: nothing is concluded from that; ERR_UNSUPPORTED_FORMAT, ERR_ABORTED
 */
export async function surveyStore(context: SurveyContext): Promise<StoreSurvey> {
  const { identity, signal } = context;
  const found = findSegments(context);
  const segments: SegmentSurvey[] = [];
  let { durable } = identity;
  let successor: Successor | undefined;
  // From the newest to the oldest: which of two frames is right is known from the one that follows.
  for (let number = found.last; number >= identity.manifest.firstSegment; ) {
    if (signal?.aborted === true) throw aborted(signal, 'the repair');
    const surveyed = await surveySegment(context, number, found.sources.get(number) ?? [], successor);
    // Files behind the last segment that was in use are made ahead, or are none of this log.
    if (number > found.lastKnown && segments.length === 0 && surveyed.segment.spans.length === 0) {
      number = Math.max(found.lastKnown, ...[...found.sources.keys()].filter((other) => other < number));
      continue;
    }
    durable = Math.max(durable, surveyed.durable);
    segments.push(surveyed.segment);
    successor = successorOf(context, surveyed.segment) ?? successor;
    number--;
  }
  return { segments: segments.reverse(), durable };
}

interface FoundFile {
  readonly file: string;
  readonly header: SegmentHeader | undefined;
}

/** The files that hold a segment, or parts of it: the one with its name, then those whose headers say so. */
type Sources = ReadonlyMap<number, readonly FoundFile[]>;

function findSegments({ storage, log, dir, identity }: SurveyContext): {
  sources: Sources;
  last: number;
  lastKnown: number;
} {
  const sources = new Map<number, FoundFile[]>();
  const add = (number: number, found: FoundFile): void => {
    sources.set(number, [...(sources.get(number) ?? []), found]);
  };
  const files = log.list(dir).sort();
  // Those in their own place come first.
  for (const inPlace of [true, false]) {
    for (const file of files) {
      const number = segmentNumber(file);
      // A repair that was interrupted may have left the only copy under the name of a file that it keeps.
      if (number === undefined && !isDamagedFile(file)) continue;
      const bytes = headOf(log, path.join(dir, file));
      if (bytes === undefined) continue;
      const named = bytes.length < SEGMENT_HEADER_BYTES ? 0 : bytes.readUInt32LE(24);
      const found = decodeSegmentHeader(bytes, named, identity.storeId, identity.hasher);
      const header = found.kind === 'valid' ? found.header : undefined;
      if (inPlace && number !== undefined) add(number, { file, header: named === number ? header : undefined });
      else if (!inPlace && named !== number && header !== undefined) add(named, { file, header });
    }
  }
  const inUse = [...sources].filter(([, found]) => found.some(({ header }) => header !== undefined));
  const told = Math.max(identity.manifest.lastSegment, identity.lastSegment, usedBehindSealed(storage, dir));
  const lastKnown = Math.max(told, ...inUse.map(([number]) => number));
  return { sources, last: Math.max(lastKnown, ...sources.keys()), lastKnown };
}

/** The first bytes of a file; undefined of a sealed segment of which nothing can be read. */
export function headOf(log: ReadStorage, file: string): Buffer | undefined {
  try {
    return readRange(log, file, 0, SEGMENT_HEADER_BYTES);
  } catch (error) {
    if (isKeeperError(error, 'ERR_CORRUPT')) return undefined;
    throw error;
  }
}

async function surveySegment(
  context: SurveyContext,
  number: number,
  sources: readonly FoundFile[],
  successor: Successor | undefined,
): Promise<{ segment: SegmentSurvey; durable: number }> {
  const own = sources.find(({ file }) => file === segmentFile(number));
  if (own?.header !== undefined) {
    const sound = await surveySound(context, own.file, own.header, successor);
    if (sound !== undefined) {
      return isWhole(context, number) ? sound : { ...sound, segment: { ...sound.segment, sound: false } };
    }
  }
  const { log, dir, identity } = context;
  const frames: Frame[] = [];
  for (const { file } of sources) {
    const place = { file: path.join(dir, file), number, hasher: identity.hasher };
    await FileWindow.over(log, place.file, async (window) => {
      for await (const frame of framesOf(window, place)) frames.push(frame);
      context.onSegment(window.fileBytes);
    });
  }
  const header = sources.find((source) => source.header !== undefined)?.header;
  const before = header === undefined ? 0 : header.firstSequence - 1;
  const durable = frames.reduce((most, { durableUpTo }) => Math.max(most, durableUpTo), before);
  const spans = spansOf(context, trusted(context, frames, successor));
  return { segment: { number, header, spans, sound: false }, durable };
}

/** A segment whose file is in order; undefined where it is not. */
async function surveySound(
  context: SurveyContext,
  file: string,
  header: SegmentHeader,
  successor: Successor | undefined,
): Promise<{ segment: SegmentSurvey; durable: number } | undefined> {
  const { log, dir, identity } = context;
  const { number } = header;
  const place = { file: path.join(dir, file), number, hasher: identity.hasher };
  return FileWindow.over(log, place.file, async (window) => {
    const { span, durable } = await walk(context, window, header, place.file);
    for await (const _ of framesOf(window, place, span?.end ?? SEGMENT_HEADER_BYTES)) return undefined;
    if (span !== undefined && !isFollowed(context, span, successor)) return undefined;
    context.onSegment(window.fileBytes);
    const spans = span === undefined ? [] : [span];
    return {
      segment: { number, header, spans, sound: true },
      durable: Math.max(durable, header.firstSequence - 1),
    };
  });
}

/** Whether a segment that can be read has nothing around its blocks that is damaged, where it is sealed. */
function isWhole({ storage, dir, identity: { storeId, hasher } }: SurveyContext, number: number): boolean {
  const file = fileOfSegment(storage, dir, number);
  if (sealedNumber(path.basename(file)) === undefined) return true;
  return damagedParts(storage, { file, number, storeId, hasher }).length === 0;
}

/** The frames from the header on that follow each other, as one span. */
async function walk(
  { identity, holes }: SurveyContext,
  window: FileWindow,
  header: SegmentHeader,
  file: string,
): Promise<{ span: Span | undefined; durable: number }> {
  const place = { file, number: header.number, hasher: identity.hasher };
  let next = holes.skip(header.firstSequence);
  let previous = header.number === 1 ? NO_FRAME : header.previous;
  let span: Span | undefined;
  let durable = 0;
  for (;;) {
    const frame = await frameAt(window, place, span?.end ?? SEGMENT_HEADER_BYTES);
    if (frame === undefined || frame.firstSequence !== next) break;
    if (!sameChecksum(frame.previous, previous) && !holes.beginsAnew(next)) break;
    span = joined(span, frame);
    previous = frame.checksum;
    next = holes.skip(frame.lastSequence + 1);
    durable = Math.max(durable, frame.durableUpTo);
  }
  return { span, durable };
}

function joined(span: Span | undefined, frame: Frame): Span {
  const { file, end, lastSequence, lastTimestampNs, checksum: lastFrame } = frame;
  const tail = { end, lastSequence, lastTimestampNs, lastFrame };
  if (span !== undefined) return { ...span, ...tail };
  return { file, offset: frame.offset, firstSequence: frame.firstSequence, previous: frame.previous, ...tail };
}

/** Whether what follows says the same of the last frame, or says nothing of it. */
function isFollowed(
  { holes, identity }: SurveyContext,
  last: { readonly lastSequence: number; readonly lastFrame: Uint8Array },
  successor: Successor | undefined,
): boolean {
  // With a new manifest nobody knows where an earlier repair has put frames together.
  if (successor === undefined || identity.isNew) return true;
  const { firstSequence, previous } = successor;
  if (holes.skip(last.lastSequence + 1) !== firstSequence || holes.beginsAnew(firstSequence)) return true;
  return sameChecksum(previous, last.lastFrame);
}

/** Of frames in any order, possibly doubled or stale, those that belong to the log, by sequence. */
function trusted(context: SurveyContext, frames: readonly Frame[], successor: Successor | undefined): Frame[] {
  const taken: Frame[] = [];
  let next = successor;
  for (const frame of [...frames].sort((a, b) => b.lastSequence - a.lastSequence)) {
    if (next !== undefined && frame.lastSequence >= next.firstSequence) continue;
    if (!isFollowed(context, { lastSequence: frame.lastSequence, lastFrame: frame.checksum }, next)) continue;
    taken.push(frame);
    next = frame;
  }
  return taken.reverse();
}

function spansOf({ holes }: SurveyContext, frames: readonly Frame[]): Span[] {
  const spans: Span[] = [];
  for (const frame of frames) {
    const last = spans.at(-1);
    const follows =
      last !== undefined &&
      last.file === frame.file &&
      last.end === frame.offset &&
      holes.skip(last.lastSequence + 1) === frame.firstSequence &&
      (sameChecksum(frame.previous, last.lastFrame) || holes.beginsAnew(frame.firstSequence));
    if (follows) spans[spans.length - 1] = joined(last, frame);
    else spans.push(joined(undefined, frame));
  }
  return spans;
}

function successorOf({ holes }: SurveyContext, { header, spans }: SegmentSurvey): Successor | undefined {
  if (header !== undefined) return { firstSequence: holes.skip(header.firstSequence), previous: header.previous };
  return spans[0];
}
