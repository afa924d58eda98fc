/** What a store can prove of itself: signed checkpoints of the audit tree, and proofs as of the newest one. */
import { type Checkpoint, Prover } from '../shared/audit/prover.js';
import { KeeperError } from '../shared/portable/errors.js';
import type { ConsistencyProof, InclusionProof } from '../shared/portable/proof/proof.js';
import type { Storage } from '../shared/storage.js';
import type { Auditor } from './seal/auditor.js';

export class Audit {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #storeId: string;
  /** Undefined of a store that is only read: it proves what others have signed. */
  readonly #auditor: Auditor | undefined;
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
    return this.#open()?.checkpoint.size ?? 0;
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

  /** A prover whose checkpoint covers a sequence, which is signed for it where need be. */
  async #covering(sequence: number, what: string): Promise<Prover> {
    if (this.#prover !== undefined && this.#prover.checkpoint.size >= sequence) return this.#prover;
    this.#prover = this.#open();
    if (this.#auditor !== undefined && (this.#prover?.checkpoint.size ?? -1) < sequence) {
      await this.#auditor.checkpoint();
      this.#prover = this.#open();
    }
    if (this.#prover !== undefined && this.#prover.checkpoint.size >= sequence) return this.#prover;
    throw new KeeperError('ERR_NOT_FOUND', `no signed checkpoint covers ${what}`, {
      hint: 'checkpoint() of a store that is open for writing signs one.',
    });
  }

  #open(): Prover | undefined {
    return Prover.open(this.#storage, this.#dir, this.#storeId);
  }

  #writing(): Auditor {
    if (this.#auditor !== undefined) return this.#auditor;
    const what = 'the store was opened with readOnly, and does not sign';
    throw new KeeperError('ERR_INVALID_OPTIONS', what, { path: 'readOnly' });
  }
}
