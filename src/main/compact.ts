/**
 * Compaction: which sealed segments are written anew without their deleted events, and what is done around it. The digests of what
 * goes are in the audit tree before; the index file of a segment is made anew behind it. How one is written is in
 * {@link file://./seal/compact-job.ts}.
 */
import path from 'node:path';
import type { Removal } from '../shared/compact-tasks.js';
import { indexFile, sealedFile } from '../shared/format/file-names.js';
import { checkWorkOptions } from '../shared/options.js';
import type { SealedWork } from '../shared/seal-tasks.js';
import { fileBytes, type ReadStorage } from '../shared/storage.js';
import type { CompactOptions, CompactReport } from './compact-types.js';
import type { Segment } from './read/catalog.js';
import { Indexes } from './read/indexes.js';
import type { Records } from './read/records.js';
import type { Auditor } from './seal/auditor.js';
import { CompactJob, type Surveyed } from './seal/compact-job.js';
import type { Indexer } from './seal/indexer.js';
import type { Between } from './seal/pace.js';
import { type Pool, withTries } from './seal/pool.js';
import type { Sealer } from './seal/sealer.js';

type Deleted = Removal['streams'];

export interface CompactionParts {
  readonly storage: ReadStorage;
  readonly pool: Pool;
  /** The same for every segment. */
  readonly work: Omit<SealedWork, 'number'>;
  readonly records: Records;
  readonly sealer: Pick<Sealer, 'seal' | 'alone'>;
  readonly indexer: Pick<Indexer, 'alone' | 'make'>;
  readonly auditor: Pick<Auditor, 'cover' | 'keep'>;
  /** Have the log go on behind a segment; false where there is no space for another. */
  rotate(segment: number): Promise<boolean>;
  /** Streams, each with a sequence: their events before it are deleted. */
  deleted(): Iterable<readonly [stream: string, below: number]>;
  /** The lowest sequence of an event whose idempotency key is known. */
  keysFrom(): number;
  /** A sealed segment is in another file by now. */
  readonly onCompacted: (number: number) => void;
}

export class Compaction {
  readonly #parts: CompactionParts;
  readonly #indexes: Indexes;

  constructor(parts: CompactionParts) {
    this.#parts = parts;
    this.#indexes = new Indexes(parts.records);
  }

  /**
   * Remove deleted events from what is sealed, once everything that is full is, and what the newest segment holds of them.
   * @throws ERR_INVALID_OPTIONS; ERR_CORRUPT where a segment does not verify, or a tile that cannot be made anew; ERR_STORAGE, for good where it was a
   *   sync, or of the log; ERR_ABORTED, ERR_CLOSED: what was done before stays so
   */
  async compact(options: CompactOptions): Promise<CompactReport> {
    checkWorkOptions(options);
    const { sealer, records, deleted } = this.#parts;
    const streams = [...deleted()].filter(([, below]) => below > records.floor);
    if (streams.length === 0) return { segments: 0, events: 0, freedBytes: 0, later: { keys: 0, unsealed: 0 } };
    const { signal } = options;
    await sealer.alone(signal, 'compaction', (between) => this.#endNewest(streams, between));
    await sealer.seal({ ...(signal !== undefined && { signal }) });
    return await sealer.alone(signal, 'compaction', (between) => this.#compact(streams, options, between));
  }

  /** The log goes on in another segment where the newest one has what is to go: only what is sealed is written anew. */
  async #endNewest(streams: Deleted, between: Between): Promise<void> {
    const { records } = this.#parts;
    const durable = records.durable();
    const newest = records.catalog.segments.at(-1)!;
    const own = await this.#ofSegment(newest, streams);
    if (own.length === 0) return;
    const removal = { streams: own, keysFrom: this.#parts.keysFrom() };
    const found = await this.#held(newest, between, (held) => this.#survey(newest, durable, removal, held));
    if (found.events > 0) await this.#parts.rotate(newest.number);
  }

  async #compact(streams: Deleted, { onProgress }: CompactOptions, between: Between): Promise<CompactReport> {
    const { records, auditor } = this.#parts;
    const { catalog } = records;
    const done = { segments: 0, events: 0, freedBytes: 0 };
    const later = { keys: 0, unsealed: 0 };
    const keysFrom = this.#parts.keysFrom();
    const durable = records.durable();
    let covered: Promise<void> | undefined;
    // The tombstones as well: a tree that a backup copies tells how far its log must go.
    const prepare = async (segment: Segment): Promise<void> => {
      covered ??= auditor.cover(durable);
      await covered;
      await auditor.keep(segment.firstSequence, catalog.lastSequenceOf(segment, durable));
    };
    for (const segment of [...catalog.segments]) {
      between.check();
      const own = await this.#ofSegment(segment, streams);
      if (own.length === 0) continue;
      const removal = { streams: own, keysFrom };
      const isOpen = segment === catalog.segments.at(-1) || catalog.isRaw(segment);
      const found = await this.#held(segment, between, (held) =>
        isOpen
          ? this.#survey(segment, durable, removal, held)
          : this.#compactOne(segment, removal, () => prepare(segment), held),
      );
      later.keys += found.kept;
      if (isOpen) later.unsealed += found.events;
      if (isOpen || found.events === 0) continue;
      done.segments++;
      done.events += found.events;
      done.freedBytes += found.freedBytes;
      onProgress?.({ ...done });
    }
    return { ...done, later };
  }

