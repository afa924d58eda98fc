/** What every event log keeps of the contract: appends. One suite, whatever implements the interface. */
import { type EventLog, isKeeperError, type NewEvent, parseEventId, type StoreOptions } from 'keeperlog';
import { verifyCheckpoint } from 'keeperlog/proof';
import { beforeAll, describe, expect, test } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import { describeDeletion } from './event-log-deletion.js';
import { describeReads } from './event-log-reads.js';

/** Limits that a test wants other than the default. */
export type LogOptions = Pick<StoreOptions, 'maxEventBytes' | 'maxBatchEvents' | 'maxBatchBytes' | 'dataCodec'>;

/** Opens a log of its own, which lives as long as the test or the suite that called. */
export type OpenLog = (options?: LogOptions) => Promise<EventLog>;

/** @param openShared opens one for a whole block of tests; the suite closes it */
export function describeEventLog(name: string, open: OpenLog, openShared: OpenLog): void {
  describe(`${name}: append`, () => describeAppend(open));
  describe(`${name}: expect`, () => describeExpect(open));
  describe(`${name}: condition`, () => describeCondition(open));
  describe(`${name}: what is refused`, () => describeRefusals(open, openShared));
  describe(`${name}: idempotency`, () => describeIdempotency(open));
  describe(`${name}: abort`, () => describeAbort(open));
  describe(`${name}: deleteStream`, () => describeDeletion(open));
  describe(`${name}: reads`, () => describeReads(openShared));
  describe(`${name}: proofs`, () => describeProofs(open));
  describe(`${name}: close`, () => describeClose(open));
}

const event = (data: unknown = null): NewEvent => ({ type: 'Noted', data });

