/** `keeperlog get`: one event. */
import type { Command } from 'commander';
import { makeCommand, onRun, withStore } from './command.js';
import { namedEvent, parseEventName } from './named-event.js';
import { data, toJson } from './output.js';

export function getCommand(): Command {
  const command = makeCommand('get', 'Print one event, by its id or sequence, as JSON.', [
    ['keeperlog get 1', 'the first event'],
    ['keeperlog get 1 --json', 'the same on one line'],
    ['keeperlog get 1 --dir ./data', 'of the store in this directory'],
  ]).argument('<id>', 'the id of the event, or its sequence');
  return onRun(command, async ({ dir, json }, id) => {
    await withStore({ dir, readOnly: true }, async (store) => {
      const event = await namedEvent(store, parseEventName(id!));
      await data(toJson(event.toJSON(), json === true ? undefined : 2));
    });
  });
}
