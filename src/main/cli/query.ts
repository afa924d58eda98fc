/** `keeperlog query`: the events that a predicate in CEL matches, or rows made of them. */
import type { Command } from 'commander';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Aggregates, CelOptions, Explanation, FieldPath, GroupField } from '../../shared/portable/query/query.js';
import { integerFrom, interrupted, interruptible, makeCommand, onRun, repeated, withStore } from './command.js';
import { bytesText, countText, data, eventLine, table, toJson } from './output.js';
import { printRows } from './print-rows.js';

interface Options {
  readonly select?: readonly FieldPath[];
  readonly count?: true;
  readonly min?: readonly FieldPath[];
  readonly max?: readonly FieldPath[];
  readonly groupBy?: readonly GroupField[];
  readonly backwards?: true;
  readonly limit?: number;
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
    .option('--limit <count>', 'at most so many', integerFrom(0))
    .option('--explain', 'run it, and print what that took instead of its rows');
  return onRun<Options>(command, async (options, cel) => {
    const { dir, json } = options;
    const signal = interruptible('query --help');
    const count = await withStore({ dir, readOnly: true }, async (store) => {
      const rows = store.query(cel!, celOptions(options, signal));
      if (options.explain === true) {
        const explanation = await rows.explain();
        await data(json === true ? toJson(explanation) : explanationText(explanation));
        return 0;
      }
      const isEvents = options.select === undefined && aggregatesOf(options) === undefined;
      const lineOf = (row: object): string => (isEvents ? eventLine(row as RecordedEvent, json === true) : toJson(row));
      return (await printRows(rows as AsyncIterable<object>, lineOf, signal)).count;
    });
    if (signal.aborted) throw interrupted(` after ${countText(count)} rows`, 'query --help', { rows: count });
  });
}

function celOptions(options: Options, signal: AbortSignal): CelOptions {
  const { select, groupBy, backwards, limit } = options;
  const aggregate = aggregatesOf(options);
  return {
    ...(select !== undefined && { select }),
    ...(aggregate !== undefined && { aggregate }),
    ...(groupBy !== undefined && { groupBy }),
    ...(backwards === true && { direction: 'backwards' }),
    ...(limit !== undefined && { limit }),
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
