/**
 * A program under fault: holds one store and does what it is told, one JSON line a request on stdin, one a result on
 * stdout. Results are written synchronously: what the parent has not read was not acknowledged.
 */
import fs from 'node:fs';
import { createInterface } from 'node:readline';
import pino from 'pino';
import { openStore } from '../../dist/main/index.js';
import { keep } from './keeping.mjs';
import { agentLoad, payloadLoad } from './load.mjs';
import { plain, runSteps } from './steps.mjs';

const CLOCK = new Int32Array(new SharedArrayBuffer(4));
let store;
/** What the logger was told. */
const lines = [];
const logger = pino({ level: 'debug', base: null }, { write: (line) => lines.push(JSON.parse(line)) });

function say(message) {
  const text = JSON.stringify(message, (_, value) => (typeof value === 'bigint' ? String(value) : value));
  let left = Buffer.from(`${text}\n`);
  while (left.length > 0) {
    try {
      left = left.subarray(fs.writeSync(1, left));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
      Atomics.wait(CLOCK, 0, 0, 1); // the pipe is full: the parent reads
    }
  }
}

const hoarded = [];

/** Never resolves. What cannot be had any more is asked for again, as a program with a leak does. */
function hoard(outside) {
  return new Promise(() => {
    setInterval(() => {
      try {
        hoarded.push(outside ? Buffer.alloc(2 ** 20, 1) : Array.from({ length: 20_000 }, () => ({})));
      } catch (error) {
        say({ told: { failed: 'hoard', message: error.message } });
      }
    }, 1);
  });
}

const COMMANDS = {
  async open(options) {
    store = await openStore({ logger, sealing: 'on-demand', ...options });
    return store.stats().recovery;
  },
  append: ({ stream, events, options }) => store.append(stream, events, options),
  appendSync: ({ stream, events, options }) => store.appendSync(stream, events, options),
  /** Several appends at once; each with its own outcome. */
  appendAll: ({ appends }) =>
    Promise.all(
      appends.map(({ stream, events, options }) =>
        store.append(stream, events, options).then(
          (appended) => ({ appended }),
          (error) => ({ error: plain(error) }),
        ),
      ),
    ),
  /** Append one after the other until one fails. */
  async appendUntilError({ stream, event, atMost }) {
    const ids = [];
    for (let n = 0; n < atMost; n++) {
      try {
        ids.push(...(await store.append(stream, { ...event, data: { ...event.data, n } })).ids);
      } catch (error) {
        return { ids, error: plain(error) };
      }
    }
    return { ids };
  },
  read: async () => (await store.read().toArray()).map((event) => event.toJSON()),
  head: ({ stream } = {}) => store.head(stream),
  stats: () => store.stats(),
  lines: () => lines,
  verify: () => store.verify({ deep: true }),
  /** Append like several agents at once, telling every acknowledgement. */
  load: (options) => agentLoad(store, options, (ack) => say({ ack })),
  payloads: (options) => payloadLoad(store, options, (ack) => say({ ack })),
  /** A workload that is the same each time, telling what becomes of every call. */
  steps: (options) => runSteps(options, (told) => say({ told })),
  /** Open a store and wait until retention has removed what it is to, or has failed; append beside it, and close. */
  async retain(options) {
    store = await openStore({ logger, ...options });
    const ended = () => lines.filter(({ msg }) => msg?.startsWith('retention'));
    while (ended().length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    const { ids } = await store.append('after', { type: 'WentOn' });
    const { floor } = store.stats();
    const rows = (await store.read().toArray()).map(({ sequence }) => sequence);
    await store.close();
    return { floor, rows, ids, lines: ended() };
  },
  /** Open a store, do some steps beside appending, telling what becomes of each, and close it. */
  keep: (options) => keep({ logger, ...options }, lines, (told) => say({ told })),
  /** Take memory beside the load until there is none: of V8's heap, or outside of it. */
  hoard: ({ outside }) => hoard(outside),
  async close() {
    await store.close();
  },
};

createInterface({ input: process.stdin })
  .on('line', async (line) => {
    const { id, command, args } = JSON.parse(line);
    try {
      say({ id, result: (await COMMANDS[command](args)) ?? null });
    } catch (error) {
      say({ id, error: plain(error) });
    }
  })
  .on('close', () => process.exit(0));
say({ ready: process.pid });
