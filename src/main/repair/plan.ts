/** What a repair does: which segments are written anew, of what, and what is given up. */
import { sealedFile, segmentFile } from '../../shared/format/file-names.js';
import { NO_FRAME, sameChecksum } from '../../shared/format/frame.js';
import { SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import { type Hole, Holes } from '../../shared/holes.js';
import { joinHoles, without } from './ranges.js';
import { type SalvagedRecord, salvage } from './salvage.js';
import type { SegmentSurvey, Span, StoreSurvey, SurveyContext } from './survey.js';

/** What goes into a segment, by sequence. */
export type Part =
  | { readonly kind: 'frames'; readonly span: Span }
  /** Records that follow each other, for frames of their own. */
  | { readonly kind: 'records'; readonly records: readonly SalvagedRecord[] };

export interface SegmentPlan {
  readonly number: number;
  /** Undefined where it does not verify: then one is made. */
  readonly header: SegmentHeader | undefined;
  /** The header's, whichever. */
  readonly firstSequence: number;
  readonly parts: readonly Part[];
  /** Whether the file is written anew; else it stays as it is. */
  readonly rewrite: boolean;
  /** The names of the files that hold it, raw or sealed. */
  readonly files: readonly string[];
}

export interface Plan {
  readonly segments: readonly SegmentPlan[];
  /** Those that there were, and those that are new. */
  readonly holes: readonly Hole[];
  /** What is given up now. */
  readonly lost: readonly Hole[];
  readonly salvaged: number;
  /** The last sequence that is never given again. */
  readonly lastSequence: number;
}

/** @throws ERR_STORAGE, ERR_ABORTED */
export async function makePlan(context: SurveyContext, survey: StoreSurvey): Promise<Plan> {
  const { identity, holes: known } = context;
  const { floor } = identity.manifest;
  const spans = survey.segments.flatMap((segment) => segment.spans);
  const lastSequence = Math.max(survey.durable, spans.at(-1)?.lastSequence ?? 0);
  const missing = without(gaps(spans, floor, lastSequence), known.list);
  const salvaged = await salvage(context, survey.segments, missing);
  const lost = without(
    missing,
    salvaged.map(({ sequence, lastSequence: last }): Hole => [sequence, last]),
  );
  const segments = planSegments(context, survey.segments, salvaged);
  const holes = joinHoles([...known.list, ...lost]);
  return {
    segments,
    holes: joinHoles([...holes, ...seams(segments, new Holes(holes))]),
    lost,
    salvaged: salvaged.filter(({ isRemoved }) => !isRemoved).length,
    lastSequence,
  };
}

/** What no span covers from the floor to the end. What is missing inside of a span is known. */
function gaps(spans: readonly Span[], floor: number, lastSequence: number): Hole[] {
  const found: Hole[] = [];
  let next = floor;
  for (const span of spans) {
    if (span.firstSequence > next) found.push([next, span.firstSequence - 1]);
    next = Math.max(next, span.lastSequence + 1);
  }
  if (lastSequence >= next) found.push([next, lastSequence]);
  return found;
}

function planSegments(
  { storage, dir, identity }: SurveyContext,
  surveys: readonly SegmentSurvey[],
  salvaged: readonly SalvagedRecord[],
): SegmentPlan[] {
  const files = new Set(storage.list(dir));
  const firsts = firstSequences(surveys, identity.manifest.floor);
  return surveys.map(({ number, header, spans, sound }, i) => {
    const end = firsts[i + 1] ?? Number.POSITIVE_INFINITY;
    const own = salvaged.filter(({ sequence }) => sequence >= firsts[i]! && sequence < end);
    return {
      number,
      header,
      firstSequence: firsts[i]!,
      parts: partsOf(spans, own),
      rewrite: !sound || own.length > 0,
      files: [segmentFile(number), sealedFile(number)].filter((file) => files.has(file)),
    };
  });
}

/** Where each segment begins: as its header says, or else behind what the one before it still holds. */
function firstSequences(surveys: readonly SegmentSurvey[], floor: number): number[] {
  const firsts: number[] = [];
  let least = floor;
  for (const { header, spans } of surveys) {
    const first = header?.firstSequence ?? least;
    firsts.push(first);
    least = Math.max(first, spans.at(-1)?.lastSequence ?? 0) + 1;
  }
  return firsts;
}

function partsOf(spans: readonly Span[], salvaged: readonly SalvagedRecord[]): Part[] {
  const parts: { first: number; part: Part }[] = spans.map((span) => ({
    first: span.firstSequence,
    part: { kind: 'frames', span },
  }));
  let run: SalvagedRecord[] = [];
  for (const record of salvaged) {
    if (run.length === 0 || record.sequence !== run.at(-1)!.lastSequence + 1) {
      run = [];
      parts.push({ first: record.sequence, part: { kind: 'records', records: run } });
    }
    run.push(record);
  }
  return parts.sort((a, b) => a.first - b.first).map(({ part }) => part);
}

/** Where frames come together that do not follow each other, though nothing is missing between them. */
function seams(segments: readonly SegmentPlan[], holes: Holes): Hole[] {
  const found: Hole[] = [];
  const seam = (sequence: number): void => {
    if (!holes.beginsAnew(sequence)) found.push([sequence, sequence - 1]);
  };
  // Of the segment before: undefined where only writing it shows.
  let before: { end: number | undefined; lastFrame: Uint8Array | undefined } | undefined;
  for (const { header, firstSequence, parts, rewrite, number } of segments) {
    let last = before?.lastFrame;
    if (header !== undefined) {
      const first = holes.skip(firstSequence);
      const follows = before?.end === header.previousBytes && last !== undefined && sameChecksum(last, header.previous);
      if (before !== undefined && !follows) seam(first);
      last = number === 1 ? NO_FRAME : header.previous;
    }
    for (const part of parts) {
      if (part.kind === 'records') {
        last = undefined;
        continue;
      }
      if (last === undefined || !sameChecksum(part.span.previous, last)) seam(part.span.firstSequence);
      last = part.span.lastFrame;
    }
    before = { end: rewrite ? endOfCopy(parts) : endOfFile(parts), lastFrame: last };
  }
  return joinHoles(found);
}

/** Of a file that stays. */
function endOfFile(parts: readonly Part[]): number {
  const last = parts.at(-1);
  return last?.kind === 'frames' ? last.span.end : SEGMENT_HEADER_BYTES;
}

/** Of one that is written anew; undefined where only writing it shows. */
function endOfCopy(parts: readonly Part[]): number | undefined {
  let end = SEGMENT_HEADER_BYTES;
  for (const part of parts) {
    if (part.kind === 'records') return undefined;
    end += part.span.end - part.span.offset;
  }
  return end;
}
