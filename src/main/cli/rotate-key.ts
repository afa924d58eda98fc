/** `keeperlog rotate-key`: a new key signs from now on, and the old one says so. */
import type { Command } from 'commander';
import { makeCommand, onRun, withStore } from './command.js';
import { data, note, toJson } from './output.js';

export function rotateKeyCommand(): Command {
  const command = makeCommand(
    'rotate-key',
    'Make a new key that signs. The checkpoint that is printed is signed by the old one as well, later ones are not.',
    [
      ['keeperlog rotate-key', 'the checkpoint, and on stderr the new key, for those who verify'],
      ['keeperlog --dir ./data rotate-key', 'of the store in this directory'],
      ['keeperlog rotate-key --json', 'the same as JSON'],
    ],
  );
  return onRun(command, async ({ dir, json }) => {
    // Opening for writing would make a store where there is none.
    await withStore({ dir, readOnly: true }, async () => {});
    const checkpoint = await withStore({ dir }, (store) => store.rotateKey());
    await data(json === true ? toJson(checkpoint) : checkpoint.text.trimEnd());
    if (json !== true) note(`from now on signed by ${checkpoint.publicKey}`);
  });
}
