/** What every event log keeps of the contract: reads. */
import { inspect } from 'node:util';
import type { Bound, EventLog, ReadOptions, ReadStreamOptions } from 'keeperlog';
import { beforeAll, describe, expect, test } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import type { OpenLog } from './event-log.js';

/** Every row is an event: stream, type, tags, metadata. */
const EVENTS: [string, string, string[], { agent?: string; correlationId?: string; session?: string }][] = [
  ['task/1', 'TaskStarted', ['task:1', 'p:high'], { agent: 'ada', correlationId: 'c1', session: 's1' }],
  ['task/2', 'TaskStarted', ['task:2'], { agent: 'bob', correlationId: 'c2', session: 's1' }],
  ['task/1', 'TaskNoted', ['task:1'], { agent: 'ada', correlationId: 'c1' }],
  ['user.a', 'UserAdded', [], {}],
  ['task/1', 'TaskDone', ['task:1', 'p:high'], { agent: 'eve', session: 's2' }],
  ['userXa', 'UserAdded', ['p:high'], { agent: 'bob' }],
  ['task/2', 'TaskDone', ['task:2', 'p:low', 'p:high'], { agent: 'bob', correlationId: 'c2' }],
  ['zeile\u2028um', 'Ünïcode', ['ü'], { agent: 'ü' }],
];

