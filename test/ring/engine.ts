/** The store's end and the writer's end of the ring, real, over a disk that is none, as the threads of a world. */
import { Clock } from '../../dist/main/append/clock.js';
import { Heads } from '../../dist/main/append/heads.js';
import { Keys } from '../../dist/main/append/keys.js';
import { appendInput } from '../../dist/main/append-inputs.js';
import { TailCache } from '../../dist/main/read/tail-cache.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { parseOptions } from '../../dist/shared/options.js';
import { allocateShared, attachShared, POSITION, WORD } from '../../dist/shared/ring/layout.js';
import { STORE } from '../support/bytes.js';
import { loadCoroutines, type Mutation, type Steps } from './coroutines.js';
import { type Disk, Log, Watermark } from './log.js';
import { type ThreadName, Violation, World } from './world.js';

/** One segment takes everything. */
class NoRotation {
  fileFor<L>(_group: unknown, log: L): L {
    return log;
  }
}

/** What the threads go by; everything else is called as it is. */
const MODULES = [
  'shared/ring/layout.js',
  'shared/ring/producer.js',
  'shared/ring/consumer.js',
  'workers/writer/group.js',
  'workers/writer/signals.js',
  'workers/writer/writer.js',
  'main/append/writer-link.js',
  'main/append/publisher.js',
  'main/append/pending.js',
  'main/append/results.js',
  'main/append/admission.js',
  'main/append/appender.js',
  'main/writing-store.js',
];

/** The world that is being made or run: there is one at a time. */
let world: World;
let engine: Engine;

const OPENING: Mutation[] = [
  // The disk of these worlds answers at once.
  { module: 'workers/writer/writer.js', from: 'async open()', to: 'open()' },
  { module: 'workers/writer/writer.js', from: 'await recover(', to: 'recover(' },
  // What it posts is a step.
  { module: 'workers/writer/writer.js', from: '(message) => port.post(message)', to: 'port.post$' },
  // In these small rings as well an empty one begins anew.
  { module: 'shared/ring/producer.js', from: '= 256 * 1024', to: '= 128' },
];

export type Code = Readonly<Record<string, any>>;

export function loadEngine(mutations: readonly Mutation[] = []): Promise<Code> {
  const nothing = { tornBytes: 0, tornFile: undefined, rewrittenBytes: 0, clean: true };
  const fakes = {
    'node:worker_threads': {
      receiveMessageOnPort: () => undefined,
      *receiveMessageOnPort$(): Steps {
        const message = yield ['receive'];
        return message === undefined ? undefined : { message };
      },
    },
    'shared/thread-life.js': { threadHasEnded: (thread: number) => thread !== 0 && world.thread('writer').dead },
    'workers/writer/recovery.js': {
      recover: () => ({ manifest: { epoch: 1, durableUpTo: 0 }, found: { storeId: STORE }, report: nothing }),
    },
    'workers/writer/rotation.js': { firstLogFile: () => engine.log, Rotation: NoRotation },
    'workers/writer/watermark-file.js': { WatermarkFile: { open: () => new Watermark() } },
  };
  const globals = {
    Atomics: new Proxy({}, { get: (_, name) => Reflect.get(world.atomics, name) }),
    performance: { now: () => world.nowMs },
    Date: { now: () => 1_700_000_000_000 },
    queueMicrotask: (call: () => unknown) => void engine.microtasks.push(call),
  };
  return loadCoroutines(MODULES, fakes, globals, [...OPENING, ...mutations]);
}

const nameHasher = await NameHasher.create(Buffer.alloc(32));
const SILENT: any = new Proxy({}, { get: () => () => {} });
const SETTINGS = parseOptions({ dir: '/store', maxEventBytes: 1024, nodeId: 'node', sealing: 'on-demand' });
const QUIET = new Set<number>([WORD.beat, WORD.phase, WORD.thread, WORD.segment, WORD.prepared]);

export interface EngineOptions {
  /** How much may be pending. Unit: bytes; a small record takes 96. */
  readonly ringBytes: number;
  readonly disk?: Disk;
  /** Whether the writer may die; between its turns alone, or inside of system calls as well. */
  readonly mayDie?: 'between-turns' | 'anywhere';
  /** Whether the system names its threads: else a dead one is known by its silence. */
  readonly namesThreads?: boolean;
  readonly timeouts?: number;
  /** Whether appends are given up, and their sequences used again. */
  readonly givesUp?: boolean;
  /** Where nothing goes on while a sync takes its time. */
  atSlowSync?(engine: Engine): void;
}

export class Engine {
  readonly log: Log;
  readonly store: any;
  readonly link: any;
  /** The types of all appends in their order, each of which is an event. */
  readonly types: string[] = [];
  readonly microtasks: (() => unknown)[] = [];
  readonly messages: string[] = [];
  closed: boolean | undefined;

