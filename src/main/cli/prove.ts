/**
 * `keeperlog prove`: a proof that an event is in the log as it was signed, or that the log continues what was signed before, or the
 * signed checkpoint itself.
 */
import type { Command } from 'commander';
import { isKeeperError } from '../../shared/portable/errors.js';
import { formatProof } from '../../shared/portable/proof/proof.js';
import type { Store } from '../index.js';
import { integerFrom, makeCommand, onRun, withStore } from './command.js';
import { EXIT, Refusal } from './failure.js';
import { namedEvent, parseEventName } from './named-event.js';
import { data, note, toJson } from './output.js';

export function proveCommand(): Command {
  const command = makeCommand('prove', 'Print a proof of what the log holds, or sign a checkpoint of it.', [
    ['keeperlog prove 1', 'that the first event is there, as text; --json has its digest too'],
    ['keeperlog prove', 'a signed checkpoint of all events, and on stderr the key'],
    ['keeperlog prove --consistency 1', 'that nothing was changed since a checkpoint of one event, as JSON'],
  ])
    .argument('[id]', 'the id of the event, or its sequence')
    .option('--consistency <size>', 'that the newest checkpoint continues the one of so many events', integerFrom(0));
  return onRun<{ consistency?: number }>(command, async ({ dir, json, consistency }, id) => {
    if (consistency !== undefined) {
      if (id !== undefined) throw new Refusal(EXIT.usage, 'either an event or --consistency is proven', 'prove --help');
      await data(toJson(await asSigned(dir, (store) => store.proveConsistency(consistency))));
      return;
    }
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

async function prove(dir: string, id: string | number): Promise<Proved> {
  const proofIn = async (store: Store): Promise<Proved> => {
    const digest = await leftOr(null, () => store.digest(id));
    const proof = await store.prove(id);
    return { sequence: proof.sequence, digest, proof: formatProof(proof) };
  };
  return asSigned(dir, proofIn, (store) => leftOr(undefined, () => namedEvent(store, id)));
}

/**
 * As of the newest checkpoint, if that covers what is asked for; else one is signed, for which the store is opened for writing.
 * @param check what is to be there
 */
async function asSigned<T>(
  dir: string,
  ask: (store: Store) => Promise<T>,
  check?: (store: Store) => Promise<unknown>,
): Promise<T> {
  const found = await withStore({ dir, readOnly: true }, async (store) => {
    await check?.(store);
    try {
      return { result: await ask(store) };
    } catch (error) {
      if (!isKeeperError(error, 'ERR_NOT_FOUND')) throw error;
      return undefined;
    }
  });
  return found === undefined ? withStore({ dir }, ask) : found.result;
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
