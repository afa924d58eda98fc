/**
 * The writer: the only one that writes to the log. A turn drains what the ring holds into one frame, writes it, syncs
 * it, publishes it as durable and tells the caller's thread. There is no timer: a group commit is what arrived while the
 * last sync ran.
 */

import { makeDirDurable } from '../../shared/directories.js';
import { recordSeed } from '../../shared/format/checksum.js';
import { MANIFEST_FILE } from '../../shared/format/file-names.js';
import type { Channel, FromWriter, LogCut, Opened, ToWriter } from '../../shared/messages.js';
import { KeeperError, toWire } from '../../shared/portable/errors.js';
import { RingConsumer } from '../../shared/ring/consumer.js';
import { MODE, type SharedState, WORD } from '../../shared/ring/layout.js';
import { isOutOfSpace, type Storage, storageError } from '../../shared/storage.js';
import { type Group, takeGroup } from './group.js';
import type { LogFile } from './log-file.js';
import { CurrentManifest } from './manifest-edit.js';
import { recover } from './recovery.js';
import { firstLogFile, Rotation, type SegmentLimits } from './rotation.js';
import { Signals } from './signals.js';
import { WatermarkFile } from './watermark-file.js';

export interface WriterOptions extends SegmentLimits {
  readonly nodeId: string | undefined;
  /** What follows this sequence is read again, to know heads and keys. */
  readonly replayFrom: number;
}

/** How long the writer sleeps at most: with an unsynced watermark, while it probes for space; else until it is woken. */
const SLEEP_MS = { unsynced: 100, probing: 250 } as const;

/** Space that must be there before writes resume. Unit: bytes. */
const PROBE_BYTES = 256 * 1024;

export class Writer {
  readonly #storage: Storage;
  readonly #options: WriterOptions;
  readonly #state: SharedState;
  readonly #port: Channel<FromWriter, ToWriter>;
  readonly #ring: RingConsumer;
  readonly #signals: Signals;
  readonly #onBegun: (segment: number) => void;
  #log!: LogFile;
  #rotation!: Rotation;
  #watermark!: WatermarkFile;
  #manifest!: CurrentManifest;
  #seed = 0;
  #durable = 0;
  #timestampNs = 0n;
  #controlSeen = 0;
  #failure: KeeperError | undefined;
  /** In suspension: whether the caller has given up what was not durable. */
  #rolledBack = false;
  /** @param onBegun tells the background thread that a segment has its first durable frame */
  constructor(
    storage: Storage,
    options: WriterOptions,
    state: SharedState,
    port: Channel<FromWriter, ToWriter>,
    onBegun: (segment: number) => void,
  ) {
    this.#storage = storage;
    this.#options = options;
    this.#state = state;
    this.#port = port;
    this.#ring = new RingConsumer(state);
    this.#signals = new Signals(state, (message) => port.post(message));
    this.#onBegun = onBegun;
  }

