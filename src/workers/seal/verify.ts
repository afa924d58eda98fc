/** Some frames of a segment, checked one after the other: chain, checksums, order, and if wanted what the payloads hold. */
import { hash } from 'node:crypto';
import path from 'node:path';
import { type PlaceHasher, recordSeed } from '../../shared/format/checksum.js';
import { sealedNumber, segmentFile } from '../../shared/format/file-names.js';
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  NO_FRAME,
  readFrameHeader,
  sameChecksum,
  verifyFrameBody,
} from '../../shared/format/frame.js';
import {
  isTombstone,
  type Memory,
  memoryOf,
  recordLength,
  recordParts,
  recordSequence,
  recordTimestampNs,
  verifyRecord,
} from '../../shared/format/record.js';
import { isRemoved, lastSequenceAt } from '../../shared/format/removed-record.js';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES, type SegmentHeader } from '../../shared/format/segment.js';
import { type Hole, Holes } from '../../shared/holes.js';
import type { Problem } from '../../shared/problem.js';
import { RemovedSequences } from '../../shared/removed-sequences.js';
import type { FramesVerified, SealTaskOf } from '../../shared/seal-tasks.js';
import { type ReadStorage, readRange, type Storage } from '../../shared/storage.js';
import { fileOfSegment, unsealing } from '../../shared/unsealing.js';
import { RecordContents } from './record-contents.js';
import { areNot, SealedCheck } from './sealed-check.js';
import { SignedLeaves } from './signed-leaves.js';

/** Read at once, unless a frame is larger. Unit: bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** @throws ERR_STORAGE; ERR_CORRUPT where a sealed segment's file cannot be read at all */
export async function verifyFrames(
  storage: Storage,
  hasher: PlaceHasher,
  task: SealTaskOf<'verify'>,
): Promise<FramesVerified> {
  const lost: Hole[] = [];
  const removed = new RemovedSequences();
  const contents = task.part.deep
    ? await RecordContents.create([new Holes(task.holes), new Holes(lost), removed])
    : undefined;
  const signed = task.part.deep ? SignedLeaves.open(storage, task.dir, task.storeId) : undefined;
  const file = fileOfSegment(storage, task.dir, task.number);
  const isSealed = sealedNumber(path.basename(file)) !== undefined;
  const sealed = isSealed ? new SealedCheck(storage, { ...task, file, hasher }, task.part) : undefined;
  return new FramesCheck(storage, hasher, task, file, lost, removed, contents, signed, sealed).run();
}

class FramesCheck {
  readonly #task: SealTaskOf<'verify'>;
  readonly #log: ReadStorage;
  readonly #hasher: PlaceHasher;
  readonly #holes: Holes;
  readonly #seed: number;
  readonly #file: string;
  /** The one that is blamed. */
  readonly #named: string;
  readonly #contents: RecordContents | undefined;
  readonly #signed: SignedLeaves | undefined;
  readonly #sealed: SealedCheck | undefined;
  readonly #problems: Problem[] = [];
  /** Sequences of which nothing verifies. */
  readonly #lost: Hole[];
  #events = 0;
  #bytes = 0;
  #offset: number;
  /** The last one that was checked, or is given up. */
  #sequence: number;
  /** Header checksum of the frame before; undefined where it is not known. */
  #previous: Uint8Array | undefined;
  #first: FramesVerified['first'];
  #timestampNs = 0n;
  readonly #removed: RemovedSequences;
  readonly #tombstones: [stream: string, sequence: number][] = [];

  constructor(
    storage: ReadStorage,
    hasher: PlaceHasher,
    task: SealTaskOf<'verify'>,
    named: string,
    lost: Hole[],
    removed: RemovedSequences,
    contents: RecordContents | undefined,
    signed: SignedLeaves | undefined,
    sealed: SealedCheck | undefined,
  ) {
    const { dir, number, storeId, holes, part } = task;
    this.#task = task;
    this.#log = unsealing(storage, storeId, hasher);
    this.#hasher = hasher;
    this.#holes = new Holes(holes);
    this.#seed = recordSeed(storeId);
    this.#file = path.join(dir, segmentFile(number));
    this.#named = named;
    this.#lost = lost;
    this.#removed = removed;
    this.#contents = contents;
    this.#signed = signed;
    this.#sealed = sealed;
    this.#offset = part.from?.offset ?? SEGMENT_HEADER_BYTES;
    this.#sequence = (part.from?.sequence ?? this.#holes.skip(part.firstSequence)) - 1;
    this.#previous = part.from?.previous;
  }

