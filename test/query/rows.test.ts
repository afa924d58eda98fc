/** The rows of a query: errors and when they come, positions, cursors across restarts, abort. */
import type { Store, Where } from 'keeperlog';
import { describe, expect, test } from 'vitest';
import { failure, refusal } from '../support/errors.js';
import { open, reopen } from '../support/stores.js';

async function openWith(count: number): Promise<Store> {
  const store = await open();
  await store.append(
    's',
    Array.from({ length: count }, (_, n) => ({ type: n % 2 === 0 ? 'Even' : 'Odd', data: { n } })),
  );
  return store;
}

const EVEN = { where: { type: { eq: 'Even' } } } as const;

describe('a query', () => {
  test('is refused at once in its structured form, and of CEL what the text does not say', async () => {
    const store = await openWith(1);
    expect(() => store.query({ where: { type: { eq: 5 as never } } })).toThrow('where.type.eq');
    expect(() => store.query('type == "A"', { limit: -1 })).toThrow('limit');
    expect(await refusal(() => store.query({ aggregat: {} } as never))).toEqual({
      code: 'ERR_INVALID_QUERY',
      path: 'aggregat',
    });
  });

  test('in CEL is refused at the first pull', async () => {
    const store = await openWith(1);
    const rows = store.query('type == "A" & true');
    expect(await refusal(() => rows.toArray())).toEqual({ code: 'ERR_INVALID_QUERY', path: 'query[12]' });
    expect((await refusal(() => store.query('typ == "A"').explain())).path).toBe('query[0]');
    expect((await refusal(() => store.query('typ == "A"').page())).path).toBe('query[0]');
  });

  test('is for a single use', async () => {
    const store = await openWith(3);
    const rows = store.query(EVEN);
    await rows.toArray();
    expect(await refusal(() => rows.page())).toEqual({ code: 'ERR_INVALID_QUERY', path: 'rows' });
  });

  test('of a closed store fails', async () => {
    const store = await openWith(3);
    const rows = store.query(EVEN);
    await store.close();
    await failure('ERR_CLOSED', () => rows.toArray());
    await failure('ERR_CLOSED', () => store.query(EVEN));
  });

  test('ends when it is aborted', async () => {
    const store = await openWith(3);
    const controller = new AbortController();
    controller.abort('enough');
    const error = await failure('ERR_ABORTED', () => store.query(EVEN, { signal: controller.signal }).toArray());
    expect(error.cause).toBe('enough');
    await failure('ERR_ABORTED', () => store.query('true', { signal: controller.signal }).toArray());
  });

  test('sees the system’s events as a read does', async () => {
    const store = await open();
    await store.append('s', { type: 'A' });
    expect(await store.query({}).toArray()).toHaveLength((await store.read().toArray()).length);
  });

  test('gives the thread back while it looks at many events in vain', async () => {
    const store = await openWith(1000);
    for (let i = 0; i < 60; i++)
      void store.append(
        's',
        Array.from({ length: 1000 }, () => ({ type: 'A', data: { n: 1 } })),
      );
    await store.flush();
    let turns = 0;
    const turn = setInterval(() => turns++, 0);
    await store.query({ where: { 'data.n': { eq: -1 } } }).toArray();
    clearInterval(turn);
    expect(turns).toBeGreaterThan(2);
  });
});

describe('the position', () => {
  test('is that of the row last handed out, and at the end that of the log', async () => {
    const store = await openWith(5);
    const rows = store.query({ where: { 'data.n': { lt: 3 } } });
    expect(rows.position).toBe(0);
    const positions: number[] = [];
    for await (const { sequence } of rows) positions.push(rows.position - sequence);
    expect(positions).toEqual([0, 0, 0]);
    expect(rows.position).toBe(5);
  });

  test('is the last row’s where the limit ended it', async () => {
    const store = await openWith(5);
    const rows = store.query({ ...EVEN, limit: 2 });
    await rows.toArray();
    expect(rows.position).toBe(3);
  });

  test('backwards is where it began', async () => {
    const store = await openWith(5);
    const rows = store.query({ ...EVEN, direction: 'backwards', limit: 1 });
    expect((await rows.toArray()).map(({ sequence }) => sequence)).toEqual([5]);
    expect(rows.position).toBe(5);
  });
});