function describeAppend(open: OpenLog): void {
  test('one event gets the first sequence and revision', async () => {
    const log = await open();
    const appended = await log.append('a', event());
    expect(appended).toMatchObject({ firstSequence: 1, lastSequence: 1, revision: 0, durability: 'synced' });
    expect(appended.duplicate).toBe(false);
    expect(appended.ids).toHaveLength(1);
    expect(parseEventId(appended.ids[0]!)?.sequence).toBe(1);
  });

  test('a list is appended in its order, with consecutive sequences and revisions', async () => {
    const log = await open();
    await log.append('a', event('before'));
    const appended = await log.append('a', [event(1), event(2), event(3)]);
    expect(appended).toMatchObject({ firstSequence: 2, lastSequence: 4, revision: 3 });
    const events = await log.readStream('a', { fromRevision: 1 }).toArray();
    expect(events.map(({ data }) => data)).toEqual([1, 2, 3]);
    expect(events.map(({ id }) => id)).toEqual(appended.ids);
    expect(events.map(({ revision }) => revision)).toEqual([1, 2, 3]);
  });

  test('streams have revisions of their own', async () => {
    const log = await open();
    await log.append('a', [event(), event()]);
    expect(await log.append('b', event())).toMatchObject({ firstSequence: 3, revision: 0 });
    expect(await log.append('a', event())).toMatchObject({ firstSequence: 4, revision: 2 });
  });

  test('an event comes back as it was appended', async () => {
    const log = await open();
    const given = {
      type: 'Tested',
      data: { text: 'grün', list: [1, 2n, null, true], at: new Date(-5), raw: new Uint8Array([7]), nan: Number.NaN },
      metadata: { agent: 'a', correlationId: 'c', session: 's', traceparent: 't', custom: { deep: 1n } },
      tags: ['task:42', 'file:ü'],
      causes: ['1700000000000000000_1_other'],
      schemaVersion: 3,
      idempotencyKey: 'key',
    };
    const { ids } = await log.append('a', given);
    const found = (await log.get(ids[0]!))!;
    const { type, data, metadata, tags, causes, schemaVersion, idempotencyKey } = found;
    expect({ type, data, metadata, tags, causes, schemaVersion, idempotencyKey }).toEqual(given);
  });

  test('what an event leaves out has its default', async () => {
    const log = await open();
    await log.append('a', { type: 't' });
    const found = (await log.get(1))!;
    expect(found.data).toBeNull();
    expect(found.metadata).toEqual({});
    expect(found.tags).toEqual([]);
    expect(found.causes).toEqual([]);
    expect(found.schemaVersion).toBe(1);
    expect(found.idempotencyKey).toBeUndefined();
  });

  test('a numeric cause is an earlier event of the same call', async () => {
    const log = await open();
    await log.append('x', event());
    const { ids } = await log.append('a', [event(), { ...event(), causes: [0] }, { ...event(), causes: [0, 1] }]);
    const events = await log.readStream('a').toArray();
    expect(events.map(({ causes }) => causes)).toEqual([[], [ids[0]], [ids[0], ids[1]]]);
  });

  test('input objects are encoded before the call returns, and not changed', async () => {
    const log = await open();
    const given = {
      type: 't',
      data: { n: 1, absent: undefined },
      metadata: { agent: 'a', x: [1] },
      tags: ['x'],
      causes: [],
    };
    const before = structuredClone(given);
    const appending = log.append('a', given);
    expect(given).toStrictEqual(before);
    given.data.n = 2;
    given.tags.push('late');
    given.metadata.agent = 'b';
    await appending;
    const found = (await log.get(1))!;
    expect(found.data).toStrictEqual({ n: 1 });
    expect(found.tags).toEqual(['x']);
    expect(found.metadata.agent).toBe('a');
  });

  test('frozen input is taken', async () => {
    const log = await open();
    const frozen = Object.freeze({ type: 't', data: Object.freeze({ n: 1 }), tags: Object.freeze(['a']) });
    await log.append('a', Object.freeze([frozen]));
    expect((await log.get(1))!.data).toEqual({ n: 1 });
  });

  test('calls keep their order, whatever is awaited', async () => {
    const log = await open();
    const appends = Array.from({ length: 200 }, (_, i) => log.append(`s${i % 7}`, event(i)));
    const results = await Promise.all(appends.reverse());
    expect(results.reverse().map(({ firstSequence }) => firstSequence)).toEqual(
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    const events = await log.read().toArray();
    expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });

  test('timestamps increase strictly, and ids compare as strings in append order', async () => {
    const log = await open();
    await Promise.all(Array.from({ length: 50 }, (_, i) => log.append('a', [event(i), event(), event()])));
    const events = await log.read().toArray();
    expect(events).toHaveLength(150);
    for (let i = 1; i < events.length; i++) {
      expect(events[i]!.timestampNs > events[i - 1]!.timestampNs).toBe(true);
      expect(events[i]!.id > events[i - 1]!.id).toBe(true);
    }
  });

  test.each(['synced', 'written', 'accepted'] as const)(
    'durability %s is what the result tells',
    async (durability) => {
      const log = await open();
      expect(await log.append('a', event(), { durability })).toMatchObject({ durability, revision: 0 });
      expect(await log.appendMany([{ stream: 'b', events: event() }], { durability })).toMatchObject({ durability });
      // Acknowledgements are in order: once this one is here, those before it are durable too.
      await log.append('c', event(), { durability: 'synced' });
      expect(await log.read().toArray()).toHaveLength(3);
    },
  );

  test('appendMany appends to several streams at once, and tells each one’s revision', async () => {
    const log = await open();
    await log.append('b', event());
    const appended = await log.appendMany([
      { stream: 'a', events: [event(1), event(2)] },
      { stream: 'b', events: event(3) },
    ]);
    expect(appended).toMatchObject({ firstSequence: 2, lastSequence: 4, revision: 1, revisions: { a: 1, b: 1 } });
    expect((await log.read({}, { from: 2 }).toArray()).map(({ stream, data }) => [stream, data])).toEqual([
      ['a', 1],
      ['a', 2],
      ['b', 3],
    ]);
  });

  test('appendMany takes streams that are named as members of objects are', async () => {
    const log = await open();
    const appended = await log.appendMany([
      { stream: '__proto__', events: event() },
      { stream: 'constructor', events: event() },
    ]);
    expect(Object.entries(appended.revisions)).toEqual([
      ['__proto__', 0],
      ['constructor', 0],
    ]);
  });

  test('appendMany numbers causes over the whole call', async () => {
    const log = await open();
    const { ids } = await log.appendMany([
      { stream: 'a', events: event() },
      { stream: 'b', events: { ...event(), causes: [0] } },
    ]);
    expect((await log.get(2))!.causes).toEqual([ids[0]]);
  });

  test('appendMany appends nothing where one part does not hold', async () => {
    const log = await open();
    const error = await failure('ERR_CONFLICT', () =>
      log.appendMany([
        { stream: 'a', events: event() },
        { stream: 'b', events: event(), expect: 'exists' },
      ]),
    );
    expect(error).toMatchObject({ stream: 'b', expected: 'exists', actual: 'none' });
    expect(await log.read().toArray()).toEqual([]);
    expect(await log.append('a', event(), { expect: 'none' })).toMatchObject({ firstSequence: 1, revision: 0 });
  });

  test('appendMany appends nothing where one event is invalid', async () => {
    const log = await open();
    const error = await failure('ERR_INVALID_EVENT', () =>
      log.appendMany([
        { stream: 'a', events: event() },
        { stream: 'b', events: [event(), { type: 't', data: { run: () => 1 } }] },
      ]),
    );
    expect(error.path).toBe('appends[1].events[1].data.run');
    expect(await log.append('a', event())).toMatchObject({ firstSequence: 1 });
  });
}

function describeExpect(open: OpenLog): void {
  test('a revision holds where it is the stream’s last', async () => {
    const log = await open();
    await log.append('a', [event(), event()]);
    expect(await log.append('a', event(), { expect: 1 })).toMatchObject({ revision: 2 });
  });

  test.each([
    ['a lower revision', 0, 1],
    ['a higher revision', 2, 1],
    ['none', 'none', 1],
  ] as const)('%s does not hold on a stream at 1', async (_, expected, actual) => {
    const log = await open();
    await log.append('a', [event(), event()]);
    const error = await failure('ERR_CONFLICT', () => log.append('a', event(), { expect: expected }));
    expect(error).toMatchObject({ stream: 'a', expected, actual, retryable: false, outcome: 'not-appended' });
    expect(error.hint).not.toBe('');
    expect((await log.head('a'))?.revision).toBe(1);
  });

  test.each([0, 3, 'exists'] as const)('%s does not hold on a stream that is not there', async (expected) => {
    const log = await open();
    const error = await failure('ERR_CONFLICT', () => log.append('a', event(), { expect: expected }));
    expect(error).toMatchObject({ stream: 'a', expected, actual: 'none' });
  });

  test('none holds on a stream that is not there', async () => {
    const log = await open();
    expect(await log.append('a', event(), { expect: 'none' })).toMatchObject({ revision: 0 });
  });

  test('exists holds on a stream that is there', async () => {
    const log = await open();
    await log.append('a', event());
    expect(await log.append('a', event(), { expect: 'exists' })).toMatchObject({ revision: 1 });
  });

  test('any holds always', async () => {
    const log = await open();
    expect(await log.append('a', event(), { expect: 'any' })).toMatchObject({ revision: 0 });
    expect(await log.append('a', event(), { expect: 'any' })).toMatchObject({ revision: 1 });
  });

  test('sees what is accepted and not durable yet', async () => {
    const log = await open();
    const first = log.append('a', event());
    const second = log.append('a', event(), { expect: 0 });
    expect((await first).revision).toBe(0);
    expect((await second).revision).toBe(1);
  });

  test('of racing appends lets exactly one win', async () => {
    const log = await open();
    const racing = Array.from({ length: 20 }, (_, i) => log.append('a', event(i), { expect: 'none' }));
    const results = await Promise.allSettled(racing);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', ...Array(19).fill('rejected')]);
    for (const result of results) {
      if (result.status === 'rejected') expect(isKeeperError(result.reason, 'ERR_CONFLICT')).toBe(true);
    }
    expect(await log.read().toArray()).toHaveLength(1);
  });

  test('that does not hold uses up no sequence', async () => {
    const log = await open();
    await log.append('a', event());
    await failure('ERR_CONFLICT', () => log.append('a', event(), { expect: 'none' }));
    expect(await log.append('a', event())).toMatchObject({ firstSequence: 2, revision: 1 });
  });

  test.each([-1, 1.5, 'some', null, Number.NaN])('%s is refused', async (expected) => {
    const log = await open();
    expect(await refusal(() => log.append('a', event(), { expect: expected as number }))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path: 'expect',
    });
  });
}

