/** Counts, pages, and what is read for a result, in the store of the bench of asking. */
import fs from 'node:fs';
import type { Query, Rows, Where } from 'keeperlog';
import type { Measured } from './ask-proofs.js';
import {
  type Asked,
  correlationOf,
  correlations,
  RESULTS,
  type Result,
  STRIDE,
  streamOf,
  streams,
} from './ask-store.js';
import { median, whole } from './report.js';
import { timed } from './timing.js';

const COUNTS = 5;
const PAGE = 100;
const FOUND = 20;

/** Events a second that are counted, and that are read, undecoded, and counted by the caller. */
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
    const [rates, readRates]: [number[], number[]] = [[], []];
    for (let i = 0; i < COUNTS; i++) {
      const [ms, groups] = await timed(() => store.query(query).toArray());
      const counted = (groups as { count: number }[]).reduce((sum, { count }) => sum + count, 0);
      const [readMs, found] = await timed(() => countedByReading(rows()));
      if (counted !== found) throw new Error(`${name}: ${counted} events were counted, and ${found} read`);
      rates.push((counted / ms) * 1000);
      readRates.push((found / readMs) * 1000);
    }
    measured.set(name, [median(rates), median(readRates)]);
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

/** Bytes that are read for each event of a result, beside its own in the log. */
export async function bytesRead(asked: Asked): Promise<Map<string, Measured>> {
  const measured = new Map<string, Measured>();
  for (const result of RESULTS) {
    for (const [name, of] of Object.entries(FINDS)) {
      const [fromFiles, ofLog]: [number[], number[]] = [[], []];
      for (let i = 0; i < FOUND; i++) {
        const rows = asked.store.query({ where: of(result, i * STRIDE, asked.events) });
        const before = readByProcess();
        const found = (await rows.toArray()).length;
        fromFiles.push((readByProcess() - before) / found);
        ofLog.push((await rows.explain()).bytesRead / found);
      }
      const what = `${whole(result)} of a ${name}`;
      measured.set(what, [median(fromFiles), asked.rawBytesPerEvent]);
      measured.set(`${what}, by explain()`, [median(ofLog), asked.rawBytesPerEvent]);
    }
  }
  return measured;
}

const FINDS: Readonly<Record<string, (result: Result, n: number, events: number) => Where>> = {
  'stream, together': (result, n, events) => ({ stream: { eq: streamOf(result, n % streams(result, events)) } }),
  'correlation id, spread over the log': (result, n, events) => ({
    correlationId: { eq: correlationOf(result, n % correlations(result, events)) },
  }),
};

/** Bytes that all threads of this process have read from files, whether the page cache had them or not. */
function readByProcess(): number {
  return Number(/^rchar: (\d+)$/m.exec(fs.readFileSync('/proc/self/io', 'utf8'))![1]);
}
