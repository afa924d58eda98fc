/**
 * The engine without threads: writer and background take turns with the caller, on the caller's own thread, in an order
 * that is the same at each run. Nothing happens by itself: without a pending operation there is no turn.
 */
import type { WriterLink } from '../../dist/main/append/writer-link.js';
import type { CopyControl } from '../../dist/main/copy-thread.js';
import type { Lock } from '../../dist/main/lock.js';
import { Turns } from '../../dist/main/read/turns.js';
import type { Engine, EngineEvents, EngineOptions, Runtime } from '../../dist/main/runtime.js';
import type { Pool } from '../../dist/main/seal/pool.js';
import type { CopyJob } from '../../dist/shared/backup-jobs.js';
import type { FromWriter, ToBackground, ToWriter } from '../../dist/shared/messages.js';
import { KeeperError } from '../../dist/shared/portable/errors.js';
import { attachShared, type SharedBuffers, type SharedState, WORD } from '../../dist/shared/ring/layout.js';
import type { SealTask } from '../../dist/shared/seal-tasks.js';
import type { Storage } from '../../dist/shared/storage.js';
import { Background } from '../../dist/workers/background/background.js';
import { runCopyJob } from '../../dist/workers/backup/run.js';
import { runSealTask } from '../../dist/workers/seal/seal.js';
import { Writer } from '../../dist/workers/writer/writer.js';
import { intercept } from './intercept.js';

// Reads that have taken long let everything else go on: when that is the case, another run would not repeat.
Turns.prototype.over = () => undefined;

/** When the background is told that a segment has begun: at once, only while the writer begins the next one, or too late. */
export type Pokes = 'at-once' | 'late' | 'never';

export class InlineRuntime implements Runtime {
  readonly storage: Storage;
  readonly #pokes: Pokes;
  #engine: InlineEngine | undefined;
  #killed = false;

  constructor(storage: Storage, pokes: Pokes = 'at-once') {
    this.storage = storage;
    this.#pokes = pokes;
  }

  lock(): Lock {
    return { release: () => undefined };
  }

  pool(): Pool {
    const run = async (task: SealTask): Promise<any> => {
      try {
        return await runSealTask(this.storage, task);
      } catch (error) {
        // A process that is dead hears of nothing.
        return this.#killed ? new Promise(() => {}) : Promise.reject(error);
      }
    };
    return { run, async close() {} };
  }

  copy(job: CopyJob, { signal, onProgress }: CopyControl): Promise<any> {
    const pause = async (): Promise<void> => {
      // What else is to be done in this thread takes its turns meanwhile.
      await new Promise(setImmediate);
      // A process that is dead does nothing more.
      if (this.#killed) await new Promise(() => {});
      if (signal.aborted) throw new KeeperError('ERR_ABORTED', 'it was asked to end');
    };
    return runCopyJob(this.storage, job, { pause, onProgress });
  }

  start(options: EngineOptions, shared: SharedBuffers, events: EngineEvents): Engine {
    this.#engine = new InlineEngine(this.storage, options, attachShared(shared), events, this.#pokes);
    return this.#engine;
  }

  /** Nothing has come for a while. */
  idle(): void {
    this.#engine?.idle();
  }

  /** The caller hears what the writer has said. */
  deliver(): void {
    this.#engine?.deliver();
  }

  /** The process is gone: no part takes another turn. */
  kill(): void {
    this.#killed = true;
    this.#engine?.kill();
  }
}

class InlineEngine implements Engine {
  readonly link: WriterLink;
  readonly writer: Writer;
  readonly #background: Background;
  readonly #events: EngineEvents;
  readonly #pokes: Pokes;
  readonly #toWriter: ToWriter[] = [];
  readonly #fromWriter: FromWriter[] = [];
  /** What the background has to do, one after the other. */
  #backgroundWork: Promise<unknown> = Promise.resolve();
  #begun: number | undefined;
  #pumping = false;
  #dead = false;

  constructor(storage: Storage, options: EngineOptions, state: SharedState, events: EngineEvents, pokes: Pokes) {
    this.#events = events;
    this.#pokes = pokes;
    this.#background = new Background(storage, options.dir, state, (message) => {
      if (!this.#dead) events.onBackground(message);
    });
    const port = {
      post: (message: FromWriter) => void this.#fromWriter.push(message),
      receive: () => this.#toWriter.shift(),
    };
    const onBegun = (segment: number): void => {
      this.#begun = segment;
      if (pokes === 'at-once') this.#runPoke();
    };
    this.writer = new Writer(this.#interrupted(storage), options, state, port, onBegun);
    this.link = {
      state,
      post: (message) => {
        this.#toWriter.push(message);
        Atomics.add(state.words, WORD.control, 1);
        this.#pumpSoon();
      },
      drain: () => void this.deliver(),
      hold: (pending) => {
        if (pending) this.#pumpSoon();
      },
      block: () => {
        const settled = Atomics.load(state.words, WORD.settled);
        // A turn may go to a message alone.
        while (this.#turn()) if (Atomics.load(state.words, WORD.settled) !== settled) return undefined;
        return 'the writer has nothing to do';
      },
      release: async () => this.kill(),
    };
    void this.#open();
  }

  postBackground(message: ToBackground): void {
    this.#backgroundWork = this.#backgroundWork.then(async () => {
      if (!this.#dead) await this.#background.onMessage(message);
    });
  }

  async release(): Promise<void> {
    this.kill();
  }

  kill(): void {
    this.#dead = true;
  }

  idle(): void {
    if (this.#dead) return;
    this.writer.idle();
    this.#pumpSoon();
  }

  async #open(): Promise<void> {
    await Promise.resolve();
    await this.writer.open();
    this.deliver();
  }

  #turn(): boolean {
    if (this.#dead) return false;
    const did = this.writer.turn();
    // What it has told may be something to do.
    return this.deliver() || did;
  }

  /** Hand the writer's messages to the store. Returns whether there was any. */
  deliver(): boolean {
    const any = this.#fromWriter.length > 0;
    for (let message = this.#fromWriter.shift(); message !== undefined; message = this.#fromWriter.shift()) {
      if (!this.#dead) this.#events.onWriter(message);
    }
    return any;
  }

  /** Take turns as long as there is something to do, each after all that follows from the one before. */
  #pumpSoon(): void {
    if (this.#pumping || this.#dead) return;
    this.#pumping = true;
    void this.#pump();
  }

  async #pump(): Promise<void> {
    do {
      await new Promise(setImmediate);
      await this.#backgroundWork;
    } while (this.#turn());
    this.#pumping = false;
  }

  #runPoke(): void {
    const begun = this.#begun;
    if (begun === undefined || this.#dead || this.#pokes === 'never') return;
    this.#begun = undefined;
    this.#background.onSegmentBegun(begun);
  }

  /** The writer's door to the disk: a late poke is served while a segment's file is made, or its first frame written. */
  #interrupted(storage: Storage): Storage {
    const write: Storage['write'] = (handle, parts, offset) => {
      if (offset === 0 && parts.length > 1) this.#runPoke();
      return storage.write(handle, parts, offset);
    };
    const syncDir: Storage['syncDir'] = (dir) => {
      this.#runPoke();
      storage.syncDir(dir);
    };
    return intercept(storage, { write, syncDir });
  }
}