function describeCondition(open: OpenLog): void {
  test('an append is refused if an event behind a position matches, and let in otherwise', async () => {
    const log = await open();
    const named = (name: string) => ({ type: 'NameTaken', tags: [`name:${name}`] });
    const match = { types: 'NameTaken', tags: 'name:ada' };
    await log.append('names', [named('ada'), named('bob')], { condition: { match } });
    const error = await failure('ERR_CONDITION_FAILED', () =>
      log.append('names', named('ada'), { condition: { match } }),
    );
    expect(error).toMatchObject({ sequence: 1, outcome: 'not-appended', retryable: false });
    const rows = log.read(match);
    expect(await rows.toArray()).toHaveLength(1);
    const condition = { match, after: rows.position };
    expect(await log.append('names', named('ada'), { condition })).toMatchObject({ firstSequence: 3 });
    await failure('ERR_CONDITION_FAILED', () => log.appendMany([{ stream: 'x', events: named('x') }], { condition }));
  });

  test('of those that race, one wins', async () => {
    const log = await open();
    const condition = { match: { types: 'NameTaken' } };
    const race = Array.from({ length: 20 }, (_, i) => log.append(`s${i}`, { type: 'NameTaken' }, { condition }));
    const settled = await Promise.allSettled(race);
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await log.read().toArray()).toHaveLength(1);
  });
}

