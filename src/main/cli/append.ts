/** `keeperlog append`: one event. */
import type { Command } from 'commander';
import type { EventMetadata, NewEvent } from '../../shared/portable/events.js';
import type { Expect } from '../../shared/portable/log.js';
import { makeCommand, onRun, parseExpect, repeated, withStore } from './command.js';
import { EXIT, Refusal } from './failure.js';
import { data, toJson } from './output.js';

interface Options {
  readonly expect?: Expect;
  readonly tag?: readonly string[];
  readonly metadata?: string;
  readonly cause?: readonly string[];
  readonly key?: string;
}

export function appendCommand(): Command {
  const command = makeCommand('append', 'Append one event, and print its id when it is synced to the disk.', [
    [`keeperlog append orders/1 OrderPlaced '{"total":12}'`, 'the directory is made if it is not there'],
    ['keeperlog append orders/1 OrderPaid --expect exists --tag order:1', 'only if the stream has events'],
    [`keeperlog append orders/1 OrderSent --key sent-1 --metadata '{"agent":"me"}'`, 'once, however often it is run'],
  ])
    .argument('<stream>', "the stream's name")
    .argument('<type>', "the event's type")
    .argument('[json]', 'its data; null if it is left out')
    .option('--expect <what>', "the stream's last revision, or any, none, exists", parseExpect)
    .option('--tag <tag>', 'a tag; may be given again', repeated)
    .option('--metadata <json>', 'an object; agent, session and correlationId can be searched for')
    .option('--cause <id>', 'the id of an event that caused this one; may be given again', repeated)
    .option('--key <key>', 'an idempotency key: the same append with the same key is done once');
  return onRun<Options>(command, async (options, stream, type, json) => {
    const { dir, expect, tag, metadata, cause, key } = options;
    const event: NewEvent = {
      type: type!,
      data: json === undefined ? null : parseJson(json, 'the data'),
      ...(tag && { tags: tag }),
      ...(metadata !== undefined && { metadata: parseJson(metadata, '--metadata') as EventMetadata }),
      ...(cause && { causes: cause }),
      ...(key !== undefined && { idempotencyKey: key }),
    };
    const appended = await withStore({ dir }, (store) =>
      store.append(stream!, event, expect === undefined ? {} : { expect }),
    );
    await data(options.json === true ? toJson(appended) : appended.ids[0]!);
  });
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Refusal(EXIT.usage, `${what} is not JSON: ${(error as Error).message}`, 'append --help');
  }
}
