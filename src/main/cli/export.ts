/** `keeperlog export`: the events that match, in a form that other programs read. */
import { type Command, Option } from 'commander';
import type { RecordedEvent } from '../../shared/portable/events.js';
import type { Bound } from '../../shared/portable/log.js';
import { interruptible, makeCommand, onRun, withStore } from './command.js';
import { toCloudEvent } from './export/cloud-event.js';
import { countText, data, note, toJson } from './output.js';
import { progressLine } from './progress-line.js';
import { addSelectOptions, parseBound, type SelectOptions, selectorOf } from './select.js';

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
    const { dir, format, from, to } = options;
    const signal = interruptible();
    await withStore({ dir, readOnly: true }, async (store) => {
      const { storeId, durable } = store.stats();
      const lineOf =
        format === 'jsonl'
          ? (event: RecordedEvent) => toJson(event.toJSON())
          : (event: RecordedEvent) => toJson(toCloudEvent(event, storeId));
      const line = await progressLine('export', durable);
      let count = 0;
      try {
        const bounds = { ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
        for await (const event of store.read(selectorOf(options), { ...bounds, signal })) {
          await data(lineOf(event));
          line.update(event.sequence, `${countText(++count)} events`);
        }
      } finally {
        line.stop();
      }
      note(`${countText(count)} events exported`);
    });
  });
}
