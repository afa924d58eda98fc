/** A store that is open for writing: the parts wired together, its modes, and its end. */
import type { FromBackground, FromWriter, Opened } from '../shared/messages.js';
import { fromWire, type KeeperError, type Outcome, type WireError } from '../shared/portable/errors.js';
import { type SharedState, WORD } from '../shared/ring/layout.js';
import type { RingProducer } from '../shared/ring/producer.js';
import { Appender } from './append/appender.js';
import type { CurrentBase } from './append/base-file.js';
import { Conditions } from './append/conditions.js';
import { Duplicates } from './append/duplicates.js';
import type { Heads } from './append/heads.js';
import type { StoredHead } from './append/heads-file.js';
import type { Keys } from './append/keys.js';
import { Pending } from './append/pending.js';
import { Sequencer } from './append/sequencer.js';
import { Checkpoints } from './checkpoints.js';
import type { Compaction } from './compact.js';
import type { Deletions } from './deletions.js';
import { lastDurable } from './last-durable.js';
import type { Pruning } from './prune.js';
import type { Records } from './read/records.js';
import type { TailCache } from './read/tail-cache.js';
import { reportOpening } from './report-opening.js';
import type { Retention } from './retention.js';
import type { Rotating } from './rotating.js';
import type { Engine } from './runtime.js';
import type { Auditor } from './seal/auditor.js';
import type { Sealer } from './seal/sealer.js';
import { closedError, suspendedError, writerDied } from './store-errors.js';
import { StoreNotes } from './store-notes.js';
import { rotateChannel } from './telemetry/channels.js';
import type { OperatorLog } from './telemetry/operator-log.js';
import { withResolvers } from './with-resolvers.js';
import type { StoreIdentity, WritingStoreParts } from './writing-store-parts.js';

export type StoreMode = 'open' | 'suspended' | 'failed' | 'closing' | 'closed';

export class WritingStore {
  readonly identity: StoreIdentity;
  readonly opened: Opened;
  readonly appender: Appender;
  readonly records: Records;
  readonly heads: Heads;
  readonly keys: Keys;
  readonly pending: Pending;
  readonly tail: TailCache;
  readonly ring: RingProducer;
  readonly sequencer: Sequencer;
  readonly sealer: Sealer;
  readonly compaction: Compaction;
  readonly auditor: Auditor;
  readonly retention: Retention;
  readonly deletions: Deletions;
  readonly #pruning: Pruning;
  readonly #rotating: Rotating;
  readonly #base: CurrentBase;
  readonly #engine: Engine;
  readonly #log: OperatorLog;
  readonly #checkpoints: Checkpoints;
  readonly #notes: StoreNotes;
  readonly #state: SharedState;
  /** Whether the writer has marked the end as clean. */
  readonly #closed = withResolvers<boolean>();
  /** Whether the writer has said that it is done: its end is in order then. */
  #writerClosed = false;
  readonly #backgroundClosed = withResolvers<void>();
  readonly #dir: string;
  /** The newest segment that was told of. */
  #segment: number;
  readonly #replayedFrom: number;
  readonly #sealsByItself: boolean;
  #mode: StoreMode = 'open';
  #failure: KeeperError | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: WritingStoreParts) {
    const { settings, engine, opened, heads, keys } = parts;
    const { nodeId, storeId } = parts.identity;
    this.identity = parts.identity;
    this.opened = opened;
    this.ring = parts.ring;
    this.records = parts.records;
    this.tail = parts.tail;
    this.heads = heads;
    this.keys = keys;
    this.pending = new Pending();
    this.#engine = engine;
    this.#log = parts.log;
    this.#replayedFrom = parts.table.sequence;
    this.#state = parts.ring.state;
    const ringMemory = { bytes: this.#state.ring, view: this.#state.view };
    const duplicates = new Duplicates(keys, this.pending, ringMemory, parts.original, nodeId);
    const checks = { duplicates, conditions: new Conditions(this.pending, ringMemory) };
    this.sequencer = new Sequencer(this.ring, parts.clock, keys, checks, opened.lastSequence);
    const { ring, sequencer, pending, tail } = this;
    this.appender = new Appender(
      { settings, nodeId, ring, heads, sequencer, pending, tail, link: engine.link },
      opened.lastSequence,
    );
    this.#notes = new StoreNotes(this.appender, this.#log);
    this.deletions = parts.deletions;
    this.#checkpoints = new Checkpoints(
      {
        storeId: Buffer.from(storeId, 'hex'),
        heads,
        keys,
        accepted: () => this.sequencer.lastSequence,
        durable: () => this.appender.durable,
        segment: () => this.#newestSegment,
        post: (message) => engine.postBackground(message),
        tombstones: () => this.deletions.snapshot(),
        openFile: parts.openHeadsFile,
        onFailure: (error) => this.#log.checkpointFailed(error as Error | WireError),
      },
      parts.table,
    );
    this.#base = parts.base;
    this.#rotating = parts.rotating;
    this.#pruning = parts.makePruning(() => this.#leaveBase());
    this.retention = parts.makeRetention(this.#pruning);
    this.#dir = settings.dir;
    this.#sealsByItself = settings.sealing === 'background';
    this.sealer = parts.sealer;
    this.compaction = parts.compaction;
    this.auditor = parts.auditor;
    this.#segment = this.#newestSegment;
    this.appender.onDurable = () => {
      this.deletions.write();
      this.#checkpoints.onDurable();
      this.#seeRotation();
    };
    this.appender.onTombstone = (stream, sequence) => this.deletions.add(stream, sequence);
    this.appender.onDead = (why) => this.#fail(writerDied(why));
  }

  get mode(): StoreMode {
    return this.#mode;
  }

