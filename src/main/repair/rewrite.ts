/** Writing a segment anew beside the old one, from what is left of it. */
import path from 'node:path';
import { damagedFile, segmentFile, TEMPORARY } from '../../shared/format/file-names.js';
import { FRAME_HEADER_BYTES, rewriteFrameHeader, writeFrameHeader } from '../../shared/format/frame.js';
import { memoryOf, recordTimestampNs } from '../../shared/format/record.js';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../shared/format/segment.js';
import { KeeperError } from '../../shared/portable/errors.js';
import {
  type FileHandle,
  type ReadStorage,
  readRange,
  type Storage,
  storageError,
  writeFully,
} from '../../shared/storage.js';
import { frameAt } from './frames.js';
import type { SegmentPlan } from './plan.js';
import type { SalvagedRecord } from './salvage.js';
import type { Span, SurveyContext } from './survey.js';
import { FileWindow } from './window.js';

/** Copied, and put into one frame, at once. Unit: bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** What comes before a segment. */
export interface Before {
  readonly endOffset: number;
  readonly lastFrame: Uint8Array;
  readonly lastTimestampNs: bigint;
}

/**
 * Write a segment's temporary file, durable and read back.
 * @returns what comes before the next segment
 * @throws ERR_STORAGE
 */
export async function writeSegment(context: SurveyContext, plan: SegmentPlan, before: Before): Promise<Before> {
  const { storage, dir } = context;
  const file = temporaryOf(dir, plan.number);
  const handle = storage.openWrite(file, 'create');
  let end: Before;
  try {
    const writer = new SegmentWriter(context, handle, plan, before);
    for (const part of plan.parts) {
      if (part.kind === 'frames') await writer.copy(part.span);
      else await writer.frame(part.records);
    }
    storage.sync(handle);
    end = writer.end;
  } finally {
    storage.close(handle);
  }
  await readBack(context, file, plan, end);
  return end;
}

export function temporaryOf(dir: string, number: number): string {
  return path.join(dir, `${segmentFile(number)}${TEMPORARY}`);
}

class SegmentWriter {
  readonly #context: SurveyContext;
  readonly #handle: FileHandle;
  readonly #number: number;
  #offset = 0;
  #lastFrame: Uint8Array;
  #lastTimestampNs: bigint;

  constructor(context: SurveyContext, handle: FileHandle, plan: SegmentPlan, before: Before) {
    const { identity } = context;
    this.#context = context;
    this.#handle = handle;
    this.#number = plan.number;
    const header = plan.header ?? {
      number: plan.number,
      firstSequence: plan.firstSequence,
      epoch: identity.manifest.epoch,
      previousBytes: plan.number === 1 ? 0 : before.endOffset,
      previous: before.lastFrame,
      createdMs: Date.now(),
      previousTimestampNs: before.lastTimestampNs,
    };
    this.#lastFrame = header.previous;
    this.#lastTimestampNs = header.previousTimestampNs;
    this.#write([encodeSegmentHeader(header, identity.storeId, identity.hasher)]);
  }

