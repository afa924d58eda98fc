/** The background thread's work: what helps the writer but must not take its time. */
import type { FromBackground, ToBackground } from '../../shared/messages.js';
import { isKeeperError, toWire } from '../../shared/portable/errors.js';
import type { SharedState } from '../../shared/ring/layout.js';
import { type Storage, storageError } from '../../shared/storage.js';
import { commitCheckpoint, writeCheckpoint } from './checkpoint-writer.js';
import { Filler } from './filler.js';

/** After zeros could not be written, they are left for so long. Unit: milliseconds. */
const FILL_RETRY_MS = 1000;

export class Background {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #filler: Filler;
  readonly #post: (message: FromBackground) => void;
  #fillAgainMs = 0;

  constructor(
    storage: Storage,
    options: { readonly dir: string; readonly segmentBytes: number },
    state: SharedState,
    post: (message: FromBackground) => void,
  ) {
    this.#storage = storage;
    this.#dir = options.dir;
    this.#filler = new Filler(storage, options.dir, options.segmentBytes, state);
    this.#post = post;
  }

  /** The writer's frontier has moved. */
  onFrontier(): void {
    const now = Date.now();
    if (now < this.#fillAgainMs) return;
    try {
      this.#filler.turn();
    } catch (error) {
      this.#fillAgainMs = now + FILL_RETRY_MS;
      const fields = { error: wire(error) };
      this.#post({ kind: 'log', level: 'warn', fields, message: 'the log could not be filled ahead' });
    }
  }

  /** Returns whether to go on. */
  async onMessage(message: ToBackground): Promise<boolean> {
    switch (message.kind) {
      case 'write-checkpoint':
        await this.#try(async () => {
          await writeCheckpoint(this.#storage, this.#dir, message.snapshot);
          this.#post({ kind: 'checkpoint-written' });
        });
        return true;
      case 'commit-checkpoint':
        await this.#try(async () => {
          commitCheckpoint(this.#storage, this.#dir);
          this.#post({ kind: 'checkpoint-committed' });
        });
        return true;
      case 'close':
        this.#filler.close();
        this.#post({ kind: 'closed' });
        return false;
      default:
        throw new Error(`unknown message: ${JSON.stringify(message satisfies never)}`);
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#post({ kind: 'checkpoint-failed', error: wire(error) });
    }
  }
}

function wire(error: unknown): ReturnType<typeof toWire> {
  return toWire(isKeeperError(error) ? error : storageError(error, 'unknown'));
}
