/** Lets the audit tree grow to the durable end of the log, a slice at a time, each of which ends with a signed checkpoint. */
import path from 'node:path';
import { unmendedTile } from '../../shared/audit/check.js';
import { corrupt } from '../../shared/damage.js';
import { TREE_FILE } from '../../shared/format/file-names.js';
import type { Holes } from '../../shared/holes.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { Checkpoint } from '../../shared/portable/proof/checkpoint.js';
import type { AuditPart, FramePosition, SealedWork, SealResults } from '../../shared/seal-tasks.js';
import type { SegmentSpan } from '../../shared/tree-tasks.js';
import { type Pool, withTries } from './pool.js';
import { TreeMender } from './tree-mender.js';
import { UntilSyncFails } from './until-sync-fails.js';

/** Leaves without records that are appended at once. */
const PRUNED_AT_ONCE = 65_536;

/** A segment, as far as it counts here. */
interface AuditedSegment {
  readonly number: number;
  readonly firstSequence: number;
}

export interface AuditorParts {
  readonly pool: Pool;
  /** The same for every segment. */
  readonly work: Omit<SealedWork, 'number'>;
  readonly holes: Holes;
  /** The file of the key that signs is for others as well. Told once. */
  onKeyExposed(): void;
  /** The last durable sequence, every segment up to it being in the catalog. */
  durable(): number;
  readonly catalog: {
    holding(sequence: number): AuditedSegment;
    lastSequenceOf(segment: AuditedSegment, durable: number): number;
    readonly segments: readonly AuditedSegment[];
    readonly start: { readonly floor: number };
  };
}

export class Auditor {
  readonly #parts: AuditorParts;
  readonly #mender: TreeMender;
  readonly #syncs = new UntilSyncFails();
  #last: Promise<unknown> = Promise.resolve();
  /** Where the last slice ended. */
  #place: { readonly number: number; readonly at: FramePosition } | undefined;
  #closed = false;
  #toldOfKey = false;

  constructor(parts: AuditorParts) {
    this.#parts = parts;
    const { pool, work } = parts;
    this.#mender = new TreeMender({ pool, work, spans: () => this.#spans(), check: () => this.#check() });
  }

  /**
   * A signed checkpoint of everything that is durable now.
   * @throws ERR_CORRUPT where the log, or the tree, does not verify; ERR_STORAGE, for good where it was a sync; ERR_CLOSED
   */
  checkpoint(): Promise<Checkpoint> {
    return this.#next(() => this.#grow(this.#parts.durable()));
  }

  /**
   * Have everything up to a durable sequence in the tree, before anything of it goes. A damaged edge is made anew first.
   * @throws what {@link checkpoint} throws
   */
  async cover(sequence: number): Promise<void> {
    await this.#next(async () => {
      await this.#mend(1, 0);
      await this.#grow(sequence);
    });
  }

  /**
   * Have the tiles whole that are over some sequences, before their records go: as long as these are there, a tile that does not verify is
   * made anew of them. @throws ERR_CORRUPT where that does not lead to the root that was signed; and what {@link checkpoint} throws
   */
  async keep(firstSequence: number, lastSequence: number): Promise<void> {
    await this.#next(() => this.#mend(firstSequence, lastSequence));
  }

  /** Make a new key, and sign with it and with the one before it. */
  rotateKey(): Promise<Checkpoint> {
    // Not tried again: the checkpoint that leads from one key to the next would be replaced.
    return this.#next(async () => (await this.#runOnce(0, 'rotate-key')).checkpoint);
  }

  /** Stop between two slices. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  /** One after the other: the tree has one owner at a time. */
  #next<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(() => this.#syncs.attempt(work));
    this.#last = run.catch(() => undefined); // whoever asked for it is told
    return run;
  }

  async #mend(firstSequence: number, lastSequence: number): Promise<void> {
    const { left } = await this.#mender.mend(firstSequence, lastSequence);
    if (left[0] !== undefined) throw unmendedTile(left[0]);
  }

  #spans(): SegmentSpan[] {
    const { catalog } = this.#parts;
    const durable = this.#parts.durable();
    return catalog.segments.map((segment) => ({
      number: segment.number,
      firstSequence: segment.firstSequence,
      lastSequence: catalog.lastSequenceOf(segment, durable),
    }));
  }

  async #grow(upTo: number): Promise<Checkpoint> {
    const { holes, catalog } = this.#parts;
    const durable = this.#parts.durable();
    let { checkpoint, isNewKey: mayLack } = await this.#run(0, undefined);
    if (checkpoint.size > durable) throw this.#ahead(checkpoint, durable);
    // Below the floor nothing is left to read: the tree has it, or has been lost.
    const pruned = Math.min(catalog.start.floor - 1, holes.skipBack(upTo));
    while (holes.skip(checkpoint.size + 1) <= pruned) {
      const prunedUpTo = Math.min(pruned, checkpoint.size + PRUNED_AT_ONCE);
      checkpoint = (await this.#run(0, { prunedUpTo, mayLack })).checkpoint;
    }
    while (checkpoint.size < holes.skipBack(upTo)) {
      const sequence = holes.skip(checkpoint.size + 1);
      const segment = catalog.holding(sequence);
      const lastSequence = catalog.lastSequenceOf(segment, upTo);
      const from = this.#placeIn(segment.number, sequence);
      const done = await this.#run(segment.number, { from, lastSequence, mayLack });
      checkpoint = done.checkpoint;
      this.#place = done.to && { number: segment.number, at: done.to };
    }
    return checkpoint;
  }

  /** Events that were signed are not in the log any more: the disk has lost what it had acknowledged, or the files are of two stores. */
  #ahead({ size }: Checkpoint, durable: number): KeeperError {
    const file = path.join(this.#parts.work.dir, TREE_FILE);
    const range = { firstSequence: durable + 1, lastSequence: size };
    return corrupt(file, 0, `the log ends at ${durable}, and ${size} events were signed`, range);
  }

  /** Where to go on in a segment: where it was left, unless that is behind what the tree has. */
  #placeIn(number: number, sequence: number): FramePosition | undefined {
    return this.#place?.number === number && this.#place.at.sequence <= sequence ? this.#place.at : undefined;
  }

  /** Each task begins with the tree as it is, and compares what that has already: it may be done again. */
  #run(number: number, part: AuditPart | undefined): Promise<SealResults['audit']> {
    return withTries(() => this.#runOnce(number, part));
  }

  async #runOnce(number: number, part: AuditPart | 'rotate-key' | undefined): Promise<SealResults['audit']> {
    this.#check();
    const done = await this.#parts.pool.run({ kind: 'audit', ...this.#parts.work, number, part });
    if (done.isKeyExposed && !this.#toldOfKey) this.#parts.onKeyExposed();
    this.#toldOfKey ||= done.isKeyExposed;
    return done;
  }

  #check(): void {
    if (this.#closed) throw new KeeperError('ERR_CLOSED', 'the store was closed while it was being audited');
  }
}