function describeRefusals(open: OpenLog, openShared: OpenLog): void {
  let log: EventLog;
  beforeAll(async () => {
    log = await openShared();
    return () => log.close();
  });

  const long = (bytes: number): string => 'x'.repeat(bytes);
  const many = <T>(count: number, item: T): T[] => Array.from({ length: count }, () => item);

  test.each<[string, unknown]>([
    ['is empty', ''],
    ['takes more than 512 bytes', long(513)],
    ['takes more than 512 bytes as UTF-8', 'ü'.repeat(257)],
    ['has a *', 'a*'],
    ['has a control character', 'a\nb'],
    ['has DEL', 'a\u007f'],
    ['has a control character of Latin-1', 'a\u0085'],
    ['begins with $', '$store'],
    ['has a lone surrogate', 'a\ud800'],
    ['is no string', 5],
  ])('a stream that %s', async (_, stream) => {
    const error = await failure('ERR_INVALID_EVENT', () => log.append(stream as string, event()));
    expect(error).toMatchObject({ path: 'stream', outcome: 'not-appended', retryable: false });
  });

  test.each<[string, unknown, string]>([
    ['a type that is missing', {}, 'event.type'],
    ['an empty type', { type: '' }, 'event.type'],
    ['a type of more than 256 bytes', { type: long(257) }, 'event.type'],
    ['a type of more than 256 bytes as UTF-8', { type: 'ü'.repeat(129) }, 'event.type'],
    ['a type with a *', { type: 'a*' }, 'event.type'],
    ['a type that is no string', { type: 7 }, 'event.type'],
    ['data that cannot be stored', { type: 't', data: { a: [1, () => 1] } }, 'event.data.a[1]'],
    ['metadata that cannot be stored', { type: 't', metadata: { a: { b: 2n ** 64n } } }, 'event.metadata.a.b'],
    ['metadata that is no object', { type: 't', metadata: 'x' }, 'event.metadata'],
    ['metadata that is a list', { type: 't', metadata: [] }, 'event.metadata'],
    ['metadata that is a class instance', { type: 't', metadata: new Map() }, 'event.metadata'],
    ['an agent that is no string', { type: 't', metadata: { agent: 1 } }, 'event.metadata.agent'],
    ['an empty agent', { type: 't', metadata: { agent: '' } }, 'event.metadata.agent'],
    ['an agent of more than 256 bytes', { type: 't', metadata: { agent: 'ü'.repeat(129) } }, 'event.metadata.agent'],
    ['a long session', { type: 't', metadata: { session: long(257) } }, 'event.metadata.session'],
    ['a long correlation id', { type: 't', metadata: { correlationId: long(257) } }, 'event.metadata.correlationId'],
    ['a traceparent that is no string', { type: 't', metadata: { traceparent: 1 } }, 'event.metadata.traceparent'],
    ['33 tags', { type: 't', tags: many(33, 'a') }, 'event.tags'],
    ['tags that are no list', { type: 't', tags: 'a' }, 'event.tags'],
    ['a tag that is no string', { type: 't', tags: ['a', 1] }, 'event.tags[1]'],
    ['an empty tag', { type: 't', tags: [''] }, 'event.tags[0]'],
    ['a tag of more than 256 bytes', { type: 't', tags: [long(257)] }, 'event.tags[0]'],
    ['a tag of more than 256 bytes as UTF-8', { type: 't', tags: ['a', 'ü'.repeat(129)] }, 'event.tags[1]'],
    ['a tag with a lone surrogate', { type: 't', tags: ['a', '\ud800'] }, 'event.tags[1]'],
    ['33 causes', { type: 't', causes: many(33, 'a') }, 'event.causes'],
    ['a cause of more than 256 bytes as UTF-8', { type: 't', causes: ['ü'.repeat(129)] }, 'event.causes[0]'],
    ['a cause that is no id', { type: 't', causes: [true] }, 'event.causes[0]'],
    ['a cause that is the event itself', { type: 't', causes: [0] }, 'event.causes[0]'],
    ['a cause below zero', { type: 't', causes: [-1] }, 'event.causes[0]'],
    ['a cause that is no integer', { type: 't', causes: [Number.NaN] }, 'event.causes[0]'],
    ['schema version 0', { type: 't', schemaVersion: 0 }, 'event.schemaVersion'],
    ['schema version 2^32', { type: 't', schemaVersion: 2 ** 32 }, 'event.schemaVersion'],
    ['a schema version that is no integer', { type: 't', schemaVersion: 1.5 }, 'event.schemaVersion'],
    ['an empty idempotency key', { type: 't', idempotencyKey: '' }, 'event.idempotencyKey'],
    ['an idempotency key of more than 256 bytes', { type: 't', idempotencyKey: long(257) }, 'event.idempotencyKey'],
    ['a member that there is not', { type: 't', tag: 'a' }, 'event.tag'],
    ['an event that is no object', 'x', 'event'],
    ['an event that is null', null, 'event'],
  ])('%s', async (_, given, path) => {
    const error = await failure('ERR_INVALID_EVENT', () => log.append('a', given as NewEvent));
    expect(error).toMatchObject({ path, outcome: 'not-appended', retryable: false });
    expect(error.message).toContain(path);
  });

  test('an event of a list, with its place', async () => {
    expect(await refusal(() => log.append('a', [event(), { type: '' }]))).toMatchObject({ path: 'events[1].type' });
    expect(await refusal(() => log.append('a', [event(), { ...event(), causes: [1] }]))).toMatchObject({
      path: 'events[1].causes[0]',
    });
  });

  test('a list without events', async () => {
    expect(await refusal(() => log.append('a', []))).toEqual({ code: 'ERR_INVALID_EVENT', path: 'events' });
  });

  test.each<[string, unknown, string, string]>([
    ['no appends', [], 'ERR_INVALID_EVENT', 'events'],
    ['appends that are no list', { stream: 'a' }, 'ERR_INVALID_EVENT', 'appends'],
    ['a part that is no object', [5], 'ERR_INVALID_EVENT', 'appends[0]'],
    ['a part without events', [{ stream: 'a', events: [] }], 'ERR_INVALID_EVENT', 'appends[0].events'],
    ['a part without a stream', [{ events: event() }], 'ERR_INVALID_EVENT', 'appends[0].stream'],
    [
      'a stream twice',
      [
        { stream: 'a', events: event() },
        { stream: 'a', events: event() },
      ],
      'ERR_INVALID_EVENT',
      'appends[1].stream',
    ],
    [
      'a member that there is not',
      [{ stream: 'a', events: event(), expected: 1 }],
      'ERR_INVALID_OPTIONS',
      'appends[0].expected',
    ],
    [
      'an expect that is none',
      [{ stream: 'a', events: event(), expect: -1 }],
      'ERR_INVALID_OPTIONS',
      'appends[0].expect',
    ],
  ])('appendMany with %s', async (_, appends, code, path) => {
    expect(await refusal(() => log.appendMany(appends as never))).toEqual({ code, path });
  });

  test.each<[string, unknown, string]>([
    ['a durability that there is not', { durability: 'fsynced' }, 'durability'],
    ['a signal that is none', { signal: {} }, 'signal'],
    ['an option that there is not', { expected: 1 }, 'expected'],
    ['a condition that is none', { condition: {} }, 'condition.match'],
    ['null', null, 'options'],
  ])('options with %s', async (_, options, path) => {
    expect(await refusal(() => log.append('a', event(), options as never))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path,
    });
    expect(await refusal(() => log.appendMany([{ stream: 'a', events: event() }], options as never))).toEqual({
      code: 'ERR_INVALID_OPTIONS',
      path,
    });
  });

  test('nothing of all that has left a trace', async () => {
    expect(await log.head()).toBeUndefined();
    expect(await log.append('a', event())).toMatchObject({ firstSequence: 1, revision: 0 });
  });

  test('names and labels of the greatest length are taken', async () => {
    const other = await open();
    const longest = 'ü'.repeat(128);
    const given = {
      type: longest,
      metadata: { agent: longest, session: longest, correlationId: longest },
      tags: Array.from({ length: 32 }, (_, i) => `${String(i).padStart(2, '0')}${'x'.repeat(254)}`),
      causes: many(32, long(256)),
      schemaVersion: 2 ** 32 - 1,
      idempotencyKey: longest,
    };
    await other.append('ü'.repeat(256), given);
    const found = (await other.get(1))!;
    expect(found.stream).toBe('ü'.repeat(256));
    expect(found.toObject()).toMatchObject(given);
  });

  test('an event over maxEventBytes', async () => {
    const other = await open({ maxEventBytes: 1024 });
    const error = await failure('ERR_EVENT_TOO_LARGE', () => other.append('a', event('x'.repeat(1000))));
    expect(error).toMatchObject({ limit: 1024, outcome: 'not-appended', retryable: false });
    expect(error.bytes).toBeGreaterThan(1024);
    expect(error.hint).toContain('maxEventBytes');
    expect(await other.append('a', event('x'.repeat(850)))).toMatchObject({ firstSequence: 1 });
  });

  test('metadata over maxEventBytes', async () => {
    const other = await open({ maxEventBytes: 1024 });
    await failure('ERR_EVENT_TOO_LARGE', () => other.append('a', { type: 't', metadata: { text: 'x'.repeat(2000) } }));
  });

  test('more events than maxBatchEvents', async () => {
    const other = await open({ maxBatchEvents: 3 });
    const error = await failure('ERR_BATCH_TOO_LARGE', () => other.append('a', many(4, event())));
    expect(error).toMatchObject({ limit: 3, events: 4, outcome: 'not-appended' });
    const parts = ['a', 'b', 'c', 'd'].map((stream) => ({ stream, events: event() }));
    await failure('ERR_BATCH_TOO_LARGE', () => other.appendMany(parts));
    expect(await other.append('a', many(3, event()))).toMatchObject({ firstSequence: 1, lastSequence: 3 });
  });

  test('more bytes than maxBatchBytes', async () => {
    const other = await open({ maxEventBytes: 1024, maxBatchBytes: 4096 });
    const error = await failure('ERR_BATCH_TOO_LARGE', () => other.append('a', many(5, event('x'.repeat(900)))));
    expect(error).toMatchObject({ limit: 4096, outcome: 'not-appended' });
    expect(error.bytes).toBeGreaterThan(4096);
    expect(await other.append('a', many(4, event('x'.repeat(900))))).toMatchObject({
      firstSequence: 1,
      lastSequence: 4,
    });
  });
}

