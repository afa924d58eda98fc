/** Index files of records that are made up, and what is said of them without any of the code that they are held against. */
import path from 'node:path';
import { IndexFiles } from '../../dist/main/read/index-files.js';
import { IndexMemory } from '../../dist/main/read/index-memory.js';
import type { SegmentIndex } from '../../dist/main/read/postings.js';
import { Indexer } from '../../dist/main/seal/indexer.js';
import type { Pool } from '../../dist/main/seal/pool.js';
import { indexFile } from '../../dist/shared/format/file-names.js';
import { memoryOf } from '../../dist/shared/format/record.js';
import type { IndexStep, IndexStepOf } from '../../dist/shared/index-tasks.js';
import type { PostedField } from '../../dist/shared/portable/query/narrow.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import { RunBuilder } from '../../dist/workers/seal/index-run.js';
import { runIndexStep } from '../../dist/workers/seal/index-steps.js';
import { EMPTY_DISK } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { hasher, STORE } from '../support/bytes.js';
import { paceOf } from '../support/pace.js';
import { recordOf } from '../support/records.js';

export const DIR = '/store';
export const NODE = 'node-1';
export const NUMBER = 7;
export const FIRST = 1000;
const HEADER_BYTES = 128;
const LAST_FRAME = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]);
const FRAME_BYTES = 64;

/** A record by its place in the segment; those between it and the one before are not there any more. */
export interface Made {
  readonly place: number;
  readonly stream: string;
  readonly event: object;
}

export interface MadeIndex {
  readonly disk: MemoryDisk;
  readonly segment: Parameters<IndexFiles['open']>[0];
  /** Where each place begins, and the end. */
  readonly offsets: readonly number[];
}

export function timestampOf(place: number): bigint {
  return 1_700_000_000_000_000_000n + BigInt(place) * 20_000n;
}

/**
 * The index file of some records.
 * @param batches each becomes a run
 * @param places of the segment
 */
export async function makeIndex(batches: readonly (readonly Made[])[], places: number): Promise<MadeIndex> {
  const disk = new MemoryDisk(EMPTY_DISK);
  disk.makeDir(DIR);
  const count = batches.reduce((sum, batch) => sum + batch.length, 0);
  const bytes = batches.map((batch) =>
    batch.map(({ place, stream, event }) =>
      recordOf({ stream, event, place: 3, sequence: FIRST + place, timestampNs: timestampOf(place) }),
    ),
  );
  const size = bytes.flat().reduce((sum, { length }) => sum + length, 0);
  const rawBytes = HEADER_BYTES + FRAME_BYTES * batches.length + size;
  const lastSequence = FIRST + places - 1;
  const lastTimestampNs = timestampOf(batches.at(-1)!.at(-1)!.place);
  const segment = {
    number: NUMBER,
    firstSequence: FIRST,
    lastSequence,
    rawBytes,
    lastFrame: LAST_FRAME,
    lastTimestampNs,
  };
  const work = { dir: DIR, number: NUMBER, storeId: STORE, nodeId: NODE, holes: [] };
  const offsets: number[] = [];
  let batch = 0;
  let end = HEADER_BYTES;
  const takeRun = ({ from, offset }: IndexStepOf<'run'>): unknown => {
    const isFirst = batch === 0;
    const builder = new RunBuilder(NODE, FIRST, isFirst ? FIRST : from.sequence, end);
    let at = end + FRAME_BYTES;
    for (const [i, record] of bytes[batch]!.entries()) {
      while (offsets.length < batches[batch]![i]!.place) offsets.push(end);
      offsets.push(at);
      builder.add(memoryOf(record), 0, at);
      at += record.length;
      end = at;
    }
    const isLast = ++batch === batches.length;
    const next = isLast ? lastSequence + 1 : FIRST + batches[batch]![0]!.place;
    while (offsets.length < next - FIRST) offsets.push(end);
    builder.skipTo(next);
    const built = builder.finish(hasher, offset);
    const handle = disk.openWrite(path.join(DIR, `${indexFile(NUMBER)}.runs.tmp`), isFirst ? 'create' : 'existing');
    if (built.blocks.length > 0) disk.write(handle, [Buffer.concat(built.blocks)], offset);
    disk.close(handle);
    return { run: built.run, to: { offset: end, sequence: next, previous: LAST_FRAME }, offset: built.offset };
  };
  const answer = (step: IndexStep): unknown => {
    if (step.step === 'begin') {
      const start = { offset: HEADER_BYTES, sequence: FIRST, previous: LAST_FRAME };
      return { segment: { ...segment, count }, lastSequence, start };
    }
    return step.step === 'run' ? takeRun(step) : runIndexStep(disk, hasher, work, step);
  };
  const pool: Pool = {
    async run(task) {
      const { kind, step } = task as Extract<SealTask, { kind: 'index' }>;
      if (kind !== 'index') throw new Error(`a task of another kind: ${kind}`);
      return structuredClone(answer(step)) as any;
    },
    async close() {},
  };
  const onFailure = (error: unknown): void => {
    throw error;
  };
  await new Indexer({
    storage: disk,
    pool,
    work,
    pace: paceOf(),
    lease: () => NO_LEASE,
    onMade() {},
    onFailure,
  }).make(NUMBER, WITHOUT_REST);
  return { disk, segment, offsets: [...offsets, end] };
}

/** Nobody removes what is read. */
export const NO_LEASE = { moveTo() {}, end() {} };

/** Nothing stops it, and nobody is to be given way to. */
export const WITHOUT_REST = { check() {}, async rest() {} };

/** The index that is read from a disk, and what of it is in memory. */
export async function openIndex(
  { disk, segment }: MadeIndex,
  budget: number,
): Promise<{ index: SegmentIndex; files: IndexFiles; memory: IndexMemory; read: () => number }> {
  const memory = new IndexMemory(budget);
  const files = new IndexFiles({ storage: disk, dir: DIR, storeId: STORE, nodeId: NODE, hasher, memory });
  let bytes = 0;
  const index = await files.open(segment, (read) => {
    bytes += read;
  });
  if (index === undefined) throw new Error('there is no index');
  return { index, files, memory, read: () => bytes };
}

/** The values of a record, by field. */
export function valuesOf({ place, stream, event }: Made, field: PostedField): string[] {
  const { type, tags = [], causes = [], metadata = {} } = event as any;
  switch (field) {
    case 'stream':
      return [stream];
    case 'type':
      return [type];
    case 'tags':
      return [...new Set<string>(tags)];
    case 'causes': {
      const ids = causes.map((cause: string | number) => {
        if (typeof cause === 'string') return cause;
        // The record stands third in its call.
        const back = 3 - cause;
        return `${timestampOf(place) - BigInt(back)}_${FIRST + place - back}_${NODE}`;
      });
      return [...new Set<string>(ids)];
    }
    default:
      return metadata[field] === undefined ? [] : [metadata[field]];
  }
}

/** The places of each value of a field. */
export function listsOf(records: readonly Made[], field: PostedField): Map<string, number[]> {
  const lists = new Map<string, number[]>();
  for (const record of records) {
    for (const value of valuesOf(record, field)) {
      const list = lists.get(value);
      if (list === undefined) lists.set(value, [record.place]);
      else list.push(record.place);
    }
  }
  return lists;
}
