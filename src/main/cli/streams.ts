/** `keeperlog streams`: which streams there are. */
import type { Command } from 'commander';
import { integerFrom, makeCommand, onRun, withStore } from './command.js';
import { countText, data, printable, toJson } from './output.js';

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
    await withStore({ dir, readOnly: true }, async (store) => {
      const rows = store.streams({
        ...(prefix !== undefined && { prefix }),
        ...(after !== undefined && { after }),
        ...(limit !== undefined && { limit }),
      });
      for await (const info of rows) {
        const { stream, revision, firstSequence, lastSequence } = info;
        const text = `${printable(stream)}  ${countText(revision + 1)} events, sequences ${firstSequence} to ${lastSequence}`;
        await data(json === true ? toJson(info) : text);
      }
    });
  });
}