function describeIdempotency(open: OpenLog): void {
  const keyed = (key: string, data: unknown = 1): NewEvent => ({ type: 't', data, idempotencyKey: key });

  test('a repeated call gets the first result', async () => {
    const log = await open();
    const first = await log.append('a', keyed('k'));
    await log.append('a', event());
    const second = await log.append('a', keyed('k'));
    expect(second).toEqual({ ...first, duplicate: true });
    expect(await log.read().toArray()).toHaveLength(2);
  });

  test('a repeated call that is still pending gets the same result', async () => {
    const log = await open();
    const [first, second] = await Promise.all([log.append('a', keyed('k')), log.append('a', keyed('k'))]);
    expect(second).toEqual({ ...first, duplicate: true });
    expect(await log.read().toArray()).toHaveLength(1);
  });

  test('a repeated list gets the first result', async () => {
    const log = await open();
    const call = [keyed('a'), event(), keyed('b')];
    const first = await log.append('s', call);
    expect(await log.append('s', call)).toEqual({ ...first, duplicate: true });
  });

  test('a repeated appendMany gets the first result, revisions too', async () => {
    const log = await open();
    const call = [
      { stream: 'a', events: keyed('a') },
      { stream: 'b', events: [event(), keyed('b')] },
    ];
    const [first, pending] = await Promise.all([log.appendMany(call), log.appendMany(call)]);
    expect(pending).toEqual({ ...first, duplicate: true });
    expect(await log.appendMany(call)).toEqual({ ...first, duplicate: true });
  });

  test('an appendMany that repeats an append tells revisions, also while that is pending', async () => {
    const log = await open();
    const [first, pending] = await Promise.all([
      log.append('a', keyed('k')),
      log.appendMany([{ stream: 'a', events: keyed('k') }]),
    ]);
    expect(pending).toEqual({ ...first, duplicate: true, revisions: { a: 0 } });
    expect(await log.appendMany([{ stream: 'a', events: keyed('k') }])).toEqual(pending);
  });

  test('is checked before expect', async () => {
    const log = await open();
    await log.append('a', keyed('k'), { expect: 'none' });
    expect(await log.append('a', keyed('k'), { expect: 'none' })).toMatchObject({ duplicate: true, revision: 0 });
  });

  test('a refused call leaves its key free', async () => {
    const log = await open();
    await failure('ERR_CONFLICT', () => log.append('a', keyed('k'), { expect: 'exists' }));
    expect(await log.append('a', keyed('k', 'other'))).toMatchObject({ duplicate: false, firstSequence: 1 });
  });

  test('metadata does not belong to the body', async () => {
    const log = await open();
    await log.append('a', { ...keyed('k'), metadata: { traceparent: '1' } });
    expect(await log.append('a', { ...keyed('k'), metadata: { traceparent: '2', agent: 'x' } })).toMatchObject({
      duplicate: true,
    });
  });

  test('members that stand in another order are the same body', async () => {
    const log = await open();
    await log.append('a', keyed('k', { a: 1, b: [2] }));
    expect(await log.append('a', keyed('k', { b: [2], a: 1 }))).toMatchObject({ duplicate: true });
  });

  test.each<[string, string, NewEvent | NewEvent[]]>([
    ['other data', 'a', keyed('k', 2)],
    ['another stream', 'b', keyed('k')],
    ['another type', 'a', { ...keyed('k'), type: 'u' }],
    ['other tags', 'a', { ...keyed('k'), tags: ['x'] }],
    ['other causes', 'a', { ...keyed('k'), causes: ['x'] }],
    ['another schema version', 'a', { ...keyed('k'), schemaVersion: 2 }],
    ['more events', 'a', [keyed('k'), event()]],
    ['more events before it', 'a', [event(), keyed('k')]],
    ['a new key beside it', 'a', [keyed('k'), keyed('new')]],
    ['a new key before it', 'a', [keyed('new'), keyed('k')]],
  ])('a known key with %s is refused, pending or durable', async (_, stream, call) => {
    const log = await open();
    const first = log.append('a', keyed('k'));
    const reused = await failure('ERR_IDEMPOTENCY_REUSED', () => log.append(stream, call));
    expect(reused).toMatchObject({ key: 'k', outcome: 'not-appended', retryable: false });
    await first;
    expect(await failure('ERR_IDEMPOTENCY_REUSED', () => log.append(stream, call))).toMatchObject({ key: 'k' });
    expect(await log.read().toArray()).toHaveLength(1);
    expect(await log.append('z', keyed('new'))).toMatchObject({ duplicate: false });
  });

  test('a part of a call is no repetition of it', async () => {
    const log = await open();
    await log.append('a', [keyed('a'), keyed('b')]);
    await failure('ERR_IDEMPOTENCY_REUSED', () => log.append('a', keyed('a')));
    await failure('ERR_IDEMPOTENCY_REUSED', () => log.append('a', keyed('b')));
  });

  test('keys of two calls together are refused', async () => {
    const log = await open();
    await log.append('a', keyed('a'));
    await log.append('a', keyed('b'));
    await failure('ERR_IDEMPOTENCY_REUSED', () => log.append('a', [keyed('a'), keyed('b')]));
  });

  test('a key that stands twice in a call is refused', async () => {
    const log = await open();
    const error = await failure('ERR_IDEMPOTENCY_REUSED', () => log.append('a', [keyed('k'), keyed('k')]));
    expect(error.key).toBe('k');
    expect(await log.append('a', keyed('k'))).toMatchObject({ firstSequence: 1 });
  });
}

