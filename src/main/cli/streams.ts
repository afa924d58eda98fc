/** `keeperlog streams`: which streams there are. */
import type { Command } from 'commander';
import type { StreamInfo } from '../index.js';
import { integerFrom, interrupted, interruptible, makeCommand, onRun, withStore } from './command.js';
import { quote } from './failure.js';
import { countText, printable, toJson } from './output.js';
import { printRows } from './print-rows.js';

interface Options {
  readonly prefix?: string;
  readonly after?: string;
  readonly limit?: number;
}

export function streamsCommand(): Command {
  const command = makeCommand('streams', 'Print the streams, sorted by name, one a line.', [
    ['keeperlog streams', 'all of them'],
    ['keeperlog streams --prefix orders/ --limit 10', 'the first ten of a prefix'],
    ['keeperlog streams --after orders/1 --json', 'those that sort behind a name, as JSON lines'],
  ])
    .option('--prefix <text>', 'those whose names begin so')
    .option('--after <name>', 'those that sort behind it')
    .option('--limit <count>', 'at most so many', integerFrom(0));
  return onRun<Options>(command, async ({ dir, json, prefix, after, limit }) => {
    const signal = interruptible('streams');
    const lineOf = (info: StreamInfo): string => (json === true ? toJson(info) : infoText(info));
    const { count, last } = await withStore({ dir, readOnly: true }, async (store) => {
      const rows = store.streams({
        ...(prefix !== undefined && { prefix }),
        ...(after !== undefined && { after }),
        ...(limit !== undefined && { limit }),
        signal,
      });
      return printRows(rows, lineOf, signal);
    });
    if (!signal.aborted) return;
    const from = last?.stream ?? after;
    const words = [
      ...(prefix === undefined ? [] : [`--prefix ${quote(prefix)}`]),
      ...(from === undefined ? [] : [`--after ${quote(from)}`]),
      ...(limit === undefined ? [] : [`--limit ${limit - count}`]),
    ];
    throw interrupted(` after ${countText(count)} streams`, ['streams', ...words].join(' '), { streams: count });
  });
}

function infoText({ stream, revision, firstSequence, lastSequence }: StreamInfo): string {
  return `${printable(stream)}  ${countText(revision + 1)} events, sequences ${firstSequence} to ${lastSequence}`;
}
