/** What runs the engine's parts: worker threads; in tests of crashes, the caller's own thread over a recorded disk. */
import { MessageChannel, Worker } from 'node:worker_threads';
import type { CopyJob, CopyReports } from '../shared/backup-jobs.js';
import type { BackgroundData, FromBackground, FromWriter, ToBackground, WriterData } from '../shared/messages.js';
import { attachShared, type SharedBuffers } from '../shared/ring/layout.js';
import { nodeStorage, type Storage } from '../shared/storage.js';
import { ThreadLink, type WriterLink } from './append/writer-link.js';
import { type CopyControl, copyInThread } from './copy-thread.js';
import { type Lock, lockDirectory } from './lock.js';
import { type Pool, threadPool } from './seal/pool.js';

/** What the parts are started with. */
export interface EngineOptions {
  readonly dir: string;
  readonly nodeId: string | undefined;
  readonly segmentBytes: number;
  readonly segmentAgeMs: number;
  /** What follows this sequence is read again, to know heads and keys. */
  readonly replayFrom: number;
}

/** What they tell. */
export interface EngineEvents {
  onWriter(message: FromWriter): void;
  onBackground(message: FromBackground): void;
  /** A part has ended; its error, if it had one. */
  onExit(part: 'writer' | 'background', error: Error | undefined): void;
}

export interface Engine {
  readonly link: WriterLink;
  postBackground(message: ToBackground): void;
  /** Let go of everything. Pending work is not waited for. */
  release(): Promise<void>;
}

export interface Runtime {
  readonly storage: Storage;
  lock(dir: string): Lock;
  start(options: EngineOptions, shared: SharedBuffers, events: EngineEvents): Engine;
  /** @param threads at most */
  pool(threads: number): Pool;
  /** Do a job of copying beside everything else. @throws what it throws; ERR_ABORTED where it was ended */
  copy<K extends CopyJob['kind']>(job: Extract<CopyJob, { kind: K }>, control: CopyControl): Promise<CopyReports[K]>;
}

/**
 * What the threads make is garbage at once: places of these sizes are enough for it, and resident memory grows no further.
 * The writer's is larger, for each collection delays a commit.
 */
const WRITER_LIMITS = { maxYoungGenerationSizeMb: 12 } as const;
const BACKGROUND_LIMITS = { maxYoungGenerationSizeMb: 3 } as const;

/** Worker threads over this machine's file system. */
export const threadRuntime: Runtime = {
  storage: nodeStorage,
  lock: (dir) => lockDirectory(dir),
  copy: (job, control) => copyInThread(new URL('../workers/backup/thread.js', import.meta.url), job, control),
  pool: (threads) => threadPool(new URL('../workers/seal/thread.js', import.meta.url), threads),
  start(options, shared, events) {
    // The threads run files of this package: options of the caller's program, such as --input-type, are not for them.
    const execArgv: string[] = [];
    const control = new MessageChannel();
    const segments = new MessageChannel();
    const writerData: WriterData = { ...options, shared, control: control.port2, background: segments.port1 };
    const writer = new Worker(new URL('../workers/writer/thread.js', import.meta.url), {
      name: 'keeperlog writer',
      execArgv,
      resourceLimits: WRITER_LIMITS,
      workerData: writerData,
      transferList: [control.port2, segments.port1],
    });
    const backgroundData: BackgroundData = { dir: options.dir, shared, writer: segments.port2 };
    const background = new Worker(new URL('../workers/background/thread.js', import.meta.url), {
      name: 'keeperlog background',
      execArgv,
      resourceLimits: BACKGROUND_LIMITS,
      workerData: backgroundData,
      transferList: [segments.port2],
    });
    let failure: Error | undefined;
    background.on('error', (error) => {
      failure = error;
    });
    let ended = false;
    const exited = new Promise<void>((resolve) => {
      background.on('exit', () => {
        ended = true;
        events.onExit('background', failure);
        resolve();
      });
    });
    // Not terminated: a thread that still loads its modules then, as in an opening that is refused, leaves their files open.
    const endBackground = async (): Promise<void> => {
      if (ended) return;
      background.ref();
      background.postMessage({ kind: 'close' } satisfies ToBackground);
      await exited;
    };
    // Messages to it that have no answer yet: each gets one.
    let asked = 0;
    background.on('message', (message: FromBackground) => {
      if (message.kind !== 'log' && --asked === 0) background.unref();
      events.onBackground(message);
    });
    background.unref(); // after listening, which would keep Node alive again
    const link = new ThreadLink(
      attachShared(shared),
      writer,
      control.port1,
      (message) => events.onWriter(message),
      (error) => events.onExit('writer', error),
    );
    return {
      link,
      postBackground: (message) => {
        if (ended) return; // its end was told, and ends what waits for an answer
        // Someone waits for the answer: keep Node alive until it is here.
        asked++;
        background.ref();
        background.postMessage(message);
      },
      async release() {
        await Promise.all([link.release(), endBackground()]);
      },
    };
  },
};
