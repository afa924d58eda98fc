/** `keeperlog tail`: the newest events, and those that come. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { RecordedEvent } from '../../shared/portable/events.js';
import { integerFrom, interruptible, makeCommand, onRun, withStore } from './command.js';
import { eventLine } from './output.js';
import { printRows } from './print-rows.js';
import { addSelectOptions, type SelectOptions, selectorOf } from './select.js';

/** How often a follower looks how far the writer has come. Unit: milliseconds. */
const POLL_MS = 100;

interface Options extends SelectOptions {
  readonly follow?: true;
  readonly lines: number;
}

export function tailCommand(): Command {
  const command = makeCommand('tail', 'Print the newest events, and follow the log while another process writes it.', [
    ['keeperlog tail', 'the last ten events'],
    ["keeperlog tail -n 3 --stream '*'", "the last three that are not the system's"],
    ['keeperlog tail -n 0 -f', 'what comes from now on, until Ctrl-C'],
  ]);
  addSelectOptions(command)
    .option('-n, --lines <count>', 'so many events of those that are there', integerFrom(0), 10)
    .option('-f, --follow', 'go on with what comes');
  return onRun<Options>(command, async (options) => {
    const { dir, json, follow, lines } = options;
    const signal = interruptible('tail -f');
    const selector = selectorOf(options);
    const lineOf = (event: RecordedEvent): string => eventLine(event, json === true);
    await withStore({ dir, readOnly: true }, async (store) => {
      // The end is taken first: what becomes durable meanwhile belongs to what comes.
      let position = store.stats().durable;
      if (position > 0) {
        const last = store.read(selector, { from: position, direction: 'backwards', limit: lines });
        await printRows((await last.toArray()).reverse(), lineOf, signal);
      }
      while (follow === true && !signal.aborted) {
        if (store.stats().durable > position) {
          const rows = store.read(selector, { after: position, signal });
          await printRows(rows, lineOf, signal);
          position = rows.position;
        }
        await delay(POLL_MS, undefined, { signal }).catch(() => {});
      }
    });
  });
}
