/** `keeperlog delete`: one stream is not read any more. */
import type { Command } from 'commander';
import type { Expect } from '../../shared/portable/log.js';
import { makeCommand, onRun, parseExpect, withStore } from './command.js';
import { data, toJson } from './output.js';

export function deleteCommand(): Command {
  const command = makeCommand('delete', "Delete a stream: append its tombstone, and print the tombstone's id.", [
    ['keeperlog delete orders/1', 'what it has so far is not read any more; it may go on'],
    ['keeperlog delete orders/1 --expect 1', "only if that is the stream's last revision"],
    ['keeperlog delete orders/1 --json', 'where the tombstone stands, as JSON'],
  ])
    .argument('<stream>', "the stream's name")
    .option('--expect <what>', "the stream's last revision, or any, none, exists; by default exists", parseExpect);
  return onRun<{ readonly expect?: Expect }>(command, async ({ dir, json, expect }, stream) => {
    // Opening for writing would make a store where there is none.
    await withStore({ dir, readOnly: true }, async () => {});
    const deleted = await withStore({ dir }, (store) =>
      store.deleteStream(stream!, expect === undefined ? {} : { expect }),
    );
    await data(json === true ? toJson(deleted) : deleted.ids[0]!);
  });
}
