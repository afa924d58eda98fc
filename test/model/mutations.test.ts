/** The model can fail: each of these stores does one thing that the contract does not allow, and is found out. */
import { expect, it, vi } from 'vitest';
import { BaseFile } from '../../dist/main/append/base-file.js';
import { Conditions } from '../../dist/main/append/conditions.js';
import { Keys } from '../../dist/main/append/keys.js';
import { Sequencer } from '../../dist/main/append/sequencer.js';
import { type AppendOptions, isKeeperError, type Store, type StoreOptions } from '../../dist/main/index.js';
import { Leases } from '../../dist/main/read/leases.js';
import { LogStart } from '../../dist/main/read/log-start.js';
import { Tombstones } from '../../dist/main/read/tombstones.js';
import { intercept } from '../crash/intercept.js';
import { SEED, TIMEOUT_MS, tally } from '../support/effort.js';
import { campaign } from './run.js';
import { MemoryWorld, type World } from './worlds.js';

interface Mutation {
  /** What gives it away. */
  readonly found: RegExp;
  /** Members of the store that are replaced. */
  readonly members?: (store: Store, opening: number) => Partial<Record<keyof Store, unknown>>;
  readonly world?: () => World;
  /** Change the engine itself. */
  readonly patch?: () => void;
}

/** A store with some of its members replaced. */
function mutated(store: Store, members: Partial<Record<keyof Store, unknown>>): Store {
  return new Proxy(store, {
    get(target, name) {
      const member = Reflect.get(members, name) ?? Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

const without = (options: object | undefined, name: string): object =>
  Object.fromEntries(Object.entries(options ?? {}).filter(([key]) => key !== name));

/** The store is read as if the newest events were not there yet. */
class ForgetfulFollower extends MemoryWorld {
  override async follow(): Promise<Store> {
    const store = await super.follow();
    let reads = 0;
    const read: Store['read'] = (selector, options) =>
      reads++ % 3 === 2 ? store.read(selector, { ...options, to: 1 }) : store.read(selector, options);
    return mutated(store, { read });
  }
}

/** The log may take less than it was said to. */
class GreedyRetention extends MemoryWorld {
  override open(options: Partial<StoreOptions>): Promise<Store> {
    const { maxBytes } = options.retention ?? {};
    if (maxBytes === undefined) return super.open(options);
    return super.open({ ...options, retention: { maxBytes: Math.max(65_536, maxBytes - 40_000) } });
  }
}

const MUTATIONS: Record<string, Mutation> = {
  'does not check what an append expects': {
    found: /has accepted what is ERR_CONFLICT|not ERR_CONFLICT, not-appended/,
    members: (store) => ({
      append: (stream: string, events: never, options: object) =>
        store.append(stream, events, without(options, 'expect')),
    }),
  },
  'does not check what an appendMany expects': {
    found: /has accepted what is ERR_CONFLICT/,
    members: (store) => ({
      appendMany: (appends: object[], options: object) =>
        store.appendMany(appends.map((append) => without(append, 'expect')) as never, options),
    }),
  },
  'does not check the condition of an append': {
    found: /has accepted what is ERR_CONDITION_FAILED/,
    members: (store) => ({
      append: (stream: string, events: never, options: object) =>
        store.append(stream, events, without(options, 'condition')),
    }),
  },
  'does not look at what is pending for a condition': {
    found: /was to be ERR_CONDITION_FAILED, and is accepted|has accepted what is ERR_CONDITION_FAILED/,
    patch: () => {
      const { check } = Conditions.prototype;
      vi.spyOn(Conditions.prototype, 'check').mockImplementation(function (this: Conditions, condition) {
        condition.lookNow();
        if (condition.found !== undefined) check.call(this, condition);
      });
    },
  },
  'appends the parts of an appendMany one by one': {
    found: /expected to be at|accepted, .* not open, .* accepted/,
    members: (store) => ({
      appendMany: async (appends: Parameters<Store['appendMany']>[0], options: object) => {
        const parts = appends.map(({ stream, events, expect: expected }) =>
          store.append(stream, events, { ...options, ...(expected !== undefined && { expect: expected }) }),
        );
        const results = await Promise.all(parts);
        return {
          ...results.at(-1)!,
          ids: results.flatMap(({ ids }) => ids),
          firstSequence: results[0]!.firstSequence,
          revisions: Object.fromEntries(appends.map(({ stream }, i) => [stream, results[i]!.revision])),
        };
      },
    }),
  },
  'shows what was deleted': {
    found: /events, not \d+ events|it shows|it ends with/,
    patch: () => void vi.spyOn(Tombstones.prototype, 'hides').mockReturnValue(false),
  },
  'drops the last event of a list': {
    found: /not \d+ to \d+|no call is cut/,
    members: (store) => ({
      append: (stream: string, events: unknown, options: object) =>
        store.append(stream, (Array.isArray(events) ? events.slice(0, -1) : events) as never, options),
    }),
  },
  'tells a wrong revision for the second append of a stream': {
    found: /revision 2, .* not .* revision 1,/,
    members: (store) => ({
      append: async (...args: Parameters<Store['append']>) => {
        const result = await store.append(...args);
        return result.revision === 1 ? { ...result, revision: 2 } : result;
      },
    }),
  },
  'tells of a repeated call as of a new one': {
    found: /“duplicate” is false/,
    members: (store) => ({
      append: async (...args: Parameters<Store['append']>) => ({ ...(await store.append(...args)), duplicate: false }),
    }),
  },
  'forgets keys when it is opened again': {
    found: /what is ERR_IDEMPOTENCY_REUSED|not ERR_IDEMPOTENCY_REUSED|“duplicate” is false|to be duplicate, and is/,
    patch: () => {
      const { addHash } = Keys.prototype;
      let replaying = true;
      const { add } = Keys.prototype;
      vi.spyOn(Keys.prototype, 'add').mockImplementation(function (this: Keys, ...args) {
        replaying = false;
        add.apply(this, args);
        replaying = true;
      });
      vi.spyOn(Keys.prototype, 'addHash').mockImplementation(function (this: Keys, ...args) {
        if (!replaying) addHash.apply(this, args);
      });
    },
  },
  'keeps the keys of what a full disk has made it give up': {
    found: /idempotency key .* was used|is ERR_IDEMPOTENCY_REUSED, not-appended, not ERR/,
    patch: () => void vi.spyOn(Keys.prototype, 'takeBack').mockImplementation(() => {}),
  },
  'keeps the revisions of what a full disk has made it give up': {
    found: /not .* revision|ERR_CONFLICT/,
    patch: () => {
      const { takeBack } = Sequencer.prototype;
      vi.spyOn(Sequencer.prototype, 'takeBack').mockImplementation(function (this: Sequencer, call) {
        takeBack.call(this, call);
        for (const { head, count } of call.parts) head.revision += count;
      });
    },
  },
  'acknowledges what is accepted as if it were synced': {
    found: /events (after the crash|on the full disk): at least/,
    members: (store) => ({
      append: async (stream: string, events: never, options: AppendOptions = {}) => {
        if (options.durability !== 'synced' || options.signal !== undefined)
          return store.append(stream, events, options);
        const result = await store.append(stream, events, { ...options, durability: 'accepted' });
        return { ...result, durability: 'synced' };
      },
    }),
  },
  'shows an enqueued event before it is durable': {
    found: /events (after the crash|on the full disk): at least|a read by the store/,
    members: (store) => {
      let last: string | undefined;
      return {
        enqueue: (...args: Parameters<Store['enqueue']>) => {
          const enqueued = store.enqueue(...args);
          last = enqueued.ids.at(-1);
          return enqueued;
        },
        head: async (stream?: string) => {
          const { accepted, mode } = store.stats();
          const isLast = mode === 'open' && stream === undefined && Number(last?.split('_')[1]) === accepted;
          return isLast ? { sequence: accepted, id: last } : store.head(stream);
        },
      };
    },
  },
  'does not sync its log': {
    found: /events after the crash: at least|has no valid header/,
    world: () =>
      new MemoryWorld((disk) =>
        intercept(disk, {
          sync(handle) {
            if (disk.nameOf(handle)?.endsWith('.log') !== true) disk.sync(handle);
          },
        }),
      ),
  },
  'takes “after” for “from”': {
    found: /a read by the/,
    members: (store) => ({
      read: (selector: object, options: { after?: number } = {}) =>
        store.read(selector, {
          ...without(options, 'after'),
          ...(options.after !== undefined && { from: options.after }),
        }),
    }),
  },
  'reads one event too many of a stream backwards': {
    found: /it shows .*, not/,
    members: (store) => ({
      readStream: (stream: string, options: { direction?: 'backwards'; limit?: number } = {}) =>
        store.readStream(stream, {
          ...options,
          ...(options.direction === 'backwards' && options.limit !== undefined && { limit: options.limit + 1 }),
        }),
    }),
  },
  'finds nothing while its disk is full': {
    found: /it shows , not/,
    members: (store) => ({
      get: (id: never) => (store.stats().mode === 'suspended' ? Promise.resolve(undefined) : store.get(id)),
    }),
  },
  'lists a stream under the revision before its last': {
    found: /the streams are/,
    members: (store) => ({
      streams: (options: object) => {
        const rows = store.streams(options);
        const toArray = async (): Promise<unknown[]> =>
          (await rows.toArray()).map((row) => ({ ...row, revision: Math.max(0, row.revision - 1) }));
        return { toArray };
      },
    }),
  },
  'forgets the keys of what retention has removed': {
    found:
      /what is ERR_IDEMPOTENCY_REUSED|“duplicate” is false|to be duplicate, and is|not .* to .*, revision|is not of/,
    patch: () => void vi.spyOn(BaseFile.prototype, 'find').mockReturnValue(undefined),
  },
  'gives the beginning of the log for an event that is gone': {
    found: /ends with ERR_CORRUPT|not with ERR_PRUNED|ERR_PRUNED/,
    patch: () => void vi.spyOn(LogStart.prototype, 'check').mockImplementation(() => {}),
  },
  'takes a stream that is gone for one that never was': {
    found: /the head of .* is undefined, not ERR_PRUNED/,
    members: (store) => ({
      head: async (stream?: string) => {
        try {
          return await store.head(stream);
        } catch (error) {
          if (isKeeperError(error, 'ERR_PRUNED')) return undefined;
          throw error;
        }
      },
    }),
  },
  'goes on with a query behind a cursor that is gone': {
    found: /a read by the .*: it ends with \d+ rows, not with ERR_PRUNED/,
    members: (store) => ({
      query: (query: { cursor?: string }, options: object) => {
        const first = without(query, 'cursor');
        const page = async (): Promise<unknown> => {
          try {
            return await store.query(query, options).page();
          } catch (error) {
            if (isKeeperError(error, 'ERR_PRUNED')) return store.query(first, options).page();
            throw error;
          }
        };
        return Object.assign(store.query(query, options), { page });
      },
    }),
  },
  'removes more than has to go': {
    found: /what retention has left is \d+ segments, not/,
    world: () => new GreedyRetention(),
  },
  'removes what is being read': {
    found: /a slow read|a read by the store|is below the retention floor/,
    patch: () => void vi.spyOn(Leases.prototype, 'lowest', 'get').mockReturnValue(Number.POSITIVE_INFINITY),
  },
  'does not sync its base': {
    found: /the base/,
    world: () =>
      new MemoryWorld((disk) =>
        intercept(disk, {
          sync(handle) {
            if (disk.nameOf(handle)?.includes('.base') !== true) disk.sync(handle);
          },
        }),
      ),
  },
  'follows a writer and goes back': {
    found: /a read by the follower: it shows 1, not|the log is 1 events/,
    world: () => new ForgetfulFollower(),
  },
};

it.each(Object.entries(MUTATIONS))(
  'a store that %s is found out',
  async (_, { found, members, world = () => new MemoryWorld(), patch }) => {
    patch?.();
    try {
      const symptoms: string[] = [];
      // Each campaign finds it, but by what it comes to first: one of a few shows what is wrong by its name.
      for (let seed = SEED; seed < SEED + 8 && !symptoms.some((symptom) => found.test(symptom)); seed++) {
        const outcome = await campaign({
          file: 'test/model/mutations.test.ts',
          runs: 400,
          maxCommands: 60,
          seed,
          world,
          wrap: (store, opening) => (members === undefined ? store : mutated(store, members(store, opening))),
          asFound: true,
        });
        expect(outcome).toHaveProperty('failure');
        const { message } = (outcome as { failure: Error }).failure;
        expect(message).toMatch(/^MODEL_RUN='\{"seed":/);
        symptoms.push(message.split('\n').slice(2).join('\n'));
      }
      expect(symptoms.at(-1)).toMatch(found);
      tally('model', 'mutations that were found', 1);
    } finally {
      vi.restoreAllMocks();
    }
  },
  TIMEOUT_MS,
);
