/** Everything that may be done to a store, as commands that fast-check puts in any order. */
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { expect } from 'vitest';
import type { NewEvent, ReadStreamOptions, StreamsOptions } from '../../dist/main/index.js';
import {
  events,
  fullSegment,
  hope,
  type Intent,
  intent,
  key,
  oneAppend,
  opening,
  selectors,
  streamName,
} from './arbitraries.js';
import { seen } from './expected.js';
import { checkInvalid, INVALID } from './invalid.js';
import type { Request } from './model.js';
import { checkCounts, checkPage, QUESTION_COUNT, type QueryAsked } from './queries.js';
import {
  checkGet,
  checkHead,
  checkRead,
  checkStream,
  checkStreams,
  type Place,
  type ReadAsked,
  type Taking,
  type Via,
} from './reads.js';
import { type Losing, loseBeginning, MAX_AGE_MS } from './retain.js';
import type { Subject } from './subject.js';
import { type Crash, type Fullness, passTime, patiently } from './worlds.js';

export type Command = fc.AsyncCommand<object, Subject>;

/** Something that is done with arguments. */
function command<A>(
  name: string,
  args: fc.Arbitrary<A>,
  run: (subject: Subject, args: A) => Promise<void>,
): fc.Arbitrary<Command> {
  return args.map((made) => ({
    check: () => true,
    async run(_, subject) {
      subject.commands++;
      await patiently(subject.world, run(subject, made));
      subject.throwProblems();
    },
    toString: () => `${name}(${short(fc.stringify(made))})`,
  }));
}

/** How an append is waited for: not at all, for a turn of the event loop, or until everything is durable. */
const waiting = fc.constantFrom('not', 'a turn', 'settled', 'settled');
const via: fc.Arbitrary<Via> = fc.constantFrom('store', 'store', 'follower');
const taking: fc.Arbitrary<Taking> = fc.constantFrom('toArray', 'toArray', 'batches', 'iterate', 'first');
const nat = fc.nat({ max: 400 });
const direction = fc.constantFrom('forwards' as const, 'backwards' as const);
const limit = fc.nat({ max: 6 });

const place: fc.Arbitrary<Place> = fc.oneof(
  fc.record({ sequence: nat }),
  fc.record({ idOf: nat }),
  fc.record({ msOf: nat, off: fc.integer({ min: -1, max: 1 }) }),
  fc.constantFrom('start' as const, 'end' as const, 'unknown id' as const),
);
const readAsked: fc.Arbitrary<ReadAsked> = fc.oneof(
  fc.record({ from: place, to: place, direction, limit }, { requiredKeys: [], noNullPrototype: true }),
  fc.record({ after: place, to: place, direction, limit }, { requiredKeys: ['after'], noNullPrototype: true }),
);
const question = fc.nat({ max: QUESTION_COUNT - 1 });
const queryAsked: fc.Arbitrary<QueryAsked> = fc.record({
  question,
  direction,
  limit: fc.integer({ min: 1, max: 6 }),
  behind: fc.option(nat, { nil: undefined, freq: 3 }),
});
const revision = fc.nat({ max: 12 });
const streamAsked: fc.Arbitrary<ReadStreamOptions> = fc.record(
  { fromRevision: revision, toRevision: revision, direction, limit },
  { requiredKeys: [], noNullPrototype: true },
);
const streamsAsked: fc.Arbitrary<StreamsOptions> = fc.record(
  { prefix: fc.constantFrom('', 'many/', 'm', 'ü', '$', '\ud83d'), after: streamName, limit },
  { requiredKeys: [], noNullPrototype: true },
);

const fault = fc.constantFrom('now' as const, 'die-in-write' as const, 'die-before-sync' as const);
const death: fc.Arbitrary<Crash> = fc.record({ kind: fc.constant('process' as const), when: fault });
const cut: fc.Arbitrary<Crash> = fc.record({
  kind: fc.constant('power' as const),
  left: fc.oneof(fc.constant('least' as const), fc.nat()),
});

/** How a call is changed before it is repeated. */
const change = fc.constantFrom(
  'nothing',
  'nothing',
  'nothing',
  'data',
  'stream',
  'type',
  'tags',
  'one event less',
  'another key',
  'metadata',
);