  get end(): Before {
    return { endOffset: this.#offset, lastFrame: this.#lastFrame, lastTimestampNs: this.#lastTimestampNs };
  }

  /** Frames as they are: a frame's checksums say which segment it is of, not where in it. */
  async copy({ file, offset, end, lastFrame, lastTimestampNs }: Span): Promise<void> {
    const { storage, log } = this.#context;
    const handle = log.openRead(file);
    try {
      await copyRange({ from: log, handle, file, offset, end }, storage, this.#handle, this.#offset);
    } finally {
      log.close(handle);
    }
    this.#offset += end - offset;
    this.#lastFrame = lastFrame;
    this.#lastTimestampNs = lastTimestampNs;
  }

  /** Records that follow each other, in frames of this repair. */
  async frame(records: readonly SalvagedRecord[]): Promise<void> {
    for (let from = 0; from < records.length; ) {
      let to = from;
      let bytes = 0;
      while (to < records.length && (to === from || bytes + bytesOf(records[to]!) <= CHUNK_BYTES)) {
        bytes += bytesOf(records[to++]!);
      }
      this.#frame(records.slice(from, to), bytes);
      from = to;
      await new Promise(setImmediate);
    }
  }

  #frame(records: readonly SalvagedRecord[], bodyBytes: number): void {
    const { log, identity } = this.#context;
    const body = records.map(({ file, offset, end }) => readRange(log, file, offset, end - offset));
    const { bytes, view } = memoryOf(Buffer.alloc(FRAME_HEADER_BYTES));
    const { sequence: firstSequence } = records[0]!;
    const count = records.at(-1)!.lastSequence - firstSequence + 1;
    const fields = { bodyBytes, count, firstSequence, previous: this.#lastFrame };
    // Everything before it is durable when the repair is done, of whose epoch it is.
    const epoch = identity.manifest.epoch + 1;
    const all = { ...fields, epoch, durableUpTo: firstSequence - 1 };
    this.#lastFrame = writeFrameHeader(bytes, view, all, identity.hasher, this.#number, body);
    if (records.some(({ isRemoved }) => isRemoved)) {
      rewriteFrameHeader(bytes, view, this.#lastFrame, identity.hasher, this.#number, body);
    }
    this.#lastTimestampNs = recordTimestampNs(memoryOf(body.at(-1)!).view, 0);
    this.#write([bytes, ...body]);
  }

  #write(parts: readonly Uint8Array[]): void {
    writeFully(this.#context.storage, this.#handle, parts, this.#offset);
    for (const { length } of parts) this.#offset += length;
  }
}

function bytesOf({ offset, end }: SalvagedRecord): number {
  return end - offset;
}

/** Nothing is replaced by what does not verify. */
async function readBack(context: SurveyContext, file: string, plan: SegmentPlan, end: Before): Promise<void> {
  const { storage, identity } = context;
  const place = { file, number: plan.number, hasher: identity.hasher };
  await FileWindow.over(storage, file, async (window) => {
    let offset = SEGMENT_HEADER_BYTES;
    let sequence = 0;
    while (offset < window.fileBytes) {
      const frame = await frameAt(window, place, offset);
      if (frame === undefined || frame.firstSequence <= sequence) break;
      sequence = frame.lastSequence;
      offset = frame.end;
    }
    if (offset === window.fileBytes && offset === end.endOffset) return;
    throw new KeeperError('ERR_STORAGE', `what was written to ${file} does not read back as it was written`, {
      errno: 'EIO',
      syscall: 'read',
      hint: 'Nothing was replaced. Copy the directory to a disk that works, and repair the copy.',
    });
  });
}

/** Copy a file under another name, durable once the directory is synced. */
export async function copyFile(storage: Storage, from: string, to: string): Promise<void> {
  const temporary = `${to}${TEMPORARY}`;
  const source = storage.openRead(from);
  try {
    const target = storage.openWrite(temporary, 'create');
    try {
      const all = { from: storage, handle: source, file: from, offset: 0, end: storage.size(source) };
      await copyRange(all, storage, target, 0);
      storage.sync(target);
    } finally {
      storage.close(target);
    }
  } finally {
    storage.close(source);
  }
  storage.rename(temporary, to);
}

interface Range {
  readonly from: ReadStorage;
  readonly handle: FileHandle;
  readonly file: string;
  readonly offset: number;
  readonly end: number;
}

/** Copy bytes of one file to a place in another. A file that ends before that is one that cannot be read. */
async function copyRange(source: Range, storage: Storage, target: FileHandle, at: number): Promise<void> {
  const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, source.end - source.offset));
  for (let done = source.offset; done < source.end; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, source.end - done));
    const read = await source.from.readAsync(source.handle, part, done);
    if (read < part.length) {
      const what = `${source.file} ends at ${done + read}, and is to be copied up to ${source.end}`;
      throw storageError(Object.assign(new Error(what), { code: 'EIO' }), 'read', source.file);
    }
    writeFully(storage, target, [part], at + done - source.offset);
  }
}

/** A name for a file that is kept, which no other has. */
export function freeName(storage: Storage, dir: string, file: string, epoch: number): string {
  for (let number = epoch; ; number++) {
    const name = damagedFile(file, number);
    if (!storage.exists(path.join(dir, name))) return name;
  }
}
