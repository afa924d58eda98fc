/** `keeperlog prove`: a proof that an event is in the log as it was signed, or the signed checkpoint itself. */
import type { Command } from 'commander';
import { isKeeperError } from '../../shared/portable/errors.js';
import { formatProof } from '../../shared/portable/proof/proof.js';
import type { Store } from '../index.js';
import { makeCommand, onRun, withStore } from './command.js';
import { namedEvent, parseEventName } from './named-event.js';
import { data, note, toJson } from './output.js';

export function proveCommand(): Command {
  const command = makeCommand('prove', 'Print a proof that an event is in the log, or sign a checkpoint of the log.', [
    ['keeperlog prove 1', 'that the first event is there, as text'],
    ['keeperlog prove 1 --json', 'with its id and digest, as JSON'],
    ['keeperlog prove', 'a signed checkpoint of all events, and on stderr the key'],
  ]).argument('[id]', 'the id of the event, or its sequence');
  return onRun(command, async ({ dir, json }, id) => {
    if (id === undefined) {
      // Opening for writing would make a store where there is none.
      await withStore({ dir, readOnly: true }, async () => {});
      const checkpoint = await withStore({ dir }, (store) => store.checkpoint());
      await data(json === true ? toJson(checkpoint) : checkpoint.text.trimEnd());
      if (json !== true) note(`signed by ${checkpoint.publicKey}`);
      return;
    }
    const proved = await prove(dir, parseEventName(id));
    await data(json === true ? toJson(proved) : proved.proof.trimEnd());
    if (json !== true) note(ofWhat(proved));
  });
}

function ofWhat({ digest }: Proved): string {
  if (digest === null) return 'of a record that retention has removed: whoever has kept it, or its digest, may compare';
  return `of the record with the SHA-256 ${digest}`;
}

interface Proved {
  readonly sequence: number;
  /** Null where retention has removed the event. */
  readonly digest: string | null;
  /** As text. */
  readonly proof: string;
}

/** As of the newest checkpoint, if that covers the event; else one is signed, for which the store is opened for writing. */
async function prove(dir: string, id: string | number): Promise<Proved> {
  const proofIn = async (store: Store): Promise<Proved> => {
    const digest = await leftOr(null, () => store.digest(id));
    const proof = await store.prove(id);
    return { sequence: proof.sequence, digest, proof: formatProof(proof) };
  };
  const found = await withStore({ dir, readOnly: true }, async (store) => {
    await leftOr(undefined, () => namedEvent(store, id));
    try {
      return await proofIn(store);
    } catch (error) {
      if (!isKeeperError(error, 'ERR_NOT_FOUND')) throw error;
      return undefined;
    }
  });
  return found ?? withStore({ dir }, proofIn);
}

/** What is asked of an event, or something else where retention has removed it. */
async function leftOr<T>(otherwise: T, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (isKeeperError(error, 'ERR_PRUNED')) return otherwise;
    throw error;
  }
}
