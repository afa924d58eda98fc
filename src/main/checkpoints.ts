/**
 * When a checkpoint of heads and keys is made, and when it comes into force: it is taken from what is accepted, written by
 * the background thread, and put in force once all of it is durable.
 */
import { HEADS_FILE } from '../shared/format/file-names.js';
import type { FromBackground, ToBackground, TombstonesSnapshot } from '../shared/messages.js';
import type { Heads } from './append/heads.js';
import type { HeadsFile } from './append/heads-file.js';
import type { Keys } from './append/keys.js';

type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'writing'; readonly sequence: number; readonly given: boolean }
  | { readonly kind: 'written'; readonly sequence: number }
  | { readonly kind: 'committing'; readonly sequence: number };

export interface CheckpointParts {
  readonly storeId: Uint8Array;
  readonly heads: Heads;
  readonly keys: Keys;
  /** The last accepted sequence, the last durable one, and the newest segment. */
  accepted(): number;
  durable(): number;
  segment(): number;
  post(message: ToBackground): void;
  /** As of what is durable; undefined where there are none. */
  tombstones(): TombstonesSnapshot | undefined;
  openFile(): HeadsFile | undefined;
  onFailure(error: unknown): void;
}

export class Checkpoints {
  readonly #parts: CheckpointParts;
  #state: State = { kind: 'idle' };
  /** Of the checkpoint in force, or of the base where there is none yet; 0 where there is neither. */
  #sequence: number;
  #file: string;
  #segment: number;
  #onIdle: (() => void)[] = [];
  /** Nobody is there any more who would write one. */
  #ended = false;

  /** @param table the one that heads are looked up in */
  constructor(parts: CheckpointParts, table: { readonly sequence: number; readonly file: string }) {
    this.#parts = parts;
    this.#sequence = table.sequence;
    this.#file = table.file;
    this.#segment = parts.segment();
  }

  /** The durable watermark has moved: begin a checkpoint if one is due, or put the written one in force. */
  onDurable(): void {
    const { heads } = this.#parts;
    if (this.#ended) return;
    if (this.#state.kind === 'idle') {
      if (this.#parts.segment() !== this.#segment || heads.wantsCheckpoint) this.#begin();
    } else if (this.#state.kind === 'written') {
      this.#commit(this.#state.sequence);
    }
  }

  /** There will be no more checkpoints. */
  end(error: unknown): void {
    this.#ended = true;
    if (this.#state.kind === 'idle') return;
    this.#parts.onFailure(error);
    this.#abandon();
  }

  /** What is not durable was given up, and with it what the checkpoint under way says of it. */
  onRollBack(): void {
    if (this.#state.kind === 'writing') this.#state = { ...this.#state, given: true };
    else if (this.#state.kind === 'written') this.#abandon();
  }

  onMessage(message: FromBackground): void {
    switch (message.kind) {
      case 'checkpoint-written':
        if (this.#state.kind !== 'writing') return;
        if (this.#state.given) this.#abandon();
        else {
          const { sequence } = this.#state;
          this.#state = { kind: 'written', sequence };
          this.#commit(sequence);
        }
        return;
      case 'checkpoint-committed':
        if (this.#state.kind !== 'committing') return;
        this.#adopt(this.#state.sequence);
        return;
      case 'checkpoint-failed':
        if (this.#state.kind === 'idle') return;
        this.#parts.onFailure(message.error);
        this.#abandon();
        return;
      default:
    }
  }

  /** Whether heads are looked up in a checkpoint, and not in the base. */
  get isMade(): boolean {
    return this.#file === HEADS_FILE;
  }

  /** Have everything that is durable in a checkpoint; resolves when it is in force, or has failed. */
  async finish(): Promise<void> {
    await this.#whenIdle();
    if (this.#ended || this.#parts.durable() === this.#sequence) return;
    this.#begin();
    await this.#whenIdle();
  }

  #begin(): void {
    const { heads, keys, storeId } = this.#parts;
    const sequence = this.#parts.accepted();
    this.#segment = this.#parts.segment();
    this.#state = { kind: 'writing', sequence, given: false };
    const table = { base: this.#sequence, from: this.#file };
    const snapshot = { storeId, sequence, ...table, heads: heads.freeze(), keys: keys.entries() };
    this.#parts.post({ kind: 'write-checkpoint', snapshot });
  }

  #commit(sequence: number): void {
    if (this.#parts.durable() < sequence) return;
    this.#state = { kind: 'committing', sequence };
    this.#parts.post({ kind: 'commit-checkpoint', tombstones: this.#parts.tombstones() });
  }

  #adopt(sequence: number): void {
    let file: HeadsFile | undefined;
    try {
      file = this.#parts.openFile();
    } catch (error) {
      this.#parts.onFailure(error);
      this.#abandon();
      return;
    }
    if (file?.header.sequence !== sequence) {
      // It was damaged in between. What it replaced is still open, and stays in use.
      file?.close();
      this.#parts.onFailure(new Error('the checkpoint that was written does not verify'));
      this.#abandon();
      return;
    }
    this.#sequence = sequence;
    this.#file = HEADS_FILE;
    this.#parts.heads.adopt(file);
    this.#rest();
  }

  #abandon(): void {
    this.#parts.heads.thaw();
    this.#rest();
  }

  #rest(): void {
    this.#state = { kind: 'idle' };
    const listeners = this.#onIdle;
    this.#onIdle = [];
    for (const listener of listeners) listener();
  }

  #whenIdle(): Promise<void> {
    if (this.#state.kind === 'idle') return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }
}
