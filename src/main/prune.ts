/**
 * How segments go: what must be known of them later is put into the base, which is durable before the manifest names it and
 * says that the log begins behind them; that is durable before their files go. Interrupted anywhere, the log begins where the
 * manifest says, and what is left over is removed by the next opening.
 */
import { ENTRY_BYTES } from '../shared/format/checkpoint.js';
import type { PlaceHasher } from '../shared/format/checksum.js';
import { indexFile, sealedFile, segmentFile } from '../shared/format/file-names.js';
import type { NamedBase } from '../shared/format/manifest.js';
import { readSafeInteger } from '../shared/format/record.js';
import type { FromBackground, FromWriter, LogCut, ToBackground, ToWriter } from '../shared/messages.js';
import { aborted, fromWire, KeeperError } from '../shared/portable/errors.js';
import type { FramePosition, SealedWork } from '../shared/seal-tasks.js';
import type { Storage } from '../shared/storage.js';
import { BaseFile, type CurrentBase } from './append/base-file.js';
import { HashTable } from './append/hash-table.js';
import type { Keys } from './append/keys.js';
import type { PruneProgress } from './prune-types.js';
import type { Catalog, Segment } from './read/catalog.js';
import type { Auditor } from './seal/auditor.js';
import { type Pool, withTries } from './seal/pool.js';
import { withResolvers } from './with-resolvers.js';

/** Segments are taken together as long as what is to be kept of them stays below this. */
const MOST_AT_ONCE = { heads: 500_000, resultBytes: 32 * 1024 * 1024 } as const;

export interface PruningParts {
  readonly storage: Storage;
  readonly hasher: PlaceHasher;
  /** The same for every segment. */
  readonly work: Omit<SealedWork, 'number'>;
  /** Of the hashes of names. */
  readonly hashKey: string;
  readonly catalog: Catalog;
  readonly pool: Pool;
  readonly auditor: Auditor;
  readonly keys: Keys;
  readonly base: CurrentBase;
  /** Have heads looked up in a checkpoint rather than in the base in force, which is to go. */
  leaveBase(): Promise<void>;
  toBackground(message: ToBackground): void;
  toWriter(message: ToWriter): void;
}

/** What the log does not have any more, and its files may go. */
interface Gone {
  readonly segments: readonly Segment[];
  readonly bytes: number;
  /** The base that was in force. */
  readonly base: string | undefined;
}

/** What is kept of segments that go. */
interface Kept {
  readonly heads: HashTable;
  readonly results: Uint8Array[];
  /** The segment behind them. */
  readonly next: Segment;
}

export class Pruning {
  readonly #parts: PruningParts;
  #closed = false;
  /** Ends the waiting for those who read what is to go. */
  #anew = new AbortController();
  /** Of who has asked for what is under way. */
  #signal: AbortSignal | undefined;
  #written: ReturnType<typeof withResolvers<NamedBase>> | undefined;
  #cut: ReturnType<typeof withResolvers<void>> | undefined;
  /** Why a part of the engine will not answer any more. */
  #gone: Partial<Record<'writer' | 'background', Error>> = {};

  constructor(parts: PruningParts) {
    this.#parts = parts;
  }

