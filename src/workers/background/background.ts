/** The background thread's work: what helps the writer but must not take its time. */
import type { FromBackground, ToBackground, TombstonesSnapshot } from '../../shared/messages.js';
import { isKeeperError, toWire } from '../../shared/portable/errors.js';
import type { SharedState } from '../../shared/ring/layout.js';
import { type Storage, storageError } from '../../shared/storage.js';
import { writeBase } from './base-writer.js';
import { commitCheckpoint, writeCheckpoint } from './checkpoint-writer.js';
import { makeNextSegment } from './next-segment.js';
import { TombstoneWriter } from './tombstone-writer.js';
import { Workspace } from './workspace.js';

type Failure = 'checkpoint-failed' | 'tombstones-failed' | 'base-failed';

export class Background {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #state: SharedState;
  readonly #post: (message: FromBackground) => void;
  readonly #tombstones: TombstoneWriter;
  #workspace: Workspace | undefined;

  constructor(storage: Storage, dir: string, state: SharedState, post: (message: FromBackground) => void) {
    this.#storage = storage;
    this.#dir = dir;
    this.#state = state;
    this.#post = post;
    this.#tombstones = new TombstoneWriter(storage, dir);
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
          await this.#writeTombstones(message.tombstones);
          commitCheckpoint(this.#storage, this.#dir);
          this.#post({ kind: 'checkpoint-committed' });
        });
        return true;
      case 'write-tombstones':
        await this.#try('tombstones-failed', async () => {
          await this.#writeTombstones(message.snapshot);
          this.#post({ kind: 'tombstones-written' });
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

  async #writeTombstones(snapshot: TombstonesSnapshot | undefined): Promise<void> {
    if (snapshot !== undefined) this.#tombstones.write(await this.#room(snapshot.storeId), snapshot);
  }

  async #room(storeId: Uint8Array): Promise<Workspace> {
    this.#workspace ??= await Workspace.create(storeId);
    return this.#workspace;
  }

  async #try(failure: Failure, work: () => Promise<void>): Promise<void> {
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
