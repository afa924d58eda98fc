/** Errors in the protocol: single steps left out, or in another order. */
import type { Mutation } from './coroutines.js';

interface ProtocolError {
  readonly name: string;
  readonly changes: readonly Mutation[];
  /** Where it shows. */
  readonly scenario: string;
  readonly finds: RegExp;
}

const LAYOUT = 'shared/ring/layout.js';
const PRODUCER = 'shared/ring/producer.js';
const CONSUMER = 'shared/ring/consumer.js';
const SIGNALS = 'workers/writer/signals.js';
const WRITER = 'workers/writer/writer.js';
const LINK = 'main/append/writer-link.js';
const APPENDER = 'main/append/appender.js';
const RESULTS = 'main/append/results.js';
const STORE = 'main/writing-store.js';

const BLOCKING = 'two appends that block';
const AWAITED = 'appends that are awaited';
const CLOSE = 'a close behind appends';
const SLOW = 'appends that wait to be written while the sync takes its time';
const DEATH = 'a writer that dies under an append that blocks';
const UNNAMED = 'a writer that dies between its turns where the system does not name threads';

const LOST = /^a lost wake-up/;

function swap(module: string, first: string, second: string): Mutation {
  return { module, from: `${first}${second}`, to: `${second}${first}` };
}

export const MUTATIONS: readonly ProtocolError[] = [
  {
    name: 'a futex is notified before it is bumped',
    changes: [swap(LAYOUT, '    Atomics.add(state.words, word, 1);\n', '    Atomics.notify(state.words, word);\n')],
    scenario: BLOCKING,
    finds: LOST,
  },
  {
    name: 'a futex is bumped and nobody notified',
    changes: [{ module: LAYOUT, from: '    Atomics.notify(state.words, word);\n', to: '' }],
    scenario: BLOCKING,
    finds: LOST,
  },
  {
    name: 'a futex is notified and not bumped',
    changes: [{ module: LAYOUT, from: '    Atomics.add(state.words, word, 1);\n', to: '' }],
    scenario: BLOCKING,
    finds: LOST,
  },
  {
    name: 'the head is stored after the writer was woken',
    changes: [
      swap(
        PRODUCER,
        '        storePosition(this.state, POSITION.head, this.#head);\n',
        '        bump(this.state, WORD.signal);\n',
      ),
    ],
    scenario: BLOCKING,
    finds: LOST,
  },
  {
    name: 'the writer looks at its futex after it has looked for work',
    changes: [
      {
        module: WRITER,
        from: 'const signal = Atomics.load(this.#state.words, WORD.signal);\n            if (this.turn())\n                continue;',
        to: 'if (this.turn())\n                continue;\n            const signal = Atomics.load(this.#state.words, WORD.signal);',
      },
    ],
    scenario: BLOCKING,
    finds: LOST,
  },
  {
    name: 'a blocked caller looks at its futex after it has looked for its result',
    changes: [
      {
        module: APPENDER,
        from: 'const settled = Atomics.load(link.state.words, WORD.settled);\n                link.drain();\n                this.settle();',
        to: 'link.drain();\n                this.settle();\n                const settled = Atomics.load(link.state.words, WORD.settled);',
      },
    ],
    scenario: BLOCKING,
    finds: LOST,
  },
  {
    name: 'the writer tells of progress before it has stored it',
    changes: [
      {
        module: SIGNALS,
        from: 'storePosition(this.#state, POSITION.durable, position);\n        this.#tellProgress();',
        to: 'this.#tellProgress();\n        storePosition(this.#state, POSITION.durable, position);',
      },
    ],
    scenario: AWAITED,
    finds: LOST,
  },
  {
    name: 'the caller takes the notice down after it has looked',
    changes: [
      {
        module: STORE,
        from: 'Atomics.store(this.#state.words, WORD.notified, 0);\n                this.appender.settle();',
        to: 'this.appender.settle();\n                Atomics.store(this.#state.words, WORD.notified, 0);',
      },
    ],
    scenario: AWAITED,
    finds: LOST,
  },
  {
    name: 'a message is posted after it was told of',
    changes: [
      swap(
        LINK,
        '        this.#port.postMessage(message);\n',
        '        Atomics.add(this.state.words, WORD.control, 1);\n        bump(this.state, WORD.signal);\n',
      ),
    ],
    scenario: CLOSE,
    finds: LOST,
  },
  {
    name: 'the count of messages is looked at after they were received',
    changes: [
      {
        module: WRITER,
        from: '            this.#controlSeen = Atomics.load(this.#state.words, WORD.control);\n',
        to: '',
      },
      {
        module: WRITER,
        from: '                this.#obey(message);\n            }\n',
        to: '                this.#obey(message);\n            }\n            this.#controlSeen = Atomics.load(this.#state.words, WORD.control);\n',
      },
    ],
    scenario: 'a close right behind another message',
    finds: LOST,
  },
  {
    name: 'the writer closes without a last look into the ring',
    changes: [{ module: WRITER, from: 'while (this.#signals.mode === MODE.running) {', to: 'while (false) {' }],
    scenario: CLOSE,
    finds: /^\d of 2 are known to be durable/,
  },
  {
    name: 'what is written counts as durable',
    changes: [
      { module: LINK, from: 'loadPosition(state, POSITION.durable)', to: 'loadPosition(state, POSITION.written)' },
    ],
    scenario: SLOW,
    finds: /^\d of 2 are durable/,
  },
  {
    name: 'the writer looks where the ring begins anew before it looks how far it goes',
    changes: [
      {
        module: CONSUMER,
        from: 'const head = loadPosition(this.state, POSITION.head);\n        if (this.#position === loadPosition(this.state, POSITION.restart))\n            this.#offset = 0;',
        to: 'if (this.#position === loadPosition(this.state, POSITION.restart))\n            this.#offset = 0;\n        const head = loadPosition(this.state, POSITION.head);',
      },
    ],
    scenario: AWAITED,
    finds: /^(the writer takes|sequence \d|RangeError)/,
  },
  {
    name: 'the writer asks who waits for written before it has stored it',
    changes: [
      {
        module: SIGNALS,
        from: 'storePosition(this.#state, POSITION.written, position);\n        if (Atomics.load(this.#state.words, WORD.wantWritten) === 1)',
        to: 'const wanted = Atomics.load(this.#state.words, WORD.wantWritten);\n        storePosition(this.#state, POSITION.written, position);\n        if (wanted === 1)',
      },
    ],
    scenario: SLOW,
    finds: /^an append is written, and nobody says so/,
  },
  {
    name: 'who wants to know of written does not look once more',
    changes: [
      {
        module: RESULTS,
        from: 'this.#countWritten(1);\n                    // It may be written already: the writer did not know then that somebody waits for that.\n                    this.settleWritten();',
        to: 'this.#countWritten(1);',
      },
    ],
    scenario: SLOW,
    finds: /^an append is written, and nobody says so/,
  },
  {
    name: 'a failure is told by message alone',
    changes: [
      {
        module: SIGNALS,
        from: '        this.#post(message);\n        bump(this.#state, WORD.settled);\n',
        to: '        this.#post(message);\n',
      },
    ],
    scenario: 'a sync that fails under an append that blocks',
    finds: LOST,
  },
  {
    name: 'a blocked caller sleeps without a bound',
    changes: [{ module: LINK, from: 'WORD.settled, settled, BLOCK_MS)', to: 'WORD.settled, settled)' }],
    scenario: DEATH,
    finds: /^the caller sleeps for ever/,
  },
  {
    name: 'a blocked caller does not ask whether the writer is there',
    changes: [{ module: LINK, from: 'if (threadHasEnded(Atomics.load(words, WORD.thread)))', to: 'if (false)' }],
    scenario: DEATH,
    finds: /^the caller waits for a writer that is dead/,
  },
  {
    name: 'a writer that does not beat is never taken for dead',
    changes: [{ module: LINK, from: 'now - this.#beatAt > DEAD_AFTER_MS', to: 'false' }],
    scenario: UNNAMED,
    finds: /^the caller waits for a writer that is dead/,
  },
];