  /** Recover the directory and begin. Posts `opened`, or `refused`. */
  async open(): Promise<void> {
    const { dir, nodeId, replayFrom } = this.#options;
    const began = performance.now();
    try {
      if (!this.#storage.exists(dir)) makeDirDurable(this.#storage, dir);
      const recovered = await recover(this.#storage, dir, nodeId, replayFrom);
      const { found, manifest, report } = recovered;
      this.#manifest = new CurrentManifest(this.#storage, dir, manifest);
      this.#seed = recordSeed(found.storeId);
      this.#durable = found.active?.lastSequence ?? 0;
      this.#timestampNs = found.active?.lastTimestampNs ?? 0n;
      this.#log = firstLogFile(this.#storage, dir, recovered, this.#options.segmentBytes);
      this.#rotation = new Rotation(this.#storage, this.#options, recovered, this.#state, this.#signals);
      this.#watermark = WatermarkFile.open(this.#storage, dir, found.hasher, found.watermark?.turn ?? 0);
      this.#markDurable(false);
      this.#watermark.sync();
      this.#signals.endsAt(this.#log.number, this.#log.endOffset);
      if (!this.#log.empty) this.#onBegun(this.#log.number);
      this.#signals.setMode(MODE.running, {
        kind: 'opened',
        lastSequence: manifest.durableUpTo,
        lastTimestampNs: this.#timestampNs,
        recovery: { ...report, tookMs: performance.now() - began },
      } satisfies Opened);
    } catch (error) {
      this.#signals.setMode(MODE.closed, { kind: 'refused', error: toWire(asKeeperError(error)) });
    }
  }

  /** Take turns until the store is closed. */
  run(): void {
    while (this.#signals.mode !== MODE.closed) {
      const signal = Atomics.load(this.#state.words, WORD.signal);
      if (this.turn()) continue;
      if (Atomics.wait(this.#state.words, WORD.signal, signal, this.#sleepMs()) === 'timed-out') this.idle();
    }
  }

  /** Do what there is to do. Returns whether there was anything. */
  turn(): boolean {
    this.#signals.beat();
    if (Atomics.load(this.#state.words, WORD.control) !== this.#controlSeen) {
      this.#controlSeen = Atomics.load(this.#state.words, WORD.control);
      for (let message = this.#port.receive(); message !== undefined; message = this.#port.receive()) {
        this.#obey(message);
      }
      return true;
    }
    if (this.#signals.mode !== MODE.running) return false;
    const group = takeGroup(this.#ring, this.#seed);
    if (group !== undefined) this.#signals.inSystemCalls(() => this.#commit(group));
    return group !== undefined;
  }

  /** Nothing has come for a while: have the watermark synced, or see whether there is space again. */
  idle(): void {
    if (this.#signals.mode === MODE.running) this.#syncWatermark();
    else if (this.#signals.mode === MODE.suspended && this.#rolledBack)
      this.#signals.inSystemCalls(() => this.#probe());
  }

  /** One group commit, from the ring to the acknowledgement. */
  #commit(group: Group): void {
    try {
      if (group.hasTombstone) this.#manifest.announceTombstones(group.firstSequence, this.#end);
      this.#log = this.#rotation.fileFor(group, this.#log, this.#durable, this.#timestampNs);
      this.#log.write(group, { epoch: this.#manifest.epoch, durableUpTo: this.#durable });
    } catch (error) {
      this.#failWrite(asKeeperError(error));
      return;
    }
    this.#signals.written(group.end.position);
    const begins = this.#log.empty;
    try {
      this.#log.sync();
    } catch (error) {
      // Never synced again: after a failed fdatasync the kernel may call pages clean that the disk never got.
      this.#fail(asKeeperError(error));
      return;
    }
    this.#durable = group.lastSequence;
    this.#timestampNs = group.lastTimestampNs;
    this.#signals.endsAt(this.#log.number, this.#log.endOffset);
    this.#signals.durable(group.end.position);
    if (begins) this.#onBegun(this.#log.number);
    this.#markProgress();
  }

  /** What the manifest is to say of the log's end. */
  get #end(): { durableUpTo: number; lastSegment: number } {
    return { durableUpTo: this.#durable, lastSegment: this.#log.number - (this.#log.empty ? 1 : 0) };
  }

  /** Note in the watermark what is durable. */
  #markProgress(): void {
    try {
      this.#markDurable(false);
    } catch (error) {
      const failure = asKeeperError(error);
      // It only narrows what recovery has to guess. Where a file system writes every block anew, a full disk meets it too.
      if (!isOutOfSpace(failure)) this.#fail(failure);
    }
  }

  #failWrite(error: KeeperError): void {
    if (!isOutOfSpace(error)) {
      this.#fail(error);
      return;
    }
    try {
      this.#log.cutBack();
    } catch (cut) {
      this.#fail(asKeeperError(cut));
      return;
    }
    this.#rolledBack = false;
    this.#signals.setMode(MODE.suspended, { kind: 'suspended', error: toWire(error) });
  }

  /** In suspension: see whether there is space again. */
  #probe(): void {
    try {
      if (!this.#log.probe(PROBE_BYTES)) return;
    } catch (error) {
      this.#fail(asKeeperError(error));
      return;
    }
    this.#signals.setMode(MODE.running, { kind: 'resumed' });
  }

  /** Final: nothing will be written any more. */
  #fail(error: KeeperError): void {
    this.#failure = error;
    this.#signals.setMode(MODE.failed, { kind: 'failed', error: toWire(error) });
  }

  #obey(message: ToWriter): void {
    switch (message.kind) {
      case 'rolled-back':
        this.#ring.moveTo(message.place);
        this.#rolledBack = true;
        return;
      case 'prune':
        return this.#answer('prune-failed', () => this.#prune(message.cut));
      case 'rotate':
        return this.#answer('rotate-failed', () => this.#rotate(message.segment));
      case 'close':
        return this.#close();
      default:
        throw new Error(`unknown message: ${JSON.stringify(message satisfies never)}`);
    }
  }

  /** Somebody waits for it. */
  #answer(failed: 'prune-failed' | 'rotate-failed', work: () => FromWriter): void {
    try {
      if (this.#failure !== undefined) throw this.#failure;
      this.#signals.inSystemCalls(() => this.#port.post(work()));
    } catch (error) {
      const failure = asKeeperError(error);
      // The log alone cannot go on then.
      if (failed === 'rotate-failed') this.#fail(failure);
      this.#port.post({ kind: failed, error: toWire(failure) });
    }
  }

  /** Retention: the log begins later from now on. Where there is no space for the log, there may be some for this. */
  #prune(cut: LogCut): FromWriter {
    this.#manifest.cutLog(cut, this.#end);
    return { kind: 'pruned' };
  }

  /** Compaction: readers take the log to go on behind a segment once there is a durable header of another one. */
  #rotate(segment: number): FromWriter {
    if (this.#signals.mode !== MODE.running) return { kind: 'rotated', isDone: false };
    if (this.#log.number === segment) this.#log = this.#rotation.next(this.#log, this.#durable, this.#timestampNs);
    const isDone = this.#log.number > segment && this.#log.begin();
    if (isDone) {
      this.#signals.endsAt(this.#log.number, this.#log.endOffset);
      this.#markProgress();
    }
    return { kind: 'rotated', isDone };
  }

  #close(): void {
    while (this.#signals.mode === MODE.running) {
      const group = takeGroup(this.#ring, this.#seed);
      if (group === undefined) break;
      this.#commit(group);
    }
    let clean = false;
    try {
      if (this.#signals.mode === MODE.running) {
        this.#markDurable(true);
        this.#watermark.sync();
        clean = true;
      }
    } catch (error) {
      this.#fail(asKeeperError(error));
    }
    this.#watermark.close();
    this.#log.close();
    this.#signals.setMode(MODE.closed, { kind: 'closed', clean });
  }

  #markDurable(clean: boolean): void {
    const { number: segment, endOffset } = this.#log;
    this.#watermark.write({ epoch: this.#manifest.epoch, sequence: this.#durable, segment, endOffset, clean });
  }

  #syncWatermark(): void {
    if (this.#watermark.synced) return;
    try {
      this.#signals.inSystemCalls(() => this.#watermark.sync());
    } catch (error) {
      this.#fail(asKeeperError(error));
    }
  }

  #sleepMs(): number {
    if (this.#signals.mode === MODE.suspended) return SLEEP_MS.probing;
    return this.#watermark.synced ? Number.POSITIVE_INFINITY : SLEEP_MS.unsynced;
  }
}

function asKeeperError(error: unknown): KeeperError {
  return error instanceof KeeperError ? error : storageError(error, 'unknown', MANIFEST_FILE);
}