  private constructor(code: Code, options: EngineOptions) {
    engine = this;
    this.log = new Log(options.disk ?? {}, {
      mayBe: (sequence, type) => options.givesUp === true || this.types[sequence - 1] === type,
      found: (what) => {
        world.violation ??= new Violation(what);
        return world.violation;
      },
    });
    const shared = allocateShared(options.ringBytes + 256);
    const state = attachShared(shared);
    state.words[WORD.thread] = options.namesThreads === false ? 0 : 7;
    world = new World({
      nameOf: (array, index) => nameOf(array === state.words ? WORD : POSITION, index),
      isQuiet: (array, index) =>
        array === state.words ? QUIET.has(index) && options.mayDie === undefined : index === POSITION.endOffset,
      memory: [new Int32Array(shared.ring), state.words],
      mayDie: () =>
        options.mayDie === 'anywhere' || (options.mayDie === 'between-turns' && state.words[WORD.phase] === 0),
      timeouts: options.timeouts ?? 0,
      atRest: (at) => atRest(at, this, options),
    });
    const port = {
      postMessage: (message: any) => world.send('writer', message),
      postMessage$: sender('writer'),
      on() {},
    };
    const worker = { on() {} };
    const { ThreadLink } = code['main/append/writer-link.js'];
    this.link = new ThreadLink(
      state,
      worker,
      port,
      (message: any) => this.#hear(message),
      () => {},
    );
    this.link.hold = () => {};
    const ring = new code['shared/ring/producer.js'].RingProducer(state, options.ringBytes, 0);
    this.store = new code['main/writing-store.js'].WritingStore({
      identity: { storeId: STORE.toString('hex'), nodeId: 'node' },
      opened: { lastSequence: 0 },
      settings: SETTINGS,
      log: SILENT,
      engine: { link: this.link, postBackground() {}, async release() {} },
      ring,
      records: SILENT,
      tail: new TailCache(4096),
      heads: new Heads(nameHasher, undefined),
      keys: new Keys(nameHasher, 0, 0),
      clock: new Clock({ wallMs: () => 1_700_000_000_000, monotonicMs: () => 0 }, () => {}),
      openHeadsFile: () => undefined,
      table: { sequence: 0, file: '' },
      base: SILENT,
      deletions: SILENT,
      makePruning: () => SILENT,
      makeRetention: () => SILENT,
    });
    const channel = { post$: sender('caller'), receive$: receiver };
    const { Writer } = code['workers/writer/writer.js'];
    const storage = { exists: () => true };
    const writer = new Writer(storage, { ...SETTINGS, segmentAgeMs: 1e12 }, state, channel, () => {});
    writer.open();
    this.#writer = writer;
  }

  readonly #writer: any;

  /** A world at its beginning, with a script for the caller's thread. */
  static begin(
    code: Code,
    options: EngineOptions,
    script: (engine: Engine) => Steps,
  ): { world: World; engine: Engine } {
    const made = new Engine(code, options);
    world.start('writer', made.#writer.run$());
    world.start('caller', script(made));
    return { world, engine: made };
  }

  *#hear(message: any): Steps<void> {
    this.messages.push(message.kind);
    if (message.kind === 'closed') this.closed = message.clean;
    yield* this.store.onWriter$(message);
  }

  /** Append and go on. */
  *append(type: string, durability = 'synced'): Steps<any> {
    this.types.push(type);
    const result = yield* this.store.appender.append$(partsOf(type), flags(durability), undefined);
    result.catch(() => {});
    yield* this.#endTurn();
    return this.store.pending.newest;
  }

  /** Append and block. Returns the result, or the error's code. */
  *appendSync(type: string): Steps<any> {
    this.types.push(type);
    const wait = yield* this.store.appender.appendSync$(partsOf(type), flags('synced'));
    try {
      return yield* wait();
    } catch (error) {
      const code = Reflect.get(error as object, 'code');
      if (code === undefined || error instanceof Violation) throw error;
      return code;
    }
  }

  /** Handle messages until something has happened. */
  *listen(until: () => boolean): Steps<void> {
    while (!until()) {
      yield* this.#hear(yield ['message']);
      yield* this.#endTurn();
    }
  }

  *#endTurn(): Steps<void> {
    for (let call = this.microtasks.shift(); call !== undefined; call = this.microtasks.shift()) {
      const steps: any = call();
      if (typeof steps?.next === 'function') yield* steps;
    }
  }
}

function partsOf(type: string): unknown[] {
  return [appendInput('s', { type }, undefined)];
}

function flags(durability: string): object {
  return { durability, system: false, many: false };
}

function sender(to: ThreadName): (message: unknown) => Steps {
  return function* (message) {
    yield ['post', to, message];
  };
}

function* receiver(): Steps {
  return yield ['receive'];
}

function nameOf(names: Readonly<Record<string, number>>, index: number): string {
  return Object.entries(names).find(([, place]) => place === index)?.[0] ?? String(index);
}

/** Far more than a blocked caller may sleep before it knows that the writer is dead. */
const MOST_WAITS = 200;

/** Nothing happens by itself any more, and the caller's thread is not at its end. */
function atRest(at: World, { store, log }: Engine, options: EngineOptions): void {
  const writer = at.thread('writer');
  const caller = at.thread('caller');
  if (!writer.dead && writer.next?.[0] === 'slow-sync') {
    options.atSlowSync?.(engine);
    at.finishSync(writer);
    return;
  }
  if (++at.waits > MOST_WAITS) throw new Violation('the caller waits for a writer that is dead');
  if (writer.dead || writer.done) {
    if (caller.asleep?.timeoutMs === Number.POSITIVE_INFINITY) throw new Violation('the caller sleeps for ever');
    if (caller.asleep === undefined) throw new Violation('the caller waits for a message of a writer that is gone');
    at.timeOut(caller);
    return;
  }
  // In suspension the writer looks for space by its timer alone, once it has heard everything.
  const isProbing = at.queues.writer.length === 0 && writer.asleep?.timeoutMs === 250;
  if (isProbing) {
    at.timeOut(writer);
    return;
  }
  const durable = `durable ${log.lastSequence} of ${store.sequencer.lastSequence}`;
  throw new Violation(`a lost wake-up: the writer sleeps, and so does the caller; ${durable}`);
}
