/** Which records of a frame are to go, and what is put in their place. */

import type { Removal } from '../../shared/compact-tasks.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { FRAME_HEADER_BYTES, type FrameHeader, rewriteFrameHeader } from '../../shared/format/frame.js';
import {
  FLAG,
  isTombstone,
  type Memory,
  memoryOf,
  recordFlags,
  recordLength,
  recordParts,
  recordSequence,
  recordTimestampNs,
} from '../../shared/format/record.js';
import { isRemoved, lastSequenceAt, writeRemoved } from '../../shared/format/removed-record.js';
import type { FramesRead } from './frames.js';

/** A frame in some memory. */
export interface FrameIn {
  readonly header: FrameHeader;
  readonly at: number;
  /** Where its records begin. */
  readonly records: readonly number[];
}

/** The frames that were read, each with its own records. */
export function* framesIn({ frames, starts, from, offset }: FramesRead): Generator<FrameIn> {
  let [at, place] = [from.offset - offset, 0];
  for (const header of frames) {
    const end = at + FRAME_HEADER_BYTES + header.bodyBytes;
    const from = place;
    while (place < starts.length && starts[place]! < end) place++;
    yield { header, at, records: starts.slice(from, place) };
    at = end;
  }
}

/** Decides by what is to go. */
export class Judge {
  readonly #keysFrom: number;
  /** By the bytes of their names, a character each. */
  readonly #below: ReadonlyMap<string, number>;

  constructor({ streams, keysFrom }: Removal) {
    this.#keysFrom = keysFrom;
    this.#below = new Map(streams.map(([stream, below]) => [Buffer.from(stream).toString('latin1'), below]));
  }

  /** The records of a frame that are to go, and how many stay for the keys of their calls. An append is never in two frames. */
  judge(memory: Memory, { records }: FrameIn): { readonly going: ReadonlySet<number>; readonly kept: number } {
    const going = new Set<number>();
    let kept = 0;
    let call: number[] = [];
    let isKeyed = false;
    const end = (): void => {
      if (isKeyed) kept += call.length;
      else for (const at of call) going.add(at);
      call = [];
      isKeyed = false;
    };
    for (const at of records) {
      if (isRemoved(memory.view, at)) continue;
      if ((recordFlags(memory.view, at) & FLAG.first) !== 0) end();
      if (this.#isDeleted(memory, at)) call.push(at);
      isKeyed ||= this.#hasKey(memory, at);
    }
    end();
    return { going, kept };
  }

  /** Tombstones stay: a stream's revisions go on behind them. */
  #isDeleted({ bytes, view }: Memory, at: number): boolean {
    if (isTombstone(view, at)) return false;
    const { stream, type } = recordParts(view, at);
    return recordSequence(view, at) < (this.#below.get(bytes.toString('latin1', stream, type)) ?? 0);
  }

  #hasKey({ view }: Memory, at: number): boolean {
    const { key, lists } = recordParts(view, at);
    return lists > key && recordSequence(view, at) >= this.#keysFrom;
  }
}

/** Take records out of a frame, in its memory. Returns where its records begin then. */
export function takeOut(
  memory: Memory,
  { header, at, records }: FrameIn,
  going: ReadonlySet<number>,
  seed: number,
  hasher: PlaceHasher,
  segment: number,
): readonly number[] {
  if (going.size === 0) return records;
  const { bytes, view } = memory;
  const isGone = (record: number): boolean => going.has(record) || isRemoved(view, record);
  const left: number[] = [];
  for (let i = 0; i < records.length; ) {
    const first = records[i++]!;
    left.push(first);
    if (!isGone(first)) continue;
    let last = first;
    while (i < records.length && isGone(records[i]!)) last = records[i++]!;
    const removed = {
      firstSequence: recordSequence(view, first),
      lastSequence: lastSequenceAt(view, last),
      timestampNs: recordTimestampNs(view, last),
    };
    writeRemoved(memory, first, last + recordLength(view, last) - first, removed, seed);
  }
  const body = at + FRAME_HEADER_BYTES;
  const own = memoryOf(bytes.subarray(at, body));
  rewriteFrameHeader(own.bytes, own.view, header.checksum, hasher, segment, [
    bytes.subarray(body, body + header.bodyBytes),
  ]);
  return left;
}
