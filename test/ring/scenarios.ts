/** What the caller's thread does in each world, and what must be true when it has done it. */
import type { Steps } from './coroutines.js';
import { type Code, Engine, type EngineOptions } from './engine.js';
import { type Bounds, type Explored, explore } from './explore.js';
import { Violation } from './world.js';

export interface Scenario extends EngineOptions {
  readonly name: string;
  script(engine: Engine): Steps;
  /** What must hold at the end; `outcomes` is what the script returned of its appends. */
  check?(engine: Engine): void;
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Violation(what);
}

/** Every append is durable, and was told. */
function allDurable(engine: Engine, count: number): void {
  must(engine.store.appender.durable === count, `${engine.store.appender.durable} of ${count} are known to be durable`);
  must(engine.log.lastSequence === count, `${engine.log.lastSequence} of ${count} are durable`);
}

const nothingPending = (engine: Engine) => () =>
  engine.store.pending.count === 0 && engine.store.appender.waiting.calls === 0;

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'two appends that block',
    ringBytes: 1024,
    *script(engine) {
      for (const type of ['a', 'b']) must(typeof (yield* engine.appendSync(type)) === 'object', `${type} failed`);
    },
    check: (engine) => allDurable(engine, 2),
  },
  {
    name: 'appends that are awaited',
    ringBytes: 1024,
    *script(engine) {
      yield* engine.append('a');
      yield* engine.append('b');
      yield* engine.listen(nothingPending(engine));
      yield* engine.append('c');
      yield* engine.listen(nothingPending(engine));
    },
    check: (engine) => allDurable(engine, 3),
  },
  {
    name: 'an append that blocks behind one that is awaited',
    ringBytes: 1024,
    *script(engine) {
      yield* engine.append('a');
      yield* engine.appendSync('b');
      yield* engine.append('c');
      yield* engine.listen(nothingPending(engine));
    },
    check: (engine) => allDurable(engine, 3),
  },
  {
    name: 'a ring that is full, wraps and begins anew',
    ringBytes: 192,
    *script(engine) {
      for (const type of ['a', 'b', 'c', 'd', 'e']) yield* engine.append(type);
      yield* engine.listen(nothingPending(engine));
    },
    check: (engine) => allDurable(engine, 5),
  },
  {
    name: 'appends that wait to be written while the sync takes its time',
    ringBytes: 1024,
    disk: { slow: true },
    *script(engine) {
      yield* engine.append('a', 'written');
      yield* engine.append('b', 'written');
      yield* engine.listen(nothingPending(engine));
    },
    atSlowSync({ store }) {
      const [oldest] = [...store.pending.newestFirst()].reverse();
      must(oldest === undefined || oldest.writtenSeen, 'an append is written, and nobody says so');
    },
    check: (engine) => allDurable(engine, 2),
  },
  {
    name: 'a close behind appends',
    ringBytes: 1024,
    *script(engine) {
      yield* engine.append('a');
      yield* engine.append('b');
      yield* engine.link.post$({ kind: 'close' });
      yield* engine.listen(() => engine.closed !== undefined);
    },
    check(engine) {
      must(engine.closed === true, 'the end is not marked as clean');
      allDurable(engine, 2);
    },
  },
  {
    name: 'a disk that is full once',
    ringBytes: 1024,
    disk: { failWrite: 2 },
    givesUp: true,
    *script(engine) {
      yield* engine.append('a');
      yield* engine.listen(nothingPending(engine));
      yield* engine.append('b');
      yield* engine.listen(() => engine.messages.at(-1) === 'resumed');
    },
    check: (engine) => must(engine.log.lastSequence >= 1, 'what was durable is not'),
  },
  {
    name: 'a close right behind another message',
    ringBytes: 1024,
    disk: { failWrite: 1 },
    givesUp: true,
    *script(engine) {
      yield* engine.append('a');
      // The caller answers that it has given up what was not durable.
      yield* engine.listen(() => engine.messages.includes('suspended'));
      yield* engine.link.post$({ kind: 'close' });
      yield* engine.listen(() => engine.closed !== undefined);
    },
  },
  {
    name: 'a sync that fails under an append that blocks',
    ringBytes: 1024,
    disk: { failSync: 2 },
    *script(engine) {
      yield* engine.appendSync('a');
      must((yield* engine.appendSync('b')) === 'ERR_STORAGE', 'a failed sync is not told');
    },
  },
  {
    name: 'a writer that dies under an append that blocks',
    ringBytes: 1024,
    mayDie: 'anywhere',
    script: dieUnderAppend,
  },
  {
    // Inside of system calls nobody could tell it from one whose disk is slow.
    name: 'a writer that dies between its turns where the system does not name threads',
    ringBytes: 1024,
    mayDie: 'between-turns',
    namesThreads: false,
    script: dieUnderAppend,
  },
  {
    name: 'timeouts that come at any moment',
    ringBytes: 1024,
    timeouts: 1,
    *script(engine) {
      for (const type of ['a', 'b']) must(typeof (yield* engine.appendSync(type)) === 'object', `${type} failed`);
    },
    check: (engine) => allDurable(engine, 2),
  },
];

function* dieUnderAppend(engine: Engine): Steps<void> {
  const outcome = yield* engine.appendSync('a');
  must(outcome === 'ERR_STORAGE' || engine.log.lastSequence === 1, `it ends with ${JSON.stringify(outcome)}`);
}

/** Try every order of a scenario's steps. */
export function tryAll(code: Code, scenario: Scenario, bounds: Bounds): Explored {
  let engine: Engine;
  const make = () => {
    const begun = Engine.begin(code, scenario, (of) => scenario.script(of));
    engine = begun.engine;
    return begun.world;
  };
  return explore(make, () => scenario.check?.(engine), bounds);
}
