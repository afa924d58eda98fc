/**
 * Deleted streams: their tombstones come into force when they are durable, and then into their file, which the background thread
 * writes. Those that come together, or while it is being written, come into it together.
 */
import type { FromBackground, ToBackground, TombstonesSnapshot } from '../shared/messages.js';
import { aborted, fromWire, KeeperError } from '../shared/portable/errors.js';
import { isFailedSync } from '../shared/storage.js';
import type { Tombstones } from './read/tombstones.js';
import type { TombstonesTaken } from './take-tombstones.js';
import { withResolvers } from './with-resolvers.js';

export interface DeletionsParts {
  readonly storeId: Uint8Array;
  readonly tombstones: Tombstones;
  /** Their file, as it was when the store was opened. */
  readonly found: TombstonesTaken;
  /** The last durable sequence. */
  durable(): number;
  /** Below it there is nothing any more, nor will there be after a crash. */
  keptFrom(): number;
  post(message: ToBackground): void;
  onFailure(error: Error): void;
}

/** Who waits until a tombstone is in the file. */
interface Waiter {
  readonly sequence: number;
  done(error: KeeperError | undefined): void;
}

export class Deletions {
  readonly #parts: DeletionsParts;
  #isFiled: boolean;
  /** Up to which sequence the file that is being written speaks; undefined where none is. */
  #writing: number | undefined;
  /** Up to which one it did when it was written last. */
  #written = 0;
  /** Whether there are some that no file has, nor will have by what is under way. */
  #isDue = false;
  #waiters: Waiter[] = [];
  #onIdle: (() => void)[] = [];
  /** Why it could not be written last, and up to where it was to speak. It is tried again with what comes next. */
  #failure: { readonly error: KeeperError; readonly upTo: number } | undefined;
  /** Why it cannot be written any more. */
  #ended: KeeperError | undefined;

  constructor(parts: DeletionsParts) {
    this.#parts = parts;
    this.#isFiled = parts.found.isFiled;
  }

  /** Have the file made anew where it is not what it should be: who only reads goes by it. */
  begin(): void {
    const { found, tombstones } = this.#parts;
    if (found.isFiled && (found.lost !== undefined || tombstones.newest > found.newest)) this.write(true);
  }

  /** @throws where a deletion could not be kept: nothing is to be appended then */
  check(): void {
    if (this.#ended !== undefined) throw this.#ended.withOutcome('not-appended');
  }

  /** A tombstone is durable: it is in force. */
  add(stream: string, sequence: number): void {
    this.#parts.tombstones.add(stream, sequence);
    this.#isFiled = true;
    this.#isDue = true;
  }

  /** The durable watermark has moved. */
  write(isDue = this.#isDue): void {
    this.#isDue = isDue;
    if (!isDue || this.#writing !== undefined || this.#ended !== undefined) return;
    const snapshot = this.snapshot()!;
    this.#isDue = false;
    this.#writing = snapshot.sequence;
    this.#parts.post({ kind: 'write-tombstones', snapshot });
  }

  /** All that are in force; undefined where there never was one. */
  snapshot(): TombstonesSnapshot | undefined {
    if (!this.#isFiled) return undefined;
    const { tombstones, storeId, durable, keptFrom } = this.#parts;
    tombstones.dropBelow(keptFrom());
    return { storeId, sequence: durable(), tombstones: tombstones.pack() };
  }

  /**
   * Resolves when a durable tombstone is in the file.
   * @throws ERR_STORAGE where it could not be written, ERR_ABORTED; each with the outcome `'unknown'`
   */
  written(sequence: number, signal: AbortSignal | undefined): Promise<void> {
    if (sequence <= this.#written) return Promise.resolve();
    const failed =
      this.#writing === undefined && sequence <= (this.#failure?.upTo ?? 0) ? this.#failure?.error : undefined;
    const failure = this.#ended ?? failed;
    if (failure !== undefined) return Promise.reject(failure.withOutcome('unknown'));
    const { promise, resolve, reject } = withResolvers<void>();
    const onAbort = (): void => reject(aborted(signal!, 'the deletion', 'unknown'));
    signal?.addEventListener('abort', onAbort, { once: true });
    const done = (error: KeeperError | undefined): void => {
      signal?.removeEventListener('abort', onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    this.#waiters.push({ sequence, done });
    return promise;
  }

  onBackground(message: FromBackground): void {
    if (message.kind === 'tombstones-written') {
      this.#written = this.#writing ?? this.#written;
      this.#failure = undefined;
      this.#settle(undefined);
      this.write();
    } else if (message.kind === 'tombstones-failed') {
      const error = fromWire(message.error);
      if (isFailedSync(error)) this.#ended = error;
      // What is tried again and again is told once.
      if (this.#failure === undefined) this.#parts.onFailure(error);
      this.#failure = { error, upTo: this.#writing ?? 0 };
      this.#isDue = true;
      this.#settle(error.withOutcome('unknown'));
      // Those that came meanwhile are told of an attempt of their own.
      if (this.#waiters.length > 0) this.write();
    }
    this.#rest();
  }

  /** Nobody is there any more who would write. */
  end(error: Error): void {
    this.#ended = new KeeperError('ERR_STORAGE', `deleted streams cannot be kept in their file: ${error.message}`, {
      errno: 'EPIPE',
      syscall: 'worker',
      cause: error,
      hint: 'Close the store and open it again.',
    });
    this.#writing = this.#parts.durable();
    this.#settle(this.#ended.withOutcome('unknown'));
    this.#rest();
  }

  /** Resolves when nothing is being written any more. */
  whenIdle(): Promise<void> {
    if (this.#writing === undefined) return Promise.resolve();
    return new Promise((resolve) => this.#onIdle.push(resolve));
  }

  /** What was being written is, or is not. */
  #settle(error: KeeperError | undefined): void {
    const upTo = this.#writing;
    if (upTo === undefined) return;
    this.#writing = undefined;
    const told = this.#waiters.filter(({ sequence }) => sequence <= upTo);
    this.#waiters = this.#waiters.filter(({ sequence }) => sequence > upTo);
    for (const waiter of told) waiter.done(error);
  }

  #rest(): void {
    if (this.#writing !== undefined) return;
    const listeners = this.#onIdle;
    this.#onIdle = [];
    for (const listener of listeners) listener();
  }
}
