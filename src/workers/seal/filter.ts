/** Looks at the records that an index has named, and gives back those that a predicate matches. */
import path from 'node:path';
import { RecordView } from '../../shared/decoding/record-view.js';
import type { Filtered } from '../../shared/filter-task.js';
import type { PlaceHasher } from '../../shared/format/checksum.js';
import { segmentFile } from '../../shared/format/file-names.js';
import { type Memory, memoryOf, recordLength } from '../../shared/format/record.js';
import { isRecord, isRecordIn, isRemoved } from '../../shared/format/removed-record.js';
import { compile } from '../../shared/portable/query/evaluate.js';
import type { SealTaskOf } from '../../shared/seal-tasks.js';
import type { FileHandle, ReadStorage } from '../../shared/storage.js';
import { type LogStorage, unsealing } from '../../shared/unsealing.js';
import { sliceMemory } from './slice-memory.js';

/** So many bytes between two records are rather read than left out: about half a block of a sealed segment. */
const NEAR_BYTES = 4096;

/**
 * @returns undefined where a record is not where it is said to be, or does not verify: whoever asks has other ways to read it
 * @throws ERR_CORRUPT where a payload does not decode, or the segment's file cannot be read; ERR_STORAGE
 */
export function filter(storage: ReadStorage, hasher: PlaceHasher, task: SealTaskOf<'filter'>): Filtered | undefined {
  const { dir, number, storeId, firstSequence, ordinals, starts, ends, seed, nodeId } = task;
  let bytesRead = 0;
  const metered: ReadStorage = {
    ...storage,
    read: (handle, target, offset) => {
      const read = storage.read(handle, target, offset);
      bytesRead += read;
      return read;
    },
  };
  const log = unsealing(metered, storeId, hasher);
  const handle = log.openRead(path.join(dir, segmentFile(number)));
  try {
    const found: Buffer[] = [];
    let decoded = 0;
    const matches = compile(task.predicate);
    let view: RecordView | undefined;
    const take = (memory: Memory, at: number): void => {
      if (isRemoved(memory.view, at)) return;
      view ??= new RecordView(memory, at, nodeId);
      view.moveTo(memory, at);
      if (matches(view)) found.push(Buffer.from(memory.bytes.subarray(at, at + recordLength(memory.view, at))));
      if (view.decoded) decoded++;
    };
    const own = memoryOf(sliceMemory());
    for (let from = 0; from < ordinals.length; ) {
      const start = starts[from]!;
      const length = ends[from]! - start;
      const place = log.look(handle, start, length);
      if (place !== undefined) {
        const { memory, at } = place;
        if (!isRecordIn(memory.view, at, at + length, firstSequence + ordinals[from]!)) return undefined;
        take(memory, at);
        from++;
        continue;
      }
      const to = spanEnd(task, from);
      const memory = readSpan(log, handle, own, start, ends[to - 1]!);
      for (; from < to; from++) {
        const at = starts[from]! - start;
        if (!isRecord(memory, at, firstSequence + ordinals[from]!, seed)) return undefined;
        take(memory, at);
      }
    }
    return { records: Buffer.concat(found), decoded, bytesRead };
  } finally {
    log.close(handle);
  }
}

/** Behind the last record that is read together with one. */
function spanEnd({ starts, ends }: SealTaskOf<'filter'>, from: number): number {
  const room = sliceMemory().length;
  let to = from + 1;
  while (to < starts.length && starts[to]! - ends[to - 1]! <= NEAR_BYTES && ends[to]! - starts[from]! <= room) to++;
  return to;
}

/** Some bytes of the segment, in the given memory where there is room. */
function readSpan(log: LogStorage, handle: FileHandle, own: Memory, start: number, end: number): Memory {
  const length = end - start;
  const memory = length <= own.bytes.length ? own : memoryOf(Buffer.allocUnsafeSlow(length));
  // Whatever was there before is none of it.
  memory.bytes.fill(0, log.read(handle, memory.bytes.subarray(0, length), start), length);
  return memory;
}
