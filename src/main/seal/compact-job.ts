/** The compaction of one sealed segment: the order of its steps, which the pool does. */
import type {
  CompactRange,
  CompactResults,
  CompactStep,
  CompactStepOf,
  Removal,
  Rewritten,
} from '../../shared/compact-tasks.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { SEALED_HEADER_BYTES } from '../../shared/format/sealed.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { FramePosition, SealedWork } from '../../shared/seal-tasks.js';
import type { Between } from './pace.js';
import type { Pool } from './pool.js';

/** Deleted events of a segment: those that are to go, and those that stay for the keys of their calls. */
export interface Surveyed {
  readonly events: number;
  readonly kept: number;
}

export interface CompactJobParts {
  readonly pool: Pool;
  readonly work: SealedWork;
  readonly removal: Removal;
  readonly between: Between;
}

export class CompactJob {
  readonly #parts: CompactJobParts;
  /** What was found before anything was written. */
  #found: Surveyed | undefined;

  constructor(parts: CompactJobParts) {
    this.#parts = parts;
  }

  /** What there is in a segment, sealed or not, from a sequence that is there up to another one. */
  async survey(firstSequence: number, lastSequence: number): Promise<Surveyed> {
    const found = { events: 0, kept: 0 };
    let from: FramePosition | undefined;
    for (let next = firstSequence; next <= lastSequence; next = from.sequence) {
      const { events, kept, to } = await this.#step({ step: 'survey', from, lastSequence });
      found.events += events;
      found.kept += kept;
      from = to;
    }
    return found;
  }

  /**
   * Write the segment anew where anything of it is to go. May be called again where a thread of the pool has ended over it.
   * @param prepare is done before anything is written
   * @param alone does the last step while no index is made
   */
  async run(prepare: () => Promise<void>, alone: (commit: () => Promise<void>) => Promise<void>): Promise<Surveyed> {
    const range = await this.#step({ step: 'begin' });
    if (range === undefined) return { events: 0, kept: 0 };
    const found = await this.survey(range.start.sequence, range.lastSequence);
    // Nothing any more: the thread had ended behind the last step.
    if (found.events === 0) return this.#found ?? found;
    this.#found = found;
    await prepare();
    try {
      await this.#rewrite(range);
      await this.#recheck(range);
      await alone(async () => this.#step({ step: 'commit' }));
      return found;
    } catch (error) {
      const { pool, work } = this.#parts;
      // What stays is removed by the next opening. What counts is why it was in vain.
      await pool.run({ kind: 'discard', ...work }).catch((left) => process.emitWarning(left));
      throw error;
    }
  }

  async #rewrite(range: CompactRange): Promise<void> {
    const entries: Uint8Array[] = [];
    const digests: Uint8Array[] = [];
    const rest = new Uint8Array(0);
    let from: Rewritten = { at: range.start, rest, block: 0, offset: SEALED_HEADER_BYTES };
    while (from.at.sequence <= range.lastSequence) {
      const done = await this.#step({ step: 'rewrite', range, from });
      entries.push(done.entries);
      digests.push(done.digests);
      from = done.to;
    }
    const storedBytes = from.offset - SEALED_HEADER_BYTES;
    await this.#step({ step: 'assemble', range, storedBytes, table: Buffer.concat(entries), digests });
  }

  /** Nothing is replaced by what does not read back. */
  async #recheck(range: CompactRange): Promise<void> {
    let from: FramePosition | undefined = range.start;
    while (from !== undefined && from.sequence <= range.lastSequence) {
      from = await this.#step({ step: 'recheck', range, from });
    }
    if (from?.offset === range.rawBytes && sameChecksum(from.previous, range.lastFrame)) return;
    const what = `segment ${this.#parts.work.number}, compacted, does not read back as it was written`;
    throw new KeeperError('ERR_STORAGE', what, {
      errno: 'EIO',
      syscall: 'read',
      hint: 'The segment is as it was. Look at the disk.',
    });
  }

  async #step<K extends CompactStep['step']>(step: CompactStepOf<K>): Promise<CompactResults[K]> {
    const { pool, work, removal, between } = this.#parts;
    between.check();
    let tookMs = 0;
    const result = await pool.run({ kind: 'compact', ...work, removal, step: step as CompactStep }, (ms) => {
      tookMs = ms;
    });
    await between.rest(tookMs);
    return result as CompactResults[K];
  }
}
