/** What a store can prove of itself: signed checkpoints of the audit tree, and proofs as of the newest one. */
import { Prover } from '../shared/audit/prover.js';
import { KeeperError } from '../shared/portable/errors.js';
import type { Checkpoint } from '../shared/portable/proof/checkpoint.js';
import type { ConsistencyProof, InclusionProof } from '../shared/portable/proof/proof.js';
import type { Storage } from '../shared/storage.js';
import type { Auditor } from './seal/auditor.js';

export class Audit {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #storeId: string;
  /** Undefined of a store that is only read: it proves what others have signed. */
  readonly #auditor: Auditor | undefined;
  /** Of the newest checkpoint that was looked up. */
  #prover: Prover | undefined;

  constructor(storage: Storage, dir: string, storeId: string, auditor: Auditor | undefined) {
    this.#storage = storage;
    this.#dir = dir;
    this.#storeId = storeId;
    this.#auditor = auditor;
  }

  checkpoint(): Promise<Checkpoint> {
    return this.#writing().checkpoint();
  }

  rotateKey(): Promise<Checkpoint> {
    return this.#writing().rotateKey();
  }

  /**
   * How many events the newest signed checkpoint covers.
   * @throws ERR_CORRUPT where it does not verify; ERR_STORAGE
   */
  get size(): number {
    return this.#newest()?.checkpoint.size ?? 0;
  }

  /** @param sequence of an event that is durable */
  async prove(sequence: number): Promise<InclusionProof> {
    const prover = await this.#covering(sequence, `sequence ${sequence}`);
    return prover.prove(sequence);
  }

  async proveConsistency(size: number): Promise<ConsistencyProof> {
    const prover = await this.#covering(size, `a checkpoint of ${size} events`);
    return prover.proveConsistency(size);
  }

  /** The prover of the newest checkpoint, once that covers a sequence; it is signed for it where need be. */
  async #covering(sequence: number, what: string): Promise<Prover> {
    let prover = this.#newest();
    if (this.#auditor !== undefined && (prover?.checkpoint.size ?? -1) < sequence) {
      await this.#auditor.checkpoint();
      prover = this.#newest();
    }
    if (prover !== undefined && prover.checkpoint.size >= sequence) return prover;
    throw new KeeperError('ERR_NOT_FOUND', `no signed checkpoint covers ${what}`, {
      hint: 'checkpoint() of a store that is open for writing signs one.',
    });
  }

  /** Looked up each time: compaction, retention, and the writer beside a reader sign as well. */
  #newest(): Prover | undefined {
    this.#prover = Prover.open(this.#storage, this.#dir, this.#storeId, this.#prover);
    return this.#prover;
  }

  #writing(): Auditor {
    if (this.#auditor !== undefined) return this.#auditor;
    const what = 'the store was opened with readOnly, and does not sign';
    throw new KeeperError('ERR_INVALID_OPTIONS', what, { path: 'readOnly' });
  }
}
