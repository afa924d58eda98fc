/** The background thread's work: what helps the writer but must not take its time. */
import type { FromBackground, ToBackground } from '../../shared/messages.js';
import { isKeeperError, toWire } from '../../shared/portable/errors.js';
import type { SharedState } from '../../shared/ring/layout.js';
import { type Storage, storageError } from '../../shared/storage.js';
import { writeBase } from './base-writer.js';
import { commitCheckpoint, writeCheckpoint } from './checkpoint-writer.js';
import { makeNextSegment } from './next-segment.js';
import { Workspace } from './workspace.js';

export class Background {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #state: SharedState;
  readonly #post: (message: FromBackground) => void;
  #workspace: Workspace | undefined;

  constructor(storage: Storage, dir: string, state: SharedState, post: (message: FromBackground) => void) {
    this.#storage = storage;
    this.#dir = dir;
    this.#state = state;
    this.#post = post;
  }

  /** The writer has a durable frame in a segment. */
  onSegmentBegun(segment: number): void {
    try {
      makeNextSegment(this.#storage, this.#dir, this.#state, segment);
    } catch (error) {
      const fields = { error: wire(error) };
      this.#post({ kind: 'log', level: 'warn', fields, message: 'the next segment could not be made ahead' });
    }
  }

  /** Returns whether to go on. */
  async onMessage(message: ToBackground): Promise<boolean> {
    switch (message.kind) {
      case 'write-checkpoint':
        await this.#try('checkpoint-failed', async () => {
          writeCheckpoint(this.#storage, this.#dir, await this.#room(message.snapshot.storeId), message.snapshot);
          this.#post({ kind: 'checkpoint-written' });
        });
        return true;
      case 'commit-checkpoint':
        await this.#try('checkpoint-failed', async () => {
          commitCheckpoint(this.#storage, this.#dir);
          this.#post({ kind: 'checkpoint-committed' });
        });
        return true;
      case 'write-base':
        await this.#try('base-failed', async () => {
          const workspace = await this.#room(message.snapshot.storeId);
          const base = writeBase(this.#storage, this.#dir, workspace, message.snapshot);
          this.#post({ kind: 'base-written', base });
        });
        return true;
      case 'close':
        this.#post({ kind: 'closed' });
        return false;
      default:
        throw new Error(`unknown message: ${JSON.stringify(message satisfies never)}`);
    }
  }

  async #room(storeId: Uint8Array): Promise<Workspace> {
    this.#workspace ??= await Workspace.create(storeId);
    return this.#workspace;
  }

  async #try(failure: 'checkpoint-failed' | 'base-failed', work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#post({ kind: failure, error: wire(error) });
    }
  }
}

function wire(error: unknown): ReturnType<typeof toWire> {
  return toWire(isKeeperError(error) ? error : storageError(error, 'unknown'));
}
