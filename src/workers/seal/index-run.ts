/** Records are taken in, and become a run: their values in order, each with the places of the records that have it. */
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { blockChecksum, INDEXED } from '../../shared/format/index-file.js';
import { NO_GAPS, TreeBlockWriter, type ValueEntry } from '../../shared/format/index-tree.js';
import {
  LOCAL_CAUSE,
  type Memory,
  RECORD_ALIGNMENT,
  recordParts,
  recordSequence,
  recordTimestampNs,
} from '../../shared/format/record.js';
import { lastSequenceAt } from '../../shared/format/removed-record.js';
import { ByteWriter } from '../../shared/format/varint.js';
import type { Run, RunSection } from '../../shared/index-tasks.js';
import { formatEventId } from '../../shared/portable/event-id.js';
import type { PostedField } from '../../shared/portable/query/narrow.js';

/** Blocks of runs are of no segment yet. */
export const NO_SEGMENT = { number: 0, lastFrame: new Uint8Array(8) } as const;

/** Values, and the places of the records that have them. */
type Lists = Map<string, number[]>;

export class RunBuilder {
  readonly #nodeId: string;
  readonly #firstSequence: number;
  readonly #lists = Object.fromEntries(INDEXED.map((field) => [field, new Map()])) as Record<PostedField, Lists>;
  readonly #offsets: number[] = [];
  readonly #parts = recordParts(new DataView(new ArrayBuffer(64)), 0);
  #next: number;
  /** Where the record before ends. */
  #end: number;
  #records = 0;
  #firstTimestampNs = 0n;
  #lastTimestampNs = 0n;

  /**
   * @param nodeId third part of the store's ids
   * @param firstSequence of the segment
   * @param nextSequence of what is taken in: those between it and the first record are not there any more
   * @param end where the record before ends, in the raw segment
   */
  constructor(nodeId: string, firstSequence: number, nextSequence: number, end: number) {
    this.#nodeId = nodeId;
    this.#firstSequence = firstSequence;
    this.#next = nextSequence;
    this.#end = end;
  }

  /**
   * Take in a record that is verified, later than those before.
   * @param offset of the record in the raw segment
   */
  add({ bytes, view }: Memory, at: number, offset: number): void {
    const sequence = recordSequence(view, at);
    const place = sequence - this.#firstSequence;
    this.skipTo(sequence);
    this.#next++;
    this.#offsets.push(offset / RECORD_ALIGNMENT);
    this.#end = offset + view.getUint32(at, true);
    this.#records++;
    const timestampNs = this.#takeTime(view, at);
    const parts = recordParts(view, at, this.#parts);
    const text = (start: number, end: number): string => bytes.toString('latin1', start, end);
    const lists = this.#lists;
    post(lists.stream, text(parts.stream, parts.type), place);
    post(lists.type, text(parts.type, parts.agent), place);
    if (parts.session > parts.agent) post(lists.agent, text(parts.agent, parts.session), place);
    if (parts.correlation > parts.session) post(lists.session, text(parts.session, parts.correlation), place);
    if (parts.key > parts.correlation) post(lists.correlationId, text(parts.correlation, parts.key), place);
    let next = parts.lists;
    for (let left = view.getUint8(at + 11); left > 0; left--) {
      const length = view.getUint16(next, true);
      post(lists.tags, text(next + 2, next + 2 + length), place);
      next += 2 + length;
    }
    for (let left = view.getUint8(at + 12); left > 0; left--) {
      const length = view.getUint16(next, true);
      if (length === LOCAL_CAUSE) {
        const back = view.getUint16(next + 2, true);
        post(lists.causes, formatEventId(timestampNs - BigInt(back), sequence - back, this.#nodeId), place);
        next += 4;
      } else {
        post(lists.causes, text(next + 2, next + 2 + length), place);
        next += 2 + length;
      }
    }
  }

  /** Take in a record that stands for removed ones: all of these begin where it does. */
  addRemoved({ view }: Memory, at: number, offset: number): void {
    this.skipTo(recordSequence(view, at));
    this.#end = offset;
    this.skipTo(lastSequenceAt(view, at) + 1);
    this.#end = offset + view.getUint32(at, true);
    this.#takeTime(view, at);
  }

  #takeTime(view: DataView, at: number): bigint {
    const timestampNs = recordTimestampNs(view, at);
    if (this.#firstTimestampNs === 0n) this.#firstTimestampNs = timestampNs;
    this.#lastTimestampNs = timestampNs;
    return timestampNs;
  }

  /** Leave out sequences that are not there any more. */
  skipTo(sequence: number): void {
    for (; this.#next < sequence; this.#next++) this.#offsets.push(this.#end / RECORD_ALIGNMENT);
  }

  /**
   * The run, and the bytes of its blocks.
   * @param offset of the bytes in the file of runs
   */
  finish(hasher: PlaceHasher, offset: number): { run: Run; blocks: Buffer[]; offset: number } {
    const blocks: Buffer[] = [];
    let at = offset;
    const sections: [PostedField, RunSection][] = [];
    for (const field of INDEXED) {
      const lengths: number[] = [];
      const start = at;
      for (const block of blocksOf(this.#lists[field], this.#nodeId)) {
        const checksum = blockChecksum(NO_SEGMENT, at, block, hasher);
        blocks.push(block, Buffer.from(checksum));
        lengths.push(block.length);
        at += block.length + checksum.length;
      }
      sections.push([field, { offset: start, lengths }]);
    }
    const run = {
      records: this.#records,
      offsets: Uint32Array.from(this.#offsets),
      firstTimestampNs: this.#firstTimestampNs,
      lastTimestampNs: this.#lastTimestampNs,
      sections: Object.fromEntries(sections) as Record<PostedField, RunSection>,
    };
    return { run, blocks, offset: at };
  }
}

/** A value that a record has twice is posted once. */
function post(lists: Lists, key: string, place: number): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [place]);
  else if (list[list.length - 1] !== place) list.push(place);
}

function* blocksOf(lists: Lists, nodeId: string): Generator<Buffer> {
  const block = new TreeBlockWriter(0, nodeId);
  const gaps = new ByteWriter();
  // By their code units, each of which is a byte.
  for (const key of [...lists.keys()].sort()) {
    block.addValue(shortEntry(key, lists.get(key)!, gaps));
    if (block.isFull) yield block.take();
  }
  if (!block.isEmpty) yield block.take();
}

/** A value whose places stand behind it. */
export function shortEntry(key: string, places: ArrayLike<number>, gaps: ByteWriter): ValueEntry {
  const count = places.length;
  const [first, last] = [places[0]!, places[count - 1]!];
  if (count === 1) return { key, count, first, last, places: NO_GAPS };
  for (let i = 1; i < count; i++) gaps.varint(places[i]! - places[i - 1]! - 1);
  return { key, count, first, last, places: { gaps: gaps.take() } };
}
