/** Counts, pages, and what is read for a result, in the store of the bench of asking. */
import type { Query, QueryRows, Rows } from 'keeperlog';
import type { Measured } from './ask-proofs.js';
import { type Asked, correlationOf, correlations, RESULTS, STRIDE, streamOf, streams } from './ask-store.js';
import { median } from './report.js';
import { timed } from './timing.js';

const COUNTS = 5;
const PAGE = 100;
const FOUND = 20;

/** Milliseconds of counting, and of reading the same events, undecoded, and counting them. */
export async function counts({ store, events }: Asked): Promise<Map<string, Measured>> {
  const [from, to] = [Math.floor(events / 4), Math.floor((3 * events) / 4)];
  const byType = { aggregate: { count: true }, groupBy: 'type' } as const;
  const middle = { sequence: { gte: from, lte: to } };
  const cases: readonly [name: string, query: Query, rows: () => Rows<{ type: string }>][] = [
    ['by type, all', byType, () => store.read({})],
    ['by type, the middle half by sequence', { ...byType, where: middle }, () => store.read({}, { from, to })],
    [
      'of one type of a hundred',
      { aggregate: { count: true }, where: { type: { eq: 'Type7' } } },
      () => store.read({ types: 'Type7' }),
    ],
  ];
  const measured = new Map<string, Measured>();
  for (const [name, query, rows] of cases) {
    const [taken, read]: [number[], number[]] = [[], []];
    for (let i = 0; i < COUNTS; i++) {
      const [ms, groups] = await timed(() => store.query(query).toArray());
      const counted = (groups as { count: number }[]).reduce((sum, { count }) => sum + count, 0);
      const [readMs, found] = await timed(() => countedByReading(rows()));
      if (counted !== found) throw new Error(`${name}: ${counted} events were counted, and ${found} read`);
      taken.push(ms);
      read.push(readMs);
    }
    measured.set(name, [median(taken), median(read)]);
  }
  return measured;
}

async function countedByReading(rows: Rows<{ type: string }>): Promise<number> {
  const byType = new Map<string, number>();
  for await (const batch of rows.batches()) {
    for (const { type } of batch) byType.set(type, (byType.get(type) ?? 0) + 1);
  }
  return [...byType.values()].reduce((sum, count) => sum + count, 0);
}

/** Rows a second of pages, one after the other, and of one read of the same, decoded. */
export async function pages({ store, events }: Asked): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  for (const [name, where, most] of [
    ['of one type of a hundred', { type: { eq: 'Type7' } }, events],
    ['of all, the first tenth', {}, events / 10],
  ] as const) {
    let rows = 0;
    const [paged] = await timed(async () => {
      let cursor: string | undefined;
      do {
        const page = await store.query({ where, limit: PAGE, cursor }).page();
        rows += decoded(page.items);
        cursor = page.cursor;
      } while (cursor !== undefined && rows < most);
    });
    let whole = 0;
    const [read] = await timed(async () => {
      for await (const batch of store.query({ where, limit: rows }).batches()) whole += decoded(batch);
    });
    if (whole !== rows) throw new Error(`${name}: ${rows} rows in pages, ${whole} in one read`);
    measured.set(name, [(rows / paged) * 1000, (rows / read) * 1000]);
  }
  return measured;
}

function decoded(events: readonly { data: unknown }[]): number {
  return events.filter(({ data }) => data !== null).length;
}

/** Bytes that are read from files for each event of a result, beside its own in the log. */
export async function bytesRead({ store, events, rawBytesPerEvent }: Asked): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  for (const result of RESULTS) {
    const kinds: readonly [string, (i: number) => QueryRows<unknown>][] = [
      [
        `of a stream of ${result.toLocaleString('en')}, together`,
        (i) => store.query({ where: { stream: { eq: streamOf(result, (i * STRIDE) % streams(result, events)) } } }),
      ],
      [
        `of a correlation id of ${result.toLocaleString('en')}, spread over the log`,
        (i) => {
          const id = correlationOf(result, (i * STRIDE) % correlations(result, events));
          return store.query({ where: { correlationId: { eq: id } } });
        },
      ],
    ];
    for (const [name, query] of kinds) {
      const perEvent: number[] = [];
      for (let i = 0; i < FOUND; i++) {
        const rows = query(i);
        const found = (await rows.toArray()).length;
        perEvent.push((await rows.explain()).bytesRead / found);
      }
      measured.set(name, [median(perEvent), rawBytesPerEvent]);
    }
  }
  return measured;
}