const appending: fc.Arbitrary<Command>[] = [
  command('append', fc.record({ intent, waiting }), async (subject, { intent, waiting }) => {
    await subject.begin(meant(subject, intent));
    await wait(subject, waiting);
  }),
  command('append several at once', fc.array(intent, { minLength: 2, maxLength: 6 }), async (subject, intents) => {
    for (const one of intents) await subject.begin(meant(subject, one));
  }),
  command(
    'repeat',
    fc.record({ which: nat, change, key, waiting }),
    async (subject, { which, change, key, waiting }) => {
      const { keyed } = subject;
      if (keyed.length === 0) return;
      await subject.begin(changed(keyed[which % keyed.length]!, change, key));
      await wait(subject, waiting);
    },
  ),
  command('append what is invalid', fc.nat({ max: INVALID.length - 1 }), async (subject, which) => {
    await checkInvalid(subject, INVALID[which]!);
  }),
  command(
    'append and abort',
    fc.record({ events, stream: streamName, before: fc.boolean() }),
    (subject, { events, stream, before }) => subject.abort({ how: 'append', parts: [{ stream, events }] }, before),
  ),
  command(
    'delete a stream',
    fc.record({ stream: streamName, hope, waiting }),
    async (subject, { stream, hope, waiting }) => {
      const parts = [{ stream, events: [{ type: '$tombstone' }], hope }];
      await subject.begin(meant(subject, { how: 'deleteStream', parts, durability: 'synced' }));
      await wait(subject, waiting);
    },
  ),
  command('flush', fc.constant(null), (subject) => subject.settle()),
];

const reading: fc.Arbitrary<Command>[] = [
  command('read', fc.tuple(via, selectors, readAsked, taking), (subject, args) => checkRead(subject, ...args)),
  command('read a stream', fc.tuple(via, streamName, streamAsked, taking), (subject, args) =>
    checkStream(subject, ...args),
  ),
  command('list streams', fc.tuple(via, streamsAsked), (subject, args) => checkStreams(subject, ...args)),
  command('get', fc.tuple(via, place), (subject, args) => checkGet(subject, ...args)),
  command('head', fc.tuple(via, fc.option(streamName, { nil: undefined })), (subject, args) =>
    checkHead(subject, ...args),
  ),
  command('query', fc.tuple(via, queryAsked), (subject, args) => checkPage(subject, ...args)),
  command('count', fc.tuple(via, question), (subject, args) => checkCounts(subject, ...args)),
  command('read slowly', fc.array(intent, { minLength: 1, maxLength: 3 }), async (subject, intents) => {
    await subject.settleDeletions('store');
    const looking = subject.look('store');
    const shown: number[] = [];
    const left = [...intents];
    for await (const { sequence } of subject.store.read()) {
      shown.push(sequence);
      const next = left.shift();
      if (next !== undefined) await subject.begin(meant(subject, next));
    }
    const views = looking.views();
    const found = views.find((view) =>
      isDeepStrictEqual(
        seen(view).map(({ sequence }) => sequence),
        shown,
      ),
    );
    if (found === undefined)
      expect.fail(`a slow read shows ${shown}, not ${seen(views[0]!).map(({ sequence }) => sequence)}`);
    subject.see('store', found.log.length);
  }),
  command('verify', fc.constant(null), (subject) => subject.verify()),
];

const following: fc.Arbitrary<Command>[] = [
  command('follow', fc.constant(null), (subject) => subject.follow()),
  command('catch up', fc.constant(null), (subject) => subject.catchUp()),
  command('stop following', fc.constant(null), (subject) => subject.unfollow()),
];

const filling: fc.Arbitrary<Command>[] = [
  command(
    'fill the disk',
    fc.record({
      pending: fc.array(intent, { maxLength: 4 }),
      fullness: fc.constantFrom<Fullness>('no-log', 'no-growth'),
      more: fc.array(intent, { minLength: 1, maxLength: 2 }),
    }),
    async (subject, { pending, fullness, more }) => {
      if (!subject.world.canFill) return;
      for (const one of pending) await subject.begin(meant(subject, one));
      subject.model.mayBeFull = true;
      subject.world.fill(fullness);
      await subject.settle();
      for (const one of more) await subject.begin(meant(subject, one));
    },
  ),
  command('free the disk', fc.constant(null), (subject) => subject.free()),
];

const restarting: fc.Arbitrary<Command>[] = [
  command('close and open', opening, (subject, opening) => subject.reopen(opening)),
  command(
    'crash',
    fc.record({
      pending: fc.array(intent, { maxLength: 3 }),
      turns: fc.nat({ max: 2 }),
      looking: fc.boolean(),
      crash: fc.oneof(death, cut),
      opening,
      last: oneAppend,
    }),
    async (subject, { pending, turns, looking, crash, opening, last }) => {
      for (const one of pending) await subject.begin(meant(subject, one));
      for (let i = 0; i < turns; i++) await new Promise(setImmediate);
      // What is shown now must be there afterwards.
      if (looking) {
        await checkHead(subject, 'store', undefined);
        await checkRead(subject, 'follower', {}, { direction: 'backwards', limit: 1 }, 'toArray');
        await checkRead(subject, 'store', {}, { direction: 'backwards', limit: 1 }, 'toArray');
      }
      const possible: Crash = subject.world.canCut ? crash : { kind: 'process', when: 'now' };
      await subject.crash(possible, opening, meant(subject, last));
    },
  ),
];