  run(): FramesVerified {
    const { from, lastSequence } = this.#task.part;
    const header = from === undefined ? this.#segmentHeader() : undefined;
    const goesOn = this.#sequence < lastSequence && this.#chunk() && this.#sequence < lastSequence;
    return {
      header,
      to: {
        offset: this.#offset,
        sequence: this.#sequence + 1,
        previous: this.#previous,
        digests: this.#sealed?.to(),
      },
      goesOn,
      events: this.#events,
      bytes: this.#bytes,
      first: this.#first,
      lastTimestampNs: this.#timestampNs,
      removed: this.#removed.ends,
      tombstones: this.#tombstones,
      file: this.#named,
      problems: [...(this.#sealed?.problems() ?? []), ...this.#problems, ...this.#notSigned()],
      lost: this.#lost,
      streams: this.#contents?.streams(),
    };
  }

  #notSigned(): Problem[] {
    return areNot(this.#named, this.#signed?.others ?? [], 'what was signed');
  }

  #segmentHeader(): SegmentHeader | undefined {
    const { number, storeId, part } = this.#task;
    const bytes = readRange(this.#log, this.#file, 0, SEGMENT_HEADER_BYTES);
    this.#bytes += SEGMENT_HEADER_BYTES;
    const found = decodeSegmentHeader(bytes, number, storeId, this.#hasher);
    if (found.kind === 'valid') {
      this.#previous = number === 1 ? NO_FRAME : found.header.previous;
      return found.header;
    }
    this.#problem('ERR_CORRUPT', 'the segment has no valid header', 0, part.firstSequence, part.lastSequence);
    return undefined;
  }

  /** As many frames as one read brings. Returns whether to go on. */
  #chunk(): boolean {
    const { lastSequence } = this.#task.part;
    const offset = this.#offset;
    const read = (length: number): Memory => memoryOf(readRange(this.#log, this.#file, offset, length));
    let memory = read(CHUNK_BYTES);
    const first = this.#header(memory, 0);
    if (typeof first === 'object' && FRAME_HEADER_BYTES + first.bodyBytes > memory.bytes.length) {
      memory = read(FRAME_HEADER_BYTES + first.bodyBytes);
    }
    const { length } = memory.bytes;
    let at = 0;
    while (this.#sequence < lastSequence) {
      const frame = this.#header(memory, at);
      if (frame === undefined && at > 0 && length - at < FRAME_HEADER_BYTES) break;
      if (typeof frame !== 'object' || frame.firstSequence !== this.#sequence + 1) {
        this.#brokenOff(offset + at, frame, isBlank(memory.bytes.subarray(at, at + FRAME_HEADER_BYTES)));
        return false;
      }
      const end = at + FRAME_HEADER_BYTES + frame.bodyBytes;
      if (end > length && at > 0) break;
      this.#frame(memory, at, frame);
      at = end;
    }
    this.#offset = offset + at;
    this.#bytes += at;
    return at > 0;
  }

  /**
   * No frame continues the segment. Where another is lost behind it, it may just have ended.
   * @param frame that of another place, or why there is one that cannot be read
   */
  #brokenOff(offset: number, frame: FrameHeader | string | undefined, blank: boolean): void {
    const { lastSequence, lostBehind } = this.#task.part;
    const first = this.#sequence + 1;
    this.#lose(first, lastSequence);
    if (typeof frame === 'string') this.#problem('ERR_UNSUPPORTED_FORMAT', frame, offset, first, lastSequence);
    else if (!lostBehind || !blank) {
      this.#problem('ERR_CORRUPT', 'no frame continues the log here', offset, first, lastSequence);
    }
  }

  #frame(memory: Memory, at: number, frame: FrameHeader): void {
    const { bytes } = memory;
    const lastSequence = frame.firstSequence + frame.count - 1;
    const offset = this.#offset + at;
    const report = (message: string): void =>
      this.#problem('ERR_CORRUPT', message, offset, frame.firstSequence, lastSequence);
    const before = this.#previous;
    if (before !== undefined && !sameChecksum(frame.previous, before) && !this.#holes.beginsAnew(frame.firstSequence)) {
      report('the frame does not follow the one before it');
    }
    const whole = at + FRAME_HEADER_BYTES + frame.bodyBytes <= bytes.length;
    if (!whole || !verifyFrameBody(bytes, at, frame, this.#hasher, this.#task.number)) {
      report('the frame does not verify');
      this.#lose(frame.firstSequence, lastSequence);
    } else this.#records(memory, at + FRAME_HEADER_BYTES, frame, report);
    this.#previous = frame.checksum;
    this.#sequence = this.#holes.skip(lastSequence + 1) - 1;
  }

  #records(memory: Memory, start: number, frame: FrameHeader, report: (message: string) => void): void {
    const { bytes, view } = memory;
    const end = start + frame.bodyBytes;
    let sequence = frame.firstSequence;
    for (let at = start; at < end; at += recordLength(view, at)) {
      if (!verifyRecord(bytes, view, at, end, this.#seed)) {
        report(`the record of sequence ${sequence} does not verify`);
        this.#lose(sequence, frame.firstSequence + frame.count - 1);
        return;
      }
      if (recordSequence(view, at) !== sequence) {
        report(`sequence ${recordSequence(view, at)} stands where ${sequence} is expected`);
        this.#lose(sequence, frame.firstSequence + frame.count - 1);
        return;
      }
      const timestampNs = recordTimestampNs(view, at);
      if (timestampNs <= this.#timestampNs) report(`the timestamp of sequence ${sequence} does not increase`);
      this.#first ??= { timestampNs, sequence, offset: this.#offset + at };
      this.#timestampNs = timestampNs;
      if (isRemoved(view, at) && frame.isCompacted) {
        const last = lastSequenceAt(view, at);
        this.#removed.add(sequence, last);
        sequence = last + 1;
        continue;
      }
      if (isRemoved(view, at)) report(`sequence ${sequence} was removed of a frame that says nothing of it`);
      if (isTombstone(view, at)) this.#tombstones.push([streamOf(memory, at), sequence]);
      this.#contents?.check(memory, at, report);
      this.#digest(sequence, bytes.subarray(at, at + recordLength(view, at)));
      sequence++;
      this.#events++;
    }
    if (sequence !== frame.firstSequence + frame.count) report(`the frame has fewer records than it says`);
  }

  /** Compare a record with what is known of it by its digest. */
  #digest(sequence: number, record: Uint8Array): void {
    if (!this.#task.part.deep || (this.#signed ?? this.#sealed) === undefined) return;
    // As a string: a buffer for each takes half as long again.
    const digest = hash('sha256', record, 'binary');
    this.#signed?.check(sequence, digest);
    this.#sealed?.check(sequence, digest);
  }

  /** Sequences that cannot be read. Which digest is whose is not known behind them. */
  #lose(first: number, last: number): void {
    this.#lost.push([first, last]);
    this.#sealed?.lose();
  }

  /** The header of a frame; why it cannot be read where it is of another format. */
  #header({ bytes, view }: Memory, at: number): FrameHeader | string | undefined {
    try {
      return readFrameHeader(bytes, view, at, this.#hasher, this.#task.number);
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  }

  #problem(code: Problem['code'], message: string, offset: number, firstSequence: number, lastSequence: number): void {
    this.#problems.push({ code, message, file: this.#named, offset, firstSequence, lastSequence });
  }
}

function streamOf({ view, bytes }: Memory, at: number): string {
  const { stream, type } = recordParts(view, at);
  return bytes.toString('utf8', stream, type);
}

function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0);
}