  /** Do something with a segment that is not removed meanwhile. */
  async #held(segment: Segment, { check, rest }: Between, work: (held: Between) => Promise<Done>): Promise<Done> {
    const lease = this.#parts.records.leaseOf(segment);
    if (lease === undefined) return NOTHING;
    const checkHeld = (): void => {
      lease.moveTo();
      check();
    };
    try {
      return await work({ check: checkHeld, rest });
    } finally {
      lease.end();
    }
  }

  async #survey(segment: Segment, durable: number, removal: Removal, between: Between): Promise<Done> {
    const { catalog, holes } = this.#parts.records;
    const job = this.#job(segment, removal, between);
    const lastSequence = catalog.lastSequenceOf(segment, durable);
    return { ...(await job.survey(holes.skip(segment.firstSequence), lastSequence)), freedBytes: 0 };
  }

  async #compactOne(segment: Segment, removal: Removal, prepare: () => Promise<void>, between: Between): Promise<Done> {
    const { indexer, records, onCompacted } = this.#parts;
    const { number } = segment;
    const job = this.#job(segment, removal, between);
    const before = this.#bytesOf(number);
    const commit = (step: () => Promise<void>): Promise<void> =>
      indexer.alone(async () => {
        try {
          await step();
        } finally {
          records.catalog.indexFiles.renewed(number);
          onCompacted(number);
        }
      });
    const found = await withTries(() => job.run(prepare, commit));
    if (found.events === 0) return { ...found, freedBytes: 0 };
    await indexer.make(number, between);
    return { ...found, freedBytes: before - this.#bytesOf(number) };
  }

  #job({ number }: Segment, removal: Removal, between: Between): CompactJob {
    const { pool, work } = this.#parts;
    return new CompactJob({ pool, work: { ...work, number }, removal, between });
  }

  /** The streams of which there may be deleted events in a segment; without an index any that was deleted behind its beginning. */
  async #ofSegment(segment: Segment, streams: Deleted): Promise<Deleted> {
    const { records } = this.#parts;
    const { firstSequence } = segment;
    const later = streams.filter(([, below]) => below > firstSequence);
    const index = later.length === 0 ? undefined : await this.#indexes.openFile(segment, records);
    const named = await index?.ask(async (asked) => {
      const own: [string, number][] = [];
      for (const [stream, below] of later) {
        const list = await asked.ofValue('stream', stream);
        if (list.count > 0 && (await list.within(firstSequence, below - 1)).length > 0) own.push([stream, below]);
      }
      return own;
    });
    return named ?? later;
  }

  #bytesOf(number: number): number {
    const { storage, work } = this.#parts;
    const files = [sealedFile(number), indexFile(number)].map((name) => path.join(work.dir, name));
    return files.reduce((sum, file) => sum + (storage.exists(file) ? fileBytes(storage, file) : 0), 0);
  }
}

interface Done extends Surveyed {
  readonly freedBytes: number;
}

const NOTHING: Done = { events: 0, kept: 0, freedBytes: 0 };
