/** Queries by pages, whose cursors are kept for later, and counts. */
import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import type { RecordedEvent, Where } from '../../dist/main/index.js';
import { type Expected, seen, type View } from './expected.js';
import type { Entry } from './model.js';
import { checkAgainst, isOvertaken, taken, type Via } from './reads.js';
import type { Subject } from './subject.js';

/** What is asked for, and which events that is. */
const QUESTIONS: readonly { readonly where: Where; readonly has: (entry: Entry) => boolean }[] = [
  { where: {}, has: () => true },
  { where: { type: { eq: 'Added' } }, has: ({ type }) => type === 'Added' },
  { where: { stream: { in: ['a', 'task/1'] } }, has: ({ stream }) => stream === 'a' || stream === 'task/1' },
  { where: { tags: { eq: 'x' } }, has: ({ tags }) => tags.includes('x') },
  { where: { agent: { eq: 'ada' } }, has: ({ metadata }) => metadata.agent === 'ada' },
  { where: { sequence: { lte: 12 } }, has: ({ sequence }) => sequence <= 12 },
  { where: { idempotencyKey: { exists: true } }, has: ({ key }) => key !== undefined },
  { where: { 'data.pad': { exists: true } }, has: ({ data }) => padOf(data) !== undefined },
];

/** A place behind a page of a query. */
export interface Cursor {
  readonly question: number;
  readonly direction: 'forwards' | 'backwards';
  readonly text: string;
  readonly sequence: number;
}

export interface QueryAsked {
  /** Which one; not counted where an earlier page is gone on with. */
  readonly question: number;
  readonly direction: 'forwards' | 'backwards';
  readonly limit: number;
  /** Behind which of the pages that there were; undefined: the first one. */
  readonly behind: number | undefined;
}

export const QUESTION_COUNT = QUESTIONS.length;

export async function checkPage(subject: Subject, via: Via, asked: QueryAsked): Promise<void> {
  await subject.settleDeletions(via);
  const store = via === 'store' ? subject.store : subject.follower;
  if (store === undefined) return;
  const { cursors } = subject;
  const behind = asked.behind === undefined ? undefined : cursors[asked.behind % Math.max(1, cursors.length)];
  const { question, direction } = behind ?? asked;
  const { where, has } = QUESTIONS[question]!;
  const { limit } = asked;
  const looking = subject.look(via);
  const options = { direction, limit, ...(behind !== undefined && { cursor: behind.text }) };
  let cursor: string | undefined;
  const shown = await taken<RecordedEvent>(async () => {
    const page = await store.query({ where, ...options }).page();
    cursor = page.cursor;
    return page.items;
  });
  const rowsIn = (view: View): Expected => expectedPage(view, { has, direction, limit, after: behind?.sequence });
  checkAgainst(subject, via, looking, shown, 'toArray', rowsIn, ({ cut, rows }) => {
    if (cut && cursor === undefined) return 'it has no cursor, and there is more';
    return !cut && rows.length < limit && cursor !== undefined
      ? 'it has a cursor, and there is nothing more'
      : undefined;
  });
  const sequence = 'rows' in shown ? shown.rows.at(-1)?.sequence : undefined;
  if (cursor !== undefined && sequence !== undefined) cursors.push({ question, direction, text: cursor, sequence });
}

/** How many there are, in all and by stream. */
export async function checkCounts(subject: Subject, via: Via, question: number): Promise<void> {
  await subject.settleDeletions(via);
  const store = via === 'store' ? subject.store : subject.follower;
  if (store === undefined) return;
  const { where, has } = QUESTIONS[question]!;
  const looking = subject.look(via);
  const shown = await taken(async () => [
    await store.query({ where, aggregate: { count: true } }).toArray(),
    await store.query({ where, aggregate: { count: true }, groupBy: ['stream'] }).toArray(),
  ]);
  if (isOvertaken(via, looking, shown)) return;
  const views = looking.views();
  const [all, byStream] = 'rows' in shown ? shown.rows : [];
  const expected = views.map((view) => countsOf(seen(view).filter(has)));
  // Each of the two may be of another moment.
  const fits = (place: 0 | 1, is: unknown): boolean => expected.some((counts) => isDeepStrictEqual(counts[place], is));
  if (!fits(0, toCounts(all)) || !fits(1, toCounts(byStream)))
    expect.fail(`a count by the ${via} is ${JSON.stringify(shown)}, not ${JSON.stringify(expected[0])}`);
}

type Counts = readonly (readonly [group: unknown, count: number])[];

function countsOf(entries: readonly Entry[]): [Counts, Counts] {
  const byStream = new Map<string, number>();
  for (const { stream } of entries) byStream.set(stream, (byStream.get(stream) ?? 0) + 1);
  return [[[undefined, entries.length]], sorted([...byStream])];
}

function toCounts(rows: readonly unknown[] | undefined): Counts | undefined {
  return (
    rows &&
    sorted((rows as { group: { stream?: string }; count: number }[]).map((row) => [row.group.stream, row.count]))
  );
}

function sorted(counts: Counts): Counts {
  return [...counts].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

function expectedPage(
  view: View,
  page: { has(entry: Entry): boolean; direction: 'forwards' | 'backwards'; limit: number; after: number | undefined },
): Expected {
  const { log, floor } = view;
  const { has, direction, limit, after } = page;
  const forwards = direction === 'forwards';
  if (after !== undefined && after < floor - (forwards ? 1 : 0)) return { code: 'ERR_PRUNED' };
  const isBehind = ({ sequence }: Entry): boolean =>
    after === undefined || (forwards ? sequence > after : sequence < after);
  const rows = seen(view).filter((entry) => has(entry) && isBehind(entry));
  if (!forwards) rows.reverse();
  return { rows: rows.slice(0, limit), high: log.length, cut: rows.length > limit };
}

function padOf(data: unknown): unknown {
  return typeof data === 'object' && data !== null && Object.hasOwn(data, 'pad') ? Reflect.get(data, 'pad') : undefined;
}
