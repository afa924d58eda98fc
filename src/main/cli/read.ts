/** `keeperlog read`: the events that match. */
import type { Command } from 'commander';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Bound } from '../../shared/portable/log.js';
import { integerFrom, interrupted, interruptible, makeCommand, onRun, withStore } from './command.js';
import { countText, eventLine } from './output.js';
import { type Printed, printRows } from './print-rows.js';
import { addSelectOptions, boundWords, parseBound, type SelectOptions, selectorOf, selectWords } from './select.js';

interface Options extends SelectOptions {
  readonly from?: Bound;
  readonly to?: Bound;
  readonly after?: Bound;
  readonly backwards?: true;
  readonly limit?: number;
}

export function readCommand(): Command {
  const command = makeCommand('read', 'Print the events that match, in the order of the log, one a line.', [
    ['keeperlog read --limit 10', 'the first ten events'],
    ["keeperlog read --stream 'orders/*' --backwards", 'the streams of a prefix, the newest first'],
    ['keeperlog read --from 2025-01-01 --type OrderPlaced --json', 'since a date, of a type, as JSON lines'],
  ]);
  addSelectOptions(command)
    .option('--from <bound>', "begin here: a sequence, an id, a date, 'start' or 'end'", parseBound)
    .option('--to <bound>', 'end here', parseBound)
    .option('--after <bound>', 'begin behind it', parseBound)
    .option('--backwards', 'the newest first')
    .option('--limit <count>', 'at most so many', integerFrom(0));
  return onRun<Options>(command, async (options) => {
    const { dir, json, from, to, after, backwards, limit } = options;
    const signal = interruptible('read');
    const printed = await withStore({ dir, readOnly: true }, async (store) => {
      const rows = store.read(selectorOf(options), {
        ...(from !== undefined && { from }),
        ...(to !== undefined && { to }),
        ...(after !== undefined && { after }),
        ...(limit !== undefined && { limit }),
        direction: backwards === true ? 'backwards' : 'forwards',
        signal,
      });
      return printRows(rows, (event) => eventLine(event, json === true), signal);
    });
    if (!signal.aborted) return;
    const { count, last } = printed;
    throw interrupted(` after ${countText(count)} events`, restOf(options, printed), {
      events: count,
      lastSequence: last?.sequence ?? null,
    });
  });
}

/** The command that prints what is left. */
function restOf(options: Options, { count, last }: Printed<RecordedEvent>): string {
  const { from, to, after, backwards, limit } = options;
  const begin =
    last === undefined
      ? [...boundWords('--from', from), ...boundWords('--after', after)]
      : backwards === true
        ? boundWords('--from', Math.max(1, last.sequence - 1))
        : boundWords('--after', last.sequence);
  return [
    'read',
    ...selectWords(options),
    ...begin,
    ...boundWords('--to', to),
    ...(backwards === true ? ['--backwards'] : []),
    ...(limit === undefined ? [] : ['--limit', String(limit - count)]),
  ].join(' ');
}