export function describeReads(openShared: OpenLog): void {
  let log: EventLog;
  let ids: string[];
  const sequencesOf = async (selector: unknown, options?: ReadOptions): Promise<number[]> => {
    const events = await log.read(selector as object, options).toArray();
    return events.map(({ sequence }) => sequence);
  };

  beforeAll(async () => {
    log = await openShared();
    ids = [];
    for (const [i, [stream, type, tags, metadata]] of EVENTS.entries()) {
      ids.push(...(await log.append(stream, { type, data: { i, raw: new Uint8Array([i]) }, tags, metadata })).ids);
    }
    return () => log.close();
  });

  describe('get', () => {
    test('finds an event by its id and by its sequence', async () => {
      expect((await log.get(ids[2]!))?.sequence).toBe(3);
      expect((await log.get(3))?.id).toBe(ids[2]);
    });

    test('finds nothing beyond the log', async () => {
      expect(await log.get(0)).toBeUndefined();
      expect(await log.get(EVENTS.length + 1)).toBeUndefined();
    });

    test('matches an id whole', async () => {
      const [timestamp, sequence, node] = ids[0]!.split('_');
      expect(await log.get(`${timestamp}_${sequence}_other`)).toBeUndefined();
      expect(await log.get(`${BigInt(timestamp!) + 1n}_${sequence}_${node}`)).toBeUndefined();
      expect(await log.get(`${timestamp}_${Number(sequence) + 1}_${node}`)).toBeUndefined();
    });

    test.each(['', 'x', '12', -1, 1.5, Number.NaN, null, undefined, {}])('refuses %j', async (id) => {
      expect(await refusal(() => log.get(id as string))).toEqual({ code: 'ERR_INVALID_QUERY', path: 'id' });
    });
  });

  describe('head', () => {
    test('is the last event of the log', async () => {
      expect(await log.head()).toEqual({ sequence: 8, id: ids[7] });
    });

    test('is the last event of a stream, with its revision', async () => {
      expect(await log.head('task/1')).toEqual({ sequence: 5, revision: 2, id: ids[4] });
    });

    test('is undefined where there is none', async () => {
      expect(await log.head('nobody')).toBeUndefined();
    });
  });

  describe('bounds', () => {
    const all = [1, 2, 3, 4, 5, 6, 7, 8];
    type Case = [string, (of: (sequence: number) => string) => ReadOptions, number[]];
    test.each<Case>([
      ['nothing', () => ({}), all],
      ['from a sequence', () => ({ from: 6 }), [6, 7, 8]],
      ['from 0', () => ({ from: 0 }), all],
      ['from an id', (of) => ({ from: of(6) }), [6, 7, 8]],
      ['from start', () => ({ from: 'start' }), all],
      ['from end', () => ({ from: 'end' }), [8]],
      ['from beyond the end', () => ({ from: 100 }), []],
      ['after a sequence', () => ({ after: 6 }), [7, 8]],
      ['after 0', () => ({ after: 0 }), all],
      ['after an id', (of) => ({ after: of(6) }), [7, 8]],
      ['after start', () => ({ after: 'start' }), [2, 3, 4, 5, 6, 7, 8]],
      ['after end', () => ({ after: 'end' }), []],
      ['to a sequence', () => ({ to: 2 }), [1, 2]],
      ['to 0', () => ({ to: 0 }), []],
      ['to an id', (of) => ({ to: of(2) }), [1, 2]],
      ['to start', () => ({ to: 'start' }), [1]],
      ['to end', () => ({ to: 'end' }), all],
      ['to beyond the end', () => ({ to: 100 }), all],
      ['from and to', () => ({ from: 3, to: 5 }), [3, 4, 5]],
      ['from above to', () => ({ from: 5, to: 3 }), []],
      ['after and to', () => ({ after: 3, to: 5 }), [4, 5]],
      ['a limit', () => ({ from: 3, limit: 2 }), [3, 4]],
      ['limit 0', () => ({ limit: 0 }), []],
      ['backwards', () => ({ direction: 'backwards' }), [8, 7, 6, 5, 4, 3, 2, 1]],
      ['backwards from a sequence', () => ({ direction: 'backwards', from: 3 }), [3, 2, 1]],
      ['backwards from an id', (of) => ({ direction: 'backwards', from: of(3) }), [3, 2, 1]],
      ['backwards from end', () => ({ direction: 'backwards', from: 'end', limit: 2 }), [8, 7]],
      ['backwards from start', () => ({ direction: 'backwards', from: 'start' }), [1]],
      ['backwards from beyond the end', () => ({ direction: 'backwards', from: 100, limit: 1 }), [8]],
      ['backwards after a sequence', () => ({ direction: 'backwards', after: 3 }), [2, 1]],
      ['backwards to a sequence', () => ({ direction: 'backwards', to: 7 }), [8, 7]],
      ['backwards to start', () => ({ direction: 'backwards', to: 'start', from: 2 }), [2, 1]],
      ['backwards to end', () => ({ direction: 'backwards', to: 'end' }), [8]],
      ['backwards from and to', () => ({ direction: 'backwards', from: 5, to: 3 }), [5, 4, 3]],
      ['backwards from below to', () => ({ direction: 'backwards', from: 3, to: 5 }), []],
      ['backwards with limit 0', () => ({ direction: 'backwards', limit: 0 }), []],
    ])('%s', async (_, options, expected) => {
      expect(
        await sequencesOf(
          undefined,
          options((sequence) => ids[sequence - 1]!),
        ),
      ).toEqual(expected);
    });

    test('a Date stands for its whole millisecond, at either end', async () => {
      const events = await log.read().toArray();
      for (const { time } of events) {
        const within = events.filter((event) => event.time.getTime() === time.getTime()).map((event) => event.sequence);
        const since = events.filter((event) => event.time >= time).map((event) => event.sequence);
        const until = events.filter((event) => event.time <= time).map((event) => event.sequence);
        expect(await sequencesOf({}, { from: time })).toEqual(since);
        expect(await sequencesOf({}, { to: time })).toEqual(until);
        expect(await sequencesOf({}, { from: time, to: time })).toEqual(within);
        expect(await sequencesOf({}, { after: time })).toEqual(since.filter((sequence) => !within.includes(sequence)));
        expect(await sequencesOf({}, { direction: 'backwards', from: time })).toEqual(until.reverse());
        expect(await sequencesOf({}, { direction: 'backwards', to: time })).toEqual(since.reverse());
      }
    });

    test('a Date before the log or after it has no event of its own', async () => {
      expect(await sequencesOf({}, { from: new Date(0) })).toEqual(all);
      expect(await sequencesOf({}, { to: new Date(-1) })).toEqual([]);
      expect(await sequencesOf({}, { from: new Date('2200-01-01') })).toEqual([]);
      expect(await sequencesOf({}, { to: new Date('2200-01-01') })).toEqual(all);
      expect(await sequencesOf({}, { direction: 'backwards', from: new Date('2200-01-01') })).toEqual(
        [...all].reverse(),
      );
    });

    test.each(['from', 'to', 'after'])('an id that is not there is ERR_NOT_FOUND in %s', async (bound) => {
      const [timestamp, sequence] = ids[3]!.split('_');
      for (const id of [`${timestamp}_${sequence}_other`, `${timestamp}_100_node`]) {
        await failure('ERR_NOT_FOUND', () => log.read({}, { [bound]: id }).toArray());
      }
    });

    test.each<[string, unknown]>([
      ['from', 'x'],
      ['from', -1],
      ['to', 1.5],
      ['to', Number.NaN],
      ['after', new Date(Number.NaN)],
      ['after', null],
      ['from', {}],
      ['limit', -1],
      ['limit', 1.5],
      ['limit', '1'],
      ['direction', 'sideways'],
      ['signal', {}],
      ['form', 1],
    ])('%s: %j is refused', async (path, value) => {
      expect(await refusal(() => log.read({}, { [path]: value as Bound }).toArray())).toEqual({
        code: 'ERR_INVALID_QUERY',
        path,
      });
    });

    test('from and after together are refused', async () => {
      expect(await refusal(() => log.read({}, { from: 1, after: 1 }).toArray())).toEqual({
        code: 'ERR_INVALID_QUERY',
        path: 'after',
      });
    });
  });

  describe('selectors', () => {
    test.each<[string, unknown, number[]]>([
      ['none', undefined, [1, 2, 3, 4, 5, 6, 7, 8]],
      ['an empty one', {}, [1, 2, 3, 4, 5, 6, 7, 8]],
      ['a stream', { streams: 'task/1' }, [1, 3, 5]],
      ['a list of streams', { streams: ['task/1', 'user.a'] }, [1, 3, 4, 5]],
      ['a pattern of streams', { streams: 'task/*' }, [1, 2, 3, 5, 7]],
      ['a pattern in the middle', { streams: 'u*a' }, [4, 6]],
      ['a pattern of everything', { streams: '*' }, [1, 2, 3, 4, 5, 6, 7, 8]],
      ['a pattern that goes over line ends', { streams: 'zeile*um' }, [8]],
      ['a point, which is no pattern', { streams: 'user.*' }, [4]],
      ['patterns and names together', { streams: ['task/2', 'user*'] }, [2, 4, 6, 7]],
      ['a type', { types: 'TaskDone' }, [5, 7]],
      ['a pattern of types', { types: '*Done' }, [5, 7]],
      ['several patterns of types', { types: ['User*', '*ted'] }, [1, 2, 3, 4, 6]],
      ['a tag', { tags: 'p:high' }, [1, 5, 6, 7]],
      ['tags, which all have to be there', { tags: ['task:2', 'p:high'] }, [7]],
      ['a tag with *, which is no pattern', { tags: 'p:*' }, []],
      ['an agent', { agent: 'ada' }, [1, 3]],
      ['a list of agents', { agent: ['ada', 'eve', 'nobody'] }, [1, 3, 5]],
      ['a correlation id', { correlationId: 'c2' }, [2, 7]],
      ['a session', { session: ['s1', 's2'] }, [1, 2, 5]],
      ['fields, which all have to match', { streams: 'task/*', types: 'TaskDone', tags: 'task:2', agent: 'bob' }, [7]],
      ['a list, of which any may match', [{ streams: 'user.a' }, { types: 'TaskDone', tags: 'task:1' }], [4, 5]],
      ['a list with an empty one', [{ streams: 'nobody' }, {}], [1, 2, 3, 4, 5, 6, 7, 8]],
      ['what nothing matches', { streams: 'nobody' }, []],
      ['absent fields', { streams: undefined, types: 'TaskNoted' }, [3]],
      ['letters that mean something in patterns elsewhere', { streams: 'task/[12]*' }, []],
    ])('%s', async (_, selector, expected) => {
      expect(await sequencesOf(selector)).toEqual(expected);
      expect(await sequencesOf(selector, { direction: 'backwards' })).toEqual([...expected].reverse());
      expect(await sequencesOf(selector, { limit: 2 })).toEqual(expected.slice(0, 2));
    });

    test.each<[string, unknown, string]>([
      ['an empty list', [], 'selector'],
      ['an empty list of streams', { streams: [] }, 'selector.streams'],
      ['an empty list of tags', { tags: [] }, 'selector.tags'],
      ['an empty string', { types: '' }, 'selector.types'],
      ['a value that is no string', { agent: 1 }, 'selector.agent'],
      ['an item that is no string', { tags: ['a', 1] }, 'selector.tags[1]'],
      ['a key that there is not', { stream: 'a' }, 'selector.stream'],
      ['a key that there is not, in a list', [{}, { tag: 'a' }], 'selector[1].tag'],
      ['a string', 'a', 'selector'],
      ['null', null, 'selector'],
      ['null in a list', [null], 'selector[0]'],
      ['a list in a list', [[]], 'selector[0]'],
    ])('%s is refused', async (_, selector, path) => {
      expect(await refusal(() => log.read(selector as object).toArray())).toEqual({ code: 'ERR_INVALID_QUERY', path });
    });
  });

  describe('readStream', () => {
    test.each<[string, ReadStreamOptions, number[]]>([
      ['all of it', {}, [0, 1, 2]],
      ['from a revision', { fromRevision: 1 }, [1, 2]],
      ['to a revision', { toRevision: 1 }, [0, 1]],
      ['from and to', { fromRevision: 1, toRevision: 1 }, [1]],
      ['from above to', { fromRevision: 2, toRevision: 1 }, []],
      ['from beyond the end', { fromRevision: 9 }, []],
      ['to beyond the end', { toRevision: 9 }, [0, 1, 2]],
      ['a limit', { limit: 2 }, [0, 1]],
      ['limit 0', { limit: 0 }, []],
      ['backwards', { direction: 'backwards' }, [2, 1, 0]],
      ['backwards from a revision', { direction: 'backwards', fromRevision: 1 }, [1, 0]],
      ['backwards to a revision', { direction: 'backwards', toRevision: 1 }, [2, 1]],
      ['backwards from and to', { direction: 'backwards', fromRevision: 2, toRevision: 1 }, [2, 1]],
      ['backwards from below to', { direction: 'backwards', fromRevision: 1, toRevision: 2 }, []],
      ['backwards from beyond the end', { direction: 'backwards', fromRevision: 9, limit: 1 }, [2]],
    ])('%s', async (_, options, expected) => {
      const events = await log.readStream('task/1', options).toArray();
      expect(events.map(({ revision }) => revision)).toEqual(expected);
      expect(events.every(({ stream }) => stream === 'task/1')).toBe(true);
    });

    test('is empty where there is no such stream', async () => {
      expect(await log.readStream('nobody').toArray()).toEqual([]);
      expect(await log.readStream('task/').toArray()).toEqual([]);
    });

    test.each<[string, unknown]>([
      ['fromRevision', -1],
      ['toRevision', 0.5],
      ['fromRevision', '0'],
      ['limit', -1],
      ['direction', 'up'],
      ['from', 1],
    ])('%s: %j is refused', async (path, value) => {
      expect(await refusal(() => log.readStream('task/1', { [path]: value }).toArray())).toEqual({
        code: 'ERR_INVALID_QUERY',
        path,
      });
    });

    test.each(['', undefined, 5, 'task/*'])('stream %j is refused', async (stream) => {
      expect(await refusal(() => log.readStream(stream as string).toArray())).toEqual({
        code: 'ERR_INVALID_QUERY',
        path: 'stream',
      });
    });

    test('a pattern is refused by head as well', async () => {
      expect(await refusal(() => log.head('task/*'))).toEqual({ code: 'ERR_INVALID_QUERY', path: 'stream' });
    });
  });

  describe('streams', () => {
    const names = ['task/1', 'task/2', 'user.a', 'userXa', 'zeile\u2028um'];

    test('are listed by name, with their revision and range', async () => {
      const streams = await log.streams().toArray();
      expect(streams.map(({ stream }) => stream)).toEqual(names);
      expect(streams[0]).toEqual({ stream: 'task/1', revision: 2, firstSequence: 1, lastSequence: 5 });
      expect(streams[1]).toEqual({ stream: 'task/2', revision: 1, firstSequence: 2, lastSequence: 7 });
    });

    test.each<[string, object, string[]]>([
      ['with a prefix', { prefix: 'user' }, ['user.a', 'userXa']],
      ['with a prefix that none has', { prefix: 'x' }, []],
      ['after a name', { after: 'task/2' }, ['user.a', 'userXa', 'zeile\u2028um']],
      ['after a name that is not there', { after: 'task/1x' }, ['task/2', 'user.a', 'userXa', 'zeile\u2028um']],
      ['a limited number', { limit: 2 }, ['task/1', 'task/2']],
      ['none at all', { limit: 0 }, []],
      ['all of that together', { prefix: 'task', after: 'task/1', limit: 1 }, ['task/2']],
    ])('%s', async (_, options, expected) => {
      const streams = await log.streams(options).toArray();
      expect(streams.map(({ stream }) => stream)).toEqual(expected);
    });

    test('null for options is refused, here and by every other read', async () => {
      for (const read of [() => log.streams(null!), () => log.read({}, null!), () => log.readStream('a', null!)]) {
        expect(await refusal(() => read().toArray())).toEqual({ code: 'ERR_INVALID_QUERY', path: 'options' });
      }
    });

    test.each<[string, unknown]>([
      ['prefix', 1],
      ['after', 1],
      ['limit', -1],
      ['from', 'a'],
    ])('%s: %j is refused', async (path, value) => {
      expect(await refusal(() => log.streams({ [path]: value }).toArray())).toEqual({
        code: 'ERR_INVALID_QUERY',
        path,
      });
    });
  });

  describe('rows', () => {
    test('are iterated', async () => {
      const seen: number[] = [];
      for await (const { sequence } of log.read({}, { from: 7 })) seen.push(sequence);
      expect(seen).toEqual([7, 8]);
    });

    test('come in batches', async () => {
      const seen: number[] = [];
      for await (const batch of log.read().batches()) {
        expect(Array.isArray(batch)).toBe(true);
        expect(batch.length).toBeGreaterThan(0);
        seen.push(...batch.map(({ sequence }) => sequence));
      }
      expect(seen).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    });

    test('give their first one, or undefined', async () => {
      expect((await log.read({ types: 'TaskDone' }).first())?.sequence).toBe(5);
      expect(await log.read({ types: 'Nothing' }).first()).toBeUndefined();
    });

    test('are for a single use', async () => {
      const rows = log.read();
      await rows.toArray();
      for (const again of [
        () => rows.toArray(),
        () => rows.first(),
        () => rows.batches()[Symbol.asyncIterator]().next(),
      ]) {
        expect(await refusal(again)).toEqual({ code: 'ERR_INVALID_QUERY', path: 'rows' });
      }
    });

    test('begin nothing before the first pull', async () => {
      log.read({}, { from: `${'1'.repeat(19)}_1_nobody` });
      const rows = log.read();
      expect(rows.position).toBe(0);
      await log.append('later', { type: 'Late' });
      expect(await rows.toArray()).toHaveLength(EVENTS.length + 1);
    });

    test('end at what was durable at the first pull', async () => {
      const before = (await log.head())!.sequence;
      let count = 0;
      for await (const _ of log.read()) {
        if (count++ < 3) await log.append('later', { type: 'Late' });
      }
      expect(count).toBe(before);
    });

    test('tell their position: that of the last one handed out', async () => {
      const rows = log.read({ streams: 'task/*' });
      const positions: number[] = [];
      for await (const { sequence } of rows) {
        expect(rows.position).toBe(sequence);
        positions.push(rows.position);
      }
      expect(positions).toEqual([1, 2, 3, 5, 7]);
    });

    test('tell as position at their end what was looked at, matching or not', async () => {
      const { sequence } = (await log.head())!;
      const nothing = log.read({ types: 'Nothing' });
      await nothing.toArray();
      expect(nothing.position).toBe(sequence);
      const bounded = log.read({ types: 'Nothing' }, { to: 4 });
      await bounded.toArray();
      expect(bounded.position).toBe(4);
    });

    test('tell as position the last one where a limit ended them', async () => {
      const rows = log.read({ streams: 'task/1' }, { limit: 2 });
      await rows.toArray();
      expect(rows.position).toBe(3);
    });

    test('of a stream tell as position at their end what was looked at, backwards from the first on', async () => {
      const { sequence } = (await log.head())!;
      const none = log.readStream('task/1', { fromRevision: 2, toRevision: 1 });
      expect(await none.toArray()).toEqual([]);
      expect(none.position).toBe(sequence);
      const last = log.readStream('task/1', { direction: 'backwards', limit: 1 });
      for await (const _ of last) expect(last.position).toBe(sequence);
      expect(last.position).toBe(sequence);
      const limited = log.readStream('task/1', { limit: 2 });
      await limited.toArray();
      expect(limited.position).toBe(3);
    });

    test('tell as position backwards where they began', async () => {
      const rows = log.read({ streams: 'task/1' }, { direction: 'backwards', from: 6 });
      for await (const _ of rows) expect(rows.position).toBe(6);
      expect(rows.position).toBe(6);
    });

    test('may be left before their end', async () => {
      for await (const { sequence } of log.read()) if (sequence === 2) break;
      expect((await log.read().first())?.sequence).toBe(1);
    });
  });

  describe('an event', () => {
    test('is decoded anew for each reader', async () => {
      const [first] = await log.read({}, { limit: 1 }).toArray();
      const [second] = await log.read({}, { limit: 1 }).toArray();
      first!.data.i = 'changed';
      first!.data.raw[0] = 99;
      expect(second!.data).toEqual({ i: 0, raw: new Uint8Array([0]) });
      expect((await log.get(1))!.data).toEqual({ i: 0, raw: new Uint8Array([0]) });
    });

    test('owns its bytes', async () => {
      const [event] = await log.read({}, { limit: 1 }).toArray();
      // Not a view on a block of the log, nor on the cache.
      expect(event!.data.raw.buffer.byteLength).toBeLessThan(64);
    });

    test('has the time of its timestamp', async () => {
      const event = (await log.get(2))!;
      expect(event.time.getTime()).toBe(Number(event.timestampNs / 1_000_000n));
      expect(event.id).toBe(`${event.timestampNs}_2_${event.id.split('_')[2]}`);
    });

    test('is plain data as JSON, as an object and when it is inspected', async () => {
      const event = (await log.get(3))!;
      const expected = {
        id: ids[2],
        sequence: 3,
        stream: 'task/1',
        revision: 1,
        timestampNs: String(event.timestampNs),
        time: event.time.toISOString(),
        type: 'TaskNoted',
        data: { i: 2, raw: new Uint8Array([2]) },
        metadata: { agent: 'ada', correlationId: 'c1' },
        tags: ['task:1'],
        causes: [],
        schemaVersion: 1,
      };
      expect(event.toJSON()).toEqual(expected);
      expect(event.toObject()).toEqual(expected);
      expect(JSON.parse(JSON.stringify(event))).toEqual(JSON.parse(JSON.stringify(expected)));
      expect(inspect(event)).toContain("stream: 'task/1'");
    });
  });
}