function describeAbort(open: OpenLog): void {
  test('before the call appends nothing', async () => {
    const log = await open();
    const reason = new Error('changed my mind');
    const error = await failure('ERR_ABORTED', () => log.append('a', event(), { signal: AbortSignal.abort(reason) }));
    expect(error).toMatchObject({ name: 'AbortError', cause: reason, outcome: 'not-appended' });
    expect(await log.append('a', event())).toMatchObject({ firstSequence: 1 });
  });

  test('after acceptance ends the waiting alone', async () => {
    const log = await open();
    const controller = new AbortController();
    const appending = log.append('a', event('kept'), { signal: controller.signal });
    controller.abort();
    const error = await failure('ERR_ABORTED', () => appending);
    expect(error).toMatchObject({ name: 'AbortError', outcome: 'unknown' });
    await log.append('a', event());
    expect((await log.get(1))!.data).toBe('kept');
  });

  test('after the result changes nothing', async () => {
    const log = await open();
    const controller = new AbortController();
    await log.append('a', event(), { signal: controller.signal });
    controller.abort();
    expect(await log.append('a', event())).toMatchObject({ firstSequence: 2 });
  });

  test('of a read ends it with the signal’s reason', async () => {
    const log = await open();
    await log.append('a', event());
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    expect((await failure('ERR_ABORTED', () => log.read({}, { signal }).toArray())).cause).toBe(reason);
    expect((await failure('ERR_ABORTED', () => log.readStream('a', { signal }).toArray())).cause).toBe(reason);
    expect((await failure('ERR_ABORTED', () => log.streams({ signal }).toArray())).cause).toBe(reason);
  });
}

