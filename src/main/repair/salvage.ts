/** Single records in what no frame covers: each has a checksum of its own. */
import path from 'node:path';
import { isDamagedFile, segmentNumber } from '../../shared/format/file-names.js';
import { RECORD_ALIGNMENT, RECORD_HEADER_BYTES, recordSequence, verifyRecord } from '../../shared/format/record.js';
import { isRemoved, lastSequenceAt } from '../../shared/format/removed-record.js';
import { SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import type { Hole } from '../../shared/holes.js';
import { aborted } from '../../shared/portable/errors.js';
import { headOf, type SegmentSurvey, type SurveyContext } from './survey.js';
import { FileWindow } from './window.js';

/** A record that is to be kept. */
export interface SalvagedRecord {
  /** The path of the file that it is in. */
  readonly file: string;
  readonly offset: number;
  readonly end: number;
  readonly sequence: number;
  /** The last sequence that it stands for: its own, unless it stands for removed ones. */
  readonly lastSequence: number;
  readonly isRemoved: boolean;
}

/**
 * The records of missing sequences that are found between and behind the frames of all files, by sequence.
 * @param missing ascending
 * @throws ERR_STORAGE, ERR_ABORTED
 */
export async function salvage(
  context: SurveyContext,
  segments: readonly SegmentSurvey[],
  missing: readonly Hole[],
): Promise<SalvagedRecord[]> {
  if (missing.length === 0) return [];
  const { log, dir, signal } = context;
  const found = new Map<number, SalvagedRecord>();
  const spans = segments.flatMap((segment) => segment.spans);
  for (const file of log.list(dir)) {
    if (segmentNumber(file) === undefined && !isDamagedFile(file)) continue;
    if (signal?.aborted === true) throw aborted(signal, 'the repair');
    const place = path.join(dir, file);
    if (headOf(log, place) === undefined) continue;
    await FileWindow.over(log, place, async (window) => {
      const covered = spans.filter((span) => span.file === place);
      for (const [start, end] of uncovered(covered, window.fileBytes)) {
        for await (const record of recordsIn(context, window, place, start, end, missing)) {
          if (!found.has(record.sequence)) found.set(record.sequence, record);
        }
      }
    });
  }
  return withoutOverlap([...found.values()].sort((a, b) => a.sequence - b.sequence));
}

/** What stands for removed ones stands for all of them: an older file may have one of these. */
function withoutOverlap(records: readonly SalvagedRecord[]): SalvagedRecord[] {
  let last = 0;
  return records.filter(({ sequence, lastSequence }) => {
    if (sequence <= last) return false;
    last = lastSequence;
    return true;
  });
}

/** The parts of a file that no span covers. */
function* uncovered(
  spans: readonly { readonly offset: number; readonly end: number }[],
  fileBytes: number,
): Generator<[number, number]> {
  let start = SEGMENT_HEADER_BYTES;
  for (const { offset, end } of [...spans].sort((a, b) => a.offset - b.offset)) {
    if (offset > start) yield [start, offset];
    start = Math.max(start, end);
  }
  if (fileBytes > start) yield [start, fileBytes];
}

async function* recordsIn(
  { identity }: SurveyContext,
  window: FileWindow,
  file: string,
  start: number,
  end: number,
  missing: readonly Hole[],
): AsyncGenerator<SalvagedRecord> {
  for (let at = start; at + RECORD_HEADER_BYTES <= end; ) {
    const head = await window.piece(at, RECORD_HEADER_BYTES);
    if (head === undefined) return;
    const length = head.view.getUint32(head.at, true);
    const sequence = recordSequence(head.view, head.at);
    // Cheap looks first: a checksum is computed only over what may well be a record.
    if (length >= RECORD_HEADER_BYTES && length <= end - at && isIn(missing, sequence)) {
      const whole = await window.piece(at, length);
      if (whole === undefined) return;
      if (verifyRecord(whole.bytes, whole.view, whole.at, whole.at + length, identity.seed)) {
        const lastSequence = lastSequenceAt(whole.view, whole.at);
        yield {
          file,
          offset: at,
          end: at + length,
          sequence,
          lastSequence,
          isRemoved: isRemoved(whole.view, whole.at),
        };
        at += length;
        continue;
      }
    }
    at += RECORD_ALIGNMENT;
  }
}

function isIn(ranges: readonly Hole[], sequence: number): boolean {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ranges[middle]![0] <= sequence) low = middle + 1;
    else high = middle;
  }
  const range = ranges[low - 1];
  return range !== undefined && sequence <= range[1];
}
