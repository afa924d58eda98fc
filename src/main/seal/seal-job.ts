/** The sealing of one segment, step by step, in the pool. */
import { DIGEST_BYTES, SEALED_HEADER_BYTES } from '../../shared/format/sealed.js';
import type { GatheredRuns, Run } from '../../shared/index-tasks.js';
import { KeeperError } from '../../shared/portable/errors.js';
import type { Packed, SealedRange, SealedWork, SealResults, SealTask, SealTaskOf } from '../../shared/seal-tasks.js';
import type { Between } from './pace.js';
import type { Pool } from './pool.js';

export interface Sealed {
  readonly rawBytes: number;
  readonly fileBytes: number;
  /** For the index; undefined where that did not work. */
  readonly gathered: GatheredRuns | undefined;
}

/** What is known once all frames are packed. */
interface AllPacked {
  readonly to: Packed;
  readonly table: Uint8Array;
  readonly digests: readonly Uint8Array[];
  readonly runs: readonly Run[];
  readonly isCompacted: boolean;
}

/** The sealing of one segment. */
export class SealJob {
  readonly #pool: Pool;
  readonly #work: SealedWork;
  readonly #nodeId: string;
  readonly #between: Between;

  constructor(pool: Pool, work: SealedWork, nodeId: string, between: Between) {
    this.#pool = pool;
    this.#work = work;
    this.#nodeId = nodeId;
    this.#between = between;
  }

  /** Undefined where there is nothing to seal. */
  async run(): Promise<Sealed | undefined> {
    this.#between.check();
    const range = await this.#pool.run({ kind: 'begin', ...this.#work });
    if (range === undefined) return undefined;
    try {
      const packed = await this.#pack(range);
      const gathered = this.#gathered(range, packed);
      await this.#assemble(range, packed);
      await this.#readBack();
      const { fileBytes } = await this.#pool.run({ kind: 'commit', ...this.#work });
      return { rawBytes: packed.to.frames.offset, fileBytes, gathered };
    } catch (error) {
      // What stays is removed by the next opening. What counts is why it was in vain.
      await this.#pool.run({ kind: 'discard', ...this.#work }).catch((left) => process.emitWarning(left));
      throw error;
    }
  }

  async #pack(range: SealedRange): Promise<AllPacked> {
    const entries: Uint8Array[] = [];
    const digests: Uint8Array[] = [];
    const runs: Run[] = [];
    let isCompacted = false;
    let to: Packed = { frames: range.start, offset: SEALED_HEADER_BYTES, runs: 0 };
    do {
      const packed = await this.#slice({ kind: 'pack', ...this.#work, range, at: to, nodeId: this.#nodeId });
      entries.push(packed.entries);
      digests.push(packed.digests);
      if (packed.run !== undefined) runs.push(packed.run);
      isCompacted ||= packed.isCompacted;
      to = packed.to;
    } while (to.frames.sequence <= range.lastSequence);
    return { to, table: Buffer.concat(entries), digests, runs, isCompacted };
  }

  #gathered({ firstSequence, lastSequence }: SealedRange, packed: AllPacked): GatheredRuns | undefined {
    const { to, digests, runs } = packed;
    if (to.runs === undefined) return undefined;
    const { number } = this.#work;
    const { offset: rawBytes, previous: lastFrame } = to.frames;
    return { segment: { number, firstSequence, count: countOf(digests), rawBytes, lastFrame }, lastSequence, runs };
  }

  async #assemble(range: SealedRange, { to, table, digests, isCompacted }: AllPacked): Promise<void> {
    const storedBytes = to.offset - SEALED_HEADER_BYTES;
    const end = to.frames;
    await this.#slice({ kind: 'assemble', ...this.#work, range, end, storedBytes, table, digests, isCompacted });
  }

  /** Nothing is replaced by what does not read back. */
  async #readBack(): Promise<void> {
    for (let from = 0; ; ) {
      const compared = await this.#slice({ kind: 'compare', ...this.#work, from });
      if (compared === undefined) break;
      if (compared.isLast) return;
      from = compared.to;
    }
    throw new KeeperError('ERR_STORAGE', `segment ${this.#work.number}, sealed, does not read back as it was written`, {
      errno: 'EIO',
      syscall: 'read',
      hint: 'The raw segment is as it was. Look at the disk.',
    });
  }

  async #slice<K extends SealTask['kind']>(task: SealTaskOf<K>): Promise<SealResults[K]> {
    this.#between.check();
    let tookMs = 0;
    const result = await this.#pool.run(task, (ms) => {
      tookMs = ms;
    });
    await this.#between.rest(tookMs);
    return result;
  }
}

function countOf(digests: readonly Uint8Array[]): number {
  return digests.reduce((sum, { length }) => sum + length, 0) / DIGEST_BYTES;
}