describe('a cursor', () => {
  test('goes on after the store was closed and opened again, with events that came since', async () => {
    let store = await openWith(5);
    const first = await store.query({ ...EVEN, limit: 2 }).page();
    expect(first.items.map(({ sequence }) => sequence)).toEqual([1, 3]);
    store = await reopen(store);
    await store.append('s', { type: 'Even' });
    const second = await store.query({ ...EVEN, limit: 2, cursor: first.cursor }).page();
    expect(second.items.map(({ sequence }) => sequence)).toEqual([5, 6]);
    const third = await store.query({ ...EVEN, limit: 2, cursor: second.cursor }).page();
    expect(third).toEqual({ items: [], cursor: undefined });
  });

  test('backwards goes down, whatever came since', async () => {
    let store = await openWith(5);
    const query = { ...EVEN, direction: 'backwards', limit: 2 } as const;
    const first = await store.query(query).page();
    expect(first.items.map(({ sequence }) => sequence)).toEqual([5, 3]);
    store = await reopen(store);
    await store.append('s', { type: 'Even' });
    const { items, cursor } = await store.query({ ...query, cursor: first.cursor }).page();
    expect(items.map(({ sequence }) => sequence)).toEqual([1]);
    expect(cursor).toBeUndefined();
  });

  test('is absent at the end of the log, and with a limit that was not reached', async () => {
    const store = await openWith(5);
    expect((await store.query(EVEN).page()).cursor).toBeUndefined();
    expect((await store.query({ ...EVEN, limit: 4 }).page()).cursor).toBeUndefined();
    expect((await store.query({ ...EVEN, limit: 3 }).page()).cursor).toBeDefined();
  });

  test('of a page of nothing is the one that was given', async () => {
    const store = await openWith(5);
    const { cursor } = await store.query({ ...EVEN, limit: 1 }).page();
    expect(await store.query({ ...EVEN, limit: 0, cursor }).page()).toEqual({ items: [], cursor });
  });

  test.each(['forwards', 'backwards'] as const)(
    'of a page of nothing that begins %s leads to the first rows',
    async (direction) => {
      const store = await openWith(5);
      const query = { ...EVEN, direction };
      const { items, cursor } = await store.query({ ...query, limit: 0 }).page();
      expect(items).toEqual([]);
      const rows = (page: { items: { sequence: number }[] }): number[] => page.items.map(({ sequence }) => sequence);
      expect(cursor).toBeDefined();
      expect(rows(await store.query({ ...query, cursor }).page())).toEqual(rows(await store.query(query).page()));
    },
  );

  test('belongs to the question, in whichever form and with whatever limit and fields', async () => {
    const store = await openWith(9);
    const { cursor } = await store.query({ ...EVEN, limit: 2 }).page();
    const rows = store.query('"Even" == type', { limit: 3, cursor, select: ['sequence'] });
    expect(await rows.toArray()).toEqual([{ sequence: 5 }, { sequence: 7 }, { sequence: 9 }]);
  });

  test('is refused by another query, direction or store, and where it is none', async () => {
    const store = await openWith(5);
    const { cursor } = await store.query({ ...EVEN, limit: 1 }).page();
    const other = await openWith(5);
    const text = cursor!;
    const calls = [
      () => store.query({ where: { type: { eq: 'Odd' } }, cursor: text }).toArray(),
      () => store.query('type != "Even"', { cursor: text }).toArray(),
      () => store.query({ ...EVEN, direction: 'backwards', cursor: text }).toArray(),
      () => other.query({ ...EVEN, cursor: text }).toArray(),
      () => store.query({ ...EVEN, cursor: '' }).toArray(),
      () => store.query({ ...EVEN, cursor: 'x' }).toArray(),
      () => store.query({ ...EVEN, cursor: `${text}A` }).toArray(),
      () => store.query({ ...EVEN, cursor: `${text}=` }).toArray(),
      () => store.query({ ...EVEN, cursor: text.slice(1) }).toArray(),
      () => store.query({ ...EVEN, cursor: `B${text.slice(1)}` }).toArray(),
    ];
    for (const call of calls) expect(await refusal(call)).toEqual({ code: 'ERR_INVALID_QUERY', path: 'cursor' });
  });
});

describe('aggregates', () => {
  test('of no events are one group without groupBy, and none with it', async () => {
    const store = await openWith(2);
    const where = { type: { eq: 'None' } };
    const aggregate = { count: true, min: 'data.n', max: 'time' } as const;
    const none = { group: {}, count: 0, min: { 'data.n': null }, max: { time: null } };
    expect(await store.query({ where, aggregate }).toArray()).toEqual([none]);
    expect(await store.query({ where, aggregate, groupBy: 'type' }).toArray()).toEqual([]);
  });

  test('give the extremes of what has an order, numbers before times before texts', async () => {
    const store = await open();
    const values = [5, 7n, Number.NaN, null, true, [1], {}, new Date(9), 'b', '\u{1f600}', '\ufffd', -3.5];
    await store.append('s', [...values.map((v) => ({ type: 'V', data: { v } })), { type: 'V' }]);
    const extremes = async (where: Where) => {
      const [row] = await store.query({ where, aggregate: { min: 'data.v', max: 'data.v' } }).toArray();
      return [row!.min!['data.v'], row!.max!['data.v']];
    };
    expect(await extremes({})).toEqual([-3.5, '\u{1f600}']);
    expect(await extremes({ sequence: { lte: 8 } })).toEqual([5, new Date(9)]);
    expect(await extremes({ sequence: { lte: 2 } })).toEqual([5, 7n]);
    expect(await extremes({ sequence: { gte: 3, lte: 7 } })).toEqual([null, null]);
    expect(await extremes({ sequence: { eq: 8 } })).toEqual([new Date(9), new Date(9)]);
  });

  test('make groups in the order in which they are met', async () => {
    const store = await openWith(4);
    const rows = store.query({ aggregate: { count: true }, groupBy: ['type', 'session'] });
    expect(await rows.page()).toEqual({
      items: [
        { group: { type: 'Even', session: null }, count: 2 },
        { group: { type: 'Odd', session: null }, count: 2 },
      ],
      cursor: undefined,
    });
    expect(rows.position).toBe(4);
  });

  test('have a bound on groups', async () => {
    const store = await openWith(1);
    for (let i = 0; i < 11; i++)
      await store.append(
        's',
        Array.from({ length: 1000 }, () => ({ type: 'A' })),
      );
    const error = await failure('ERR_INVALID_QUERY', () =>
      store.query({ aggregate: { count: true }, groupBy: 'sequence' }).toArray(),
    );
    expect(error.path).toBe('groupBy');
  });
});