  /**
   * Remove segments, or the first of them, which are the oldest, and sealed.
   * @returns undefined where it is to be decided anew: somebody has begun to read them meanwhile, and others before that one has ended
   * @throws ERR_CORRUPT where log, tree or base do not verify, and ERR_STORAGE: they stay; ERR_CLOSED, ERR_ABORTED
   */
  async prune(segments: readonly Segment[], signal?: AbortSignal): Promise<PruneProgress | undefined> {
    const { catalog, base, auditor } = this.#parts;
    this.#signal = signal;
    this.#check();
    await this.#parts.leaveBase();
    // The digests of what goes are in the tree from then on, and the tiles that have them are whole.
    const lastSequence = lastOf(catalog, segments.at(-1)!);
    await auditor.cover(lastSequence);
    await auditor.keep(segments[0]!.firstSequence, lastSequence);
    const kept = await this.#keep(segments);
    const { next, heads, results } = kept;
    const floor = catalog.holes.skip(next.firstSequence);
    const written = await this.#write({ floor, heads, results });
    const cut: LogCut = { floor, firstSegment: next.number, base: written };
    this.#check();
    this.#anew = new AbortController();
    const end = AbortSignal.any([this.#anew.signal, ...(signal === undefined ? [] : [signal])]);
    const gone = await catalog.start.leases.inGap(next.firstSequence - 1, end, () => this.#begin(cut));
    if (gone === undefined) {
      this.#check();
      // What a cut has failed with is in force here.
      if (written.file !== base.file?.named.file) await this.#remove([], [written.file]);
      return undefined;
    }
    await this.#remove(gone.segments, gone.base === undefined || gone.base === written.file ? [] : [gone.base]);
    return { floor, segments: gone.segments.length, bytes: gone.bytes };
  }

  /** What was decided may not be what would be decided now: nobody waits any longer to carry it out. */
  decideAnew(): void {
    this.#anew.abort();
  }

  /** What is under way ends between two slices. */
  close(): void {
    this.#closed = true;
    this.#anew.abort();
  }

  onBackground(message: FromBackground): void {
    if (message.kind === 'base-written') this.#written?.resolve(message.base);
    else if (message.kind === 'base-failed') this.#written?.reject(fromWire(message.error));
  }

  onWriter(message: FromWriter): void {
    if (message.kind === 'pruned') this.#cut?.resolve();
    else if (message.kind === 'prune-failed') this.#cut?.reject(fromWire(message.error));
  }

  /** It will not answer any more. */
  onExit(part: 'writer' | 'background', error: Error): void {
    this.#gone[part] = error;
    (part === 'writer' ? this.#cut : this.#written)?.reject(error);
  }

  /** Gather heads and results, a slice at a time. */
  async #keep(segments: readonly Segment[]): Promise<Kept> {
    const { catalog } = this.#parts;
    const heads = new HashTable();
    const results: Uint8Array[] = [];
    let resultBytes = 0;
    let next: Segment;
    let taken = 0;
    do {
      const segment = segments[taken++]!;
      for await (const slice of this.#slicesOf(segment)) {
        addHeads(heads, slice.heads);
        resultBytes += slice.results.length;
        if (slice.results.length > 0) results.push(slice.results);
      }
      next = catalog.segments[catalog.segments.indexOf(segment) + 1]!;
    } while (taken < segments.length && heads.count < MOST_AT_ONCE.heads && resultBytes < MOST_AT_ONCE.resultBytes);
    return { heads, results, next };
  }

  async *#slicesOf(segment: Segment): AsyncGenerator<{ readonly heads: Uint8Array; readonly results: Uint8Array }> {
    const { catalog, pool, work, hashKey } = this.#parts;
    const lastSequence = lastOf(catalog, segment);
    let from: FramePosition | undefined;
    for (let next = catalog.holes.skip(segment.firstSequence); next <= lastSequence; ) {
      this.#check();
      const { number } = segment;
      const part = { from, lastSequence };
      const slice = await withTries(() => pool.run({ kind: 'fold', ...work, number, hashKey, part }));
      yield slice;
      from = slice.to;
      next = from.sequence;
    }
  }

  /** Have the base written; it is not in force yet. */
  async #write({ floor, heads, results }: Omit<Kept, 'next'> & { floor: number }): Promise<NamedBase> {
    this.#check();
    if (this.#gone.background !== undefined) throw this.#gone.background;
    const { base, keys, work, toBackground } = this.#parts;
    const before = base.file && { file: base.file.named.file, sequence: base.file.header.sequence };
    const sequence = floor - 1;
    const { storeId } = work;
    this.#written = withResolvers<NamedBase>();
    const snapshot = { storeId, sequence, before, heads: heads.entries(), keys: keys.entries(), results };
    toBackground({ kind: 'write-base', snapshot });
    return await this.#written.promise;
  }

  /**
   * Let the log begin behind what goes: whoever begins to read, or to do something else with a segment, from now on begins there,
   * though the manifest does not say so yet. All of that is done before anybody else gets a turn.
   */
  async #begin(cut: LogCut): Promise<Gone> {
    this.#check();
    if (this.#gone.writer !== undefined) throw this.#gone.writer;
    const { catalog, base, storage, hasher, work, toWriter } = this.#parts;
    // Before the log begins later: the catalog leaves them out then.
    const segments = catalog.segments.filter(({ number }) => number < cut.firstSegment);
    const bytes = catalog.closedBytes(segments);
    const old = base.file?.named.file;
    // First: a repeated call finds its result in the log or in the base at any moment.
    base.adopt(BaseFile.open(storage, work.dir, hasher, cut.base));
    const { floor, firstSegment } = catalog.start;
    catalog.start.moveTo(cut);
    this.#cut = withResolvers<void>();
    toWriter({ kind: 'prune', cut });
    try {
      await this.#cut.promise;
    } catch (error) {
      catalog.start.moveTo({ firstSegment, floor });
      throw error;
    }
    catalog.prune(cut);
    return { segments, bytes, base: old };
  }

  /** Nothing needs them any more. What is left over goes when the store is opened again. */
  async #remove(segments: readonly Segment[], others: readonly string[]): Promise<void> {
    const { pool, work } = this.#parts;
    const files = segments.flatMap(({ number }) => [indexFile(number), sealedFile(number), segmentFile(number)]);
    const task = { kind: 'remove', ...work, number: segments[0]?.number ?? 0, files: [...files, ...others] } as const;
    await withTries(() => pool.run(task));
  }

  #check(): void {
    if (this.#closed) throw new KeeperError('ERR_CLOSED', 'the store was closed while segments were being removed');
    if (this.#signal?.aborted === true) throw aborted(this.#signal, 'pruning');
  }
}

/** The last sequence of a segment behind which there is another. */
function lastOf({ segments }: Catalog, segment: Segment): number {
  return segments[segments.indexOf(segment) + 1]!.firstSequence - 1;
}

/** Later entries count. */
function addHeads(table: HashTable, heads: Uint8Array): void {
  const view = new DataView(heads.buffer, heads.byteOffset, heads.byteLength);
  const word = (at: number): number => view.getUint32(at, true);
  for (let at = 0; at < heads.length; at += ENTRY_BYTES) {
    const hash = Uint32Array.of(word(at), word(at + 4), word(at + 8), word(at + 12));
    const [revisions, lastSequence] = [readSafeInteger(view, at + 16), readSafeInteger(view, at + 24)];
    const entry = table.find(hash);
    if (entry === -1) table.add(hash, revisions, lastSequence);
    else table.update(entry, revisions, lastSequence);
  }
}