  /** The last durable event of a stream; see {@link lastDurable}. */
  lastDurableOf(stream: string, durable: number): StoredHead {
    return lastDurable(this.heads.peek(stream), this.pending, stream, durable);
  }

  /** Drain, sync, mark the end, release. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  onWriter(message: FromWriter): void {
    switch (message.kind) {
      case 'progress':
        Atomics.store(this.#state.words, WORD.notified, 0);
        this.appender.settle();
        return;
      case 'suspended':
        this.#suspend(fromWire(message.error));
        return;
      case 'resumed':
        this.#resume();
        return;
      case 'failed':
        this.#fail(fromWire(message.error));
        return;
      case 'closed':
        this.#writerClosed = true;
        this.#closed.resolve(message.clean);
        return;
      case 'log':
        this.#log.relay(message);
        return;
      case 'pruned':
      case 'prune-failed':
        this.#pruning.onWriter(message);
        return;
      case 'rotated':
      case 'rotate-failed':
        this.#seeRotation();
        this.#rotating.onWriter(message);
        return;
      case 'opened':
      case 'refused':
        throw new Error(`the writer said ${message.kind} again`);
      default:
        throw new Error(`unknown message: ${JSON.stringify(message satisfies never)}`);
    }
  }

  onBackground(message: FromBackground): void {
    if (message.kind === 'log') this.#log.relay(message);
    else if (message.kind === 'closed') this.#backgroundClosed.resolve();
    else if (message.kind === 'base-written' || message.kind === 'base-failed') this.#pruning.onBackground(message);
    else if (message.kind === 'tombstones-written' || message.kind === 'tombstones-failed')
      this.deletions.onBackground(message);
    else this.#checkpoints.onMessage(message);
  }

  onExit(part: 'writer' | 'background', error: Error | undefined): void {
    if (part === 'background') {
      this.#backgroundClosed.resolve();
      const ended = error ?? new Error('the background thread has ended');
      this.#checkpoints.end(ended);
      this.deletions.end(ended);
      this.#pruning.onExit('background', ended);
      if (this.#closing !== undefined) return;
      this.#log.backgroundEnded(error);
      return;
    }
    const died = writerDied(error?.message ?? 'the writer thread has ended', error);
    this.#pruning.onExit('writer', died);
    this.#rotating.onExit(died);
    if (!this.#writerClosed) this.#fail(died);
    this.#closed.resolve(false);
  }

  async #close(): Promise<void> {
    this.#log.closing();
    if (this.#mode === 'open' || this.#mode === 'suspended') this.#mode = 'closing';
    this.appender.setGate(() => closedError());
    await this.appender.whenIdle();
    await this.deletions.whenIdle();
    if (this.#failure === undefined) await this.#checkpoints.finish();
    // Together: retention may wait for the tree to grow, which ends with the slice under way.
    await Promise.all([this.retention.close(), this.auditor.close()]);
    await this.sealer.close();
    this.#engine.link.hold(true);
    this.#engine.link.post({ kind: 'close' });
    this.#engine.postBackground({ kind: 'close' });
    const [clean] = await Promise.all([this.#closed.promise, this.#backgroundClosed.promise]);
    this.#mode = 'closed';
    this.heads.close();
    this.#base.close();
    this.records.catalog.close();
    await this.#engine.release();
    this.#log.closed(this.appender.durable, clean);
  }

  /** The disk is full. What is not durable is given up; reads go on. */
  #suspend(cause: KeeperError): void {
    if (this.#mode === 'open') this.#mode = 'suspended';
    const why = (): KeeperError => suspendedError(cause);
    if (this.#mode === 'suspended') this.appender.setGate(why);
    const appends = this.appender.rollBack(why);
    this.#checkpoints.onRollBack();
    this.#log.suspended(cause, this.appender.durable, appends);
    this.#engine.link.post({ kind: 'rolled-back', place: this.ring.head });
  }

  #resume(): void {
    if (this.#mode !== 'suspended') return;
    this.#mode = 'open';
    this.appender.setGate(undefined);
    this.#log.resumed(this.appender.durable);
    void this.#notes.add('WritesResumed', { durable: this.appender.durable });
  }

  #fail(cause: KeeperError): void {
    if (this.#failure !== undefined) return;
    this.#failure = cause;
    if (this.#mode === 'open' || this.#mode === 'suspended') this.#mode = 'failed';
    const why = (outcome: Outcome): KeeperError => cause.withOutcome(outcome);
    this.appender.setGate(() => why('not-appended'));
    const appends = this.appender.failAll(why);
    this.#log.failed(cause, this.appender.durable, appends);
  }

  /** It is told that the store is open, and what goes on by itself begins. */
  begin(): void {
    const fields = { ...this.identity, segments: this.records.catalog.segments.length };
    reportOpening(this.#dir, this.#log, this.#notes, this.opened, fields, this.#replayedFrom);
    this.#tidySoon();
    this.deletions.begin();
  }

  get #newestSegment(): number {
    return Atomics.load(this.#state.words, WORD.segment);
  }

  #seeRotation(): void {
    const segment = this.#newestSegment;
    if (segment === this.#segment) return;
    this.#segment = segment;
    this.#tidySoon();
    this.#log.rotated(segment, this.appender.durable);
    if (rotateChannel.hasSubscribers) rotateChannel.publish({ dir: this.#dir, segment });
  }

  /** A segment is full. */
  #tidySoon(): void {
    if (this.#sealsByItself) this.sealer.sealSoon((error) => this.#log.sealingFailed(error));
    this.retention.soon();
  }

  async #leaveBase(): Promise<void> {
    if (!this.#checkpoints.isMade) await this.#checkpoints.finish();
    if (!this.#checkpoints.isMade) throw new Error('there is no checkpoint of stream heads');
  }
}
