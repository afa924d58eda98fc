/** `keeperlog query`: the events that a predicate in CEL matches, or rows made of them. */
import type { Command } from 'commander';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Aggregates, CelOptions, Explanation, FieldPath, GroupField } from '../../shared/portable/query/query.js';
import type { Store } from '../index.js';
import { integerFrom, interrupted, interruptible, makeCommand, onRun, repeated, withStore } from './command.js';
import { bytesText, countText, data, eventLine, note, table, toJson } from './output.js';
import { printRows } from './print-rows.js';

/** Rows that are read before they are printed, where there is a limit. */
const PAGE_ROWS = 1000;

interface Options {
  readonly select?: readonly FieldPath[];
  readonly count?: true;
  readonly min?: readonly FieldPath[];
  readonly max?: readonly FieldPath[];
  readonly groupBy?: readonly GroupField[];
  readonly backwards?: true;
  readonly limit?: number;
  readonly cursor?: string;
  readonly explain?: true;
}

export function queryCommand(): Command {
  const command = makeCommand('query', 'Print the events that a predicate in CEL matches, in the order of the log.', [
    [`keeperlog query 'type == "OrderPlaced" && data.total > 10'`, 'by type and by a member of the data'],
    [`keeperlog query 'stream.startsWith("orders/")' --count --group-by type`, 'how many there are of each type'],
    [`keeperlog query '"order:1" in tags' --explain`, 'what it takes: segments, postings, records, bytes'],
  ]);
  command
    .argument('<cel>', 'the predicate, as docs/query.md describes it')
    .option('--select <path>', 'this member alone, as JSON; given again, several', repeated)
    .option('--count', 'how many instead of the events')
    .option('--min <path>', 'the least of this member instead of the events', repeated)
    .option('--max <path>', 'the greatest', repeated)
    .option('--group-by <field>', 'counts and extremes for each value of this field', repeated)
    .option('--backwards', 'the newest first')
    .option('--limit <count>', 'at most so many; then the cursor of those behind them is told', integerFrom(0))
    .option('--cursor <cursor>', 'go on behind the rows of the same query that told this cursor')
    .option('--explain', 'run it, and print what that took instead of its rows');
  return onRun<Options>(command, async (options, cel) => {
    const { dir, json } = options;
    const signal = interruptible('query --help');
    const count = await withStore({ dir, readOnly: true }, async (store) => {
      const asked = celOptions(options, signal);
      if (options.explain === true) {
        const explanation = await store.query(cel!, asked).explain();
        await data(json === true ? toJson(explanation) : explanationText(explanation));
        return 0;
      }
      const isEvents = options.select === undefined && aggregatesOf(options) === undefined;
      const lineOf = (row: object): string => (isEvents ? eventLine(row as RecordedEvent, json === true) : toJson(row));
      const pages = new Pages(store, cel!, asked);
      const { count } = await printRows(isPage(options) ? pages.rows() : store.query(cel!, asked), lineOf, signal);
      if (pages.cursor !== undefined && !signal.aborted) tellCursor(pages.cursor, json === true);
      return count;
    });
    if (signal.aborted) throw interrupted(` after ${countText(count)} rows`, 'query --help', { rows: count });
  });
}

/** Whether others may come behind what is asked for. */
function isPage(options: Options): options is Options & { readonly limit: number } {
  return options.limit !== undefined && aggregatesOf(options) === undefined;
}

/** Rows up to a limit, of which no more are in memory than a page has. */
class Pages {
  readonly #store: Store;
  readonly #cel: string;
  readonly #options: CelOptions;
  /** Where those behind them begin, once they were all read; undefined at the end of the log. */
  cursor: string | undefined;

  constructor(store: Store, cel: string, options: CelOptions) {
    this.#store = store;
    this.#cel = cel;
    this.#options = options;
  }

  async *rows(): AsyncGenerator<object> {
    let left = this.#options.limit ?? 0;
    let { cursor } = this.#options;
    do {
      const limit = Math.min(left, PAGE_ROWS);
      const page = await this.#store.query(this.#cel, { ...this.#options, limit, cursor }).page();
      yield* page.items as object[];
      left -= page.items.length;
      cursor = page.cursor;
    } while (left > 0 && cursor !== undefined);
    this.cursor = cursor;
  }
}

function tellCursor(cursor: string, json: boolean): void {
  note(json ? toJson({ cursor }) : `more may follow: the same with --cursor ${cursor}`);
}

function celOptions(options: Options, signal: AbortSignal): CelOptions {
  const { select, groupBy, backwards, limit, cursor } = options;
  const aggregate = aggregatesOf(options);
  return {
    ...(select !== undefined && { select }),
    ...(aggregate !== undefined && { aggregate }),
    ...(groupBy !== undefined && { groupBy }),
    ...(backwards === true && { direction: 'backwards' }),
    ...(limit !== undefined && { limit }),
    ...(cursor !== undefined && { cursor }),
    signal,
  };
}

function aggregatesOf({ count, min, max }: Options): Aggregates | undefined {
  if (count === undefined && min === undefined && max === undefined) return undefined;
  return { ...(count === true && { count }), ...(min !== undefined && { min }), ...(max !== undefined && { max }) };
}

function explanationText(explanation: Explanation): string {
  const { where, segmentsConsidered, segmentsPruned, postingsRead } = explanation;
  const { recordsExamined, recordsDecoded, recordsMatched, bytesRead, timeMs } = explanation;
  return table([
    ['where', where],
    ['segments', `${countText(segmentsConsidered)}, of which ${countText(segmentsPruned)} were left out`],
    ['postings', countText(postingsRead)],
    ['records', `${countText(recordsExamined)} looked at, ${countText(recordsDecoded)} decoded`],
    ['matched', countText(recordsMatched)],
    ['read', bytesText(bytesRead)],
    ['time', `${timeMs.toFixed(1)} ms`],
  ]);
}