function describeProofs(open: OpenLog): void {
  test('are verified by what the log has signed, without the log', async () => {
    const log = await open();
    const { ids } = await log.append('a', [event(1), event(2)]);
    const { size, publicKey, text } = await log.checkpoint();
    expect(size).toBe(2);
    const proof = await log.prove(ids[1]!);
    expect(proof).toMatchObject({ kind: 'inclusion', sequence: 2, checkpoint: text });
    expect(await verifyCheckpoint(text, publicKey)).toMatchObject({ size: 2 });
    await failure('ERR_NOT_FOUND', () => log.prove(3));
  });
}

function describeClose(open: OpenLog): void {
  test('waits for what is pending', async () => {
    const log = await open();
    const appends = Array.from({ length: 100 }, (_, i) => log.append('a', event(i)));
    await log.close();
    const results = await Promise.all(appends);
    expect(results.at(-1)).toMatchObject({ lastSequence: 100 });
  });

  test('may be called again', async () => {
    const log = await open();
    await Promise.all([log.close(), log.close()]);
    await log.close();
  });

  test('everything after it is refused with ERR_CLOSED', async () => {
    const log = await open();
    await log.append('a', event());
    const rows = log.read();
    await log.close();
    const calls: Record<string, () => Promise<unknown>> = {
      append: () => log.append('a', event()),
      appendMany: () => log.appendMany([{ stream: 'a', events: event() }]),
      get: () => log.get(1),
      read: async () => log.read().toArray(),
      rows: () => rows.toArray(),
      readStream: async () => log.readStream('a').first(),
      head: () => log.head(),
      streams: async () => log.streams().toArray(),
    };
    for (const [name, call] of Object.entries(calls)) {
      expect(await refusal(call), name).toMatchObject({ code: 'ERR_CLOSED' });
    }
  });
}
