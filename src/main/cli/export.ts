/** `keeperlog export`: the events that match, in a form that other programs read. */
import { type Command, Option } from 'commander';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Bound } from '../../shared/portable/log.js';
import { interrupted, interruptible, makeCommand, onRun, withStore } from './command.js';
import { toCloudEvent } from './export/cloud-event.js';
import { countText, note, toJson } from './output.js';
import { type Printed, printRows } from './print-rows.js';
import { progressLine } from './progress-line.js';
import { addSelectOptions, boundWords, parseBound, type SelectOptions, selectorOf, selectWords } from './select.js';

interface Options extends SelectOptions {
  readonly format: 'jsonl' | 'cloudevents';
  readonly from?: Bound;
  readonly to?: Bound;
}

export function exportCommand(): Command {
  const command = makeCommand('export', 'Print the events that match as lines of JSON, for another program.', [
    ['keeperlog export > events.jsonl', 'everything, as `get` prints it'],
    ["keeperlog export --stream '*' --format cloudevents", 'CloudEvents 1.0, without the system streams'],
    ['keeperlog export --from 2025-01-01 --type OrderPlaced', 'since a date, of a type'],
  ]);
  addSelectOptions(command)
    .addOption(new Option('--format <name>', 'the form of a line').choices(['jsonl', 'cloudevents']).default('jsonl'))
    .option('--from <bound>', "begin here: a sequence, an id, a date, 'start' or 'end'", parseBound)
    .option('--to <bound>', 'end here', parseBound);
  return onRun<Options>(command, async (options) => {
    const { dir, json, format, from, to } = options;
    const signal = interruptible('export');
    const printed = await withStore({ dir, readOnly: true }, async (store) => {
      const { storeId, durable } = store.stats();
      const lineOf =
        format === 'jsonl'
          ? (event: RecordedEvent) => toJson(event.toJSON())
          : (event: RecordedEvent) => toJson(toCloudEvent(event, storeId));
      const line = await progressLine('export', durable);
      const bounds = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
      const rows = store.read(selectorOf(options), { ...bounds, signal });
      try {
        return await printRows(rows, lineOf, signal, ({ sequence }, count) =>
          line.update(sequence, `${countText(count)} events`),
        );
      } finally {
        line.stop();
      }
    });
    const { count, last } = printed;
    if (signal.aborted) {
      const facts = { events: count, lastSequence: last?.sequence ?? null };
      throw interrupted(` after ${countText(count)} events`, restOf(options, printed), facts);
    }
    note(json === true ? toJson({ events: count }) : `${countText(count)} events exported`);
  });
}

/** The command that exports what is left. */
function restOf(options: Options, { last }: Printed<RecordedEvent>): string {
  const { format, from, to } = options;
  return [
    'export',
    ...selectWords(options),
    ...boundWords('--from', last === undefined ? from : last.sequence + 1),
    ...boundWords('--to', to),
    ...(format === 'jsonl' ? [] : ['--format', format]),
  ].join(' ');
}