const losing: fc.Arbitrary<Losing> = fc.oneof(
  fc.record({ kind: fc.constant('age' as const) }),
  fc.record({
    kind: fc.constant('bytes' as const),
    keep: fc.nat({ max: 3 }),
    less: fc.constantFrom(0 as const, 1 as const),
  }),
);
const keeping: fc.Arbitrary<Command>[] = [
  command('compact', fc.constant(null), async (subject) => subject.compact()),
  command('seal', fc.constant(null), async (subject) => subject.seal()),
  command('fill segments', fc.array(fullSegment, { minLength: 1, maxLength: 4 }), async (subject, intents) => {
    for (const one of intents) await subject.begin(meant(subject, one));
  }),
  command(
    'lose the beginning',
    fc.record({ filling: fc.array(fullSegment, { maxLength: 4 }), opening, losing }),
    async (subject, { filling, opening, losing }) => {
      await subject.free();
      for (const one of filling) await subject.begin(meant(subject, one));
      await checkPage(subject, 'store', { question: 0, direction: 'forwards', limit: 1, behind: undefined });
      const cursor = subject.cursors.length - 1;
      await loseBeginning(subject, opening, losing);
      // What is known of what is gone.
      await checkPage(subject, 'store', { question: 0, direction: 'forwards', limit: 1, behind: cursor });
      const oldest = subject.keyed[0];
      if (oldest !== undefined) await subject.begin(oldest);
      const [stream] = subject.model.log.map((entry) => entry.stream);
      if (stream !== undefined) await checkHead(subject, 'store', stream);
    },
  ),
  command('let time pass', fc.constant(MAX_AGE_MS / 2), async (_, ms) => passTime(ms)),
];

/** Each kind of command so often as it pays. */
export const commands: fc.Arbitrary<Command>[] = [
  ...appending,
  ...appending.slice(0, 3),
  ...appending.slice(0, 3),
  ...reading,
  ...reading.slice(0, 2),
  ...following,
  ...filling,
  ...restarting,
  ...keeping,
];

/** What an intent comes to as the log stands. */
function meant(subject: Subject, { parts, condition, ...rest }: Intent): Request {
  const { length } = subject.model.log;
  return {
    ...rest,
    ...(condition !== undefined && {
      condition: {
        match: condition.match,
        ...(condition.newest !== undefined && { after: Math.max(0, length - condition.newest) }),
      },
    }),
    parts: parts.map(({ stream, events, hope }) => {
      const expect = typeof hope === 'object' ? subject.model.lastRevision(stream) + hope.off : hope;
      return { stream, events, expect: typeof expect === 'number' && expect < 0 ? 'none' : expect };
    }),
  };
}

function changed(request: Request, change: string, key: string): Request {
  const [first, ...others] = request.parts as [Request['parts'][number], ...Request['parts']];
  const event = first.events[0]!;
  const withEvent = (changes: Partial<NewEvent>): Request => ({
    ...request,
    parts: [{ ...first, events: [{ ...event, ...changes }, ...first.events.slice(1)] }, ...others],
  });
  switch (change) {
    case 'data':
      return withEvent({ data: 'other' });
    case 'type':
      return withEvent({ type: 'Other' });
    case 'tags':
      return withEvent({ tags: ['other'] });
    case 'metadata':
      return withEvent({ metadata: { agent: 'other' } });
    case 'another key':
      return withEvent({ idempotencyKey: key });
    case 'stream':
      return { ...request, parts: [{ ...first, stream: 'elsewhere' }, ...others] };
    case 'one event less':
      return first.events.length === 1
        ? request
        : { ...request, parts: [{ ...first, events: first.events.slice(0, -1) }, ...others] };
    default:
      return request;
  }
}

async function wait(subject: Subject, how: string): Promise<void> {
  if (how === 'settled') await subject.settle();
  else if (how === 'a turn') await new Promise(setImmediate);
}

function short(text: string): string {
  return text.replace(/(.)\1{40,}/g, (run, letter) => `${letter}…${run.length}`).slice(0, 2000);
}
