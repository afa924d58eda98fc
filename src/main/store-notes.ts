/** What Keeperlog has to say about a store, recorded in the store itself: in its stream `$store`. */
import type { Appender } from './append/appender.js';
import type { CallFlags } from './append/call.js';
import { appendInput } from './append-inputs.js';
import type { OperatorLog } from './telemetry/operator-log.js';

const STORE_STREAM = '$store';
const SYSTEM: CallFlags = { durability: 'synced', system: true, many: false };

export class StoreNotes {
  readonly #appender: Appender;
  readonly #log: OperatorLog;

  constructor(appender: Appender, log: OperatorLog) {
    this.#appender = appender;
    this.#log = log;
  }

  /** Never rejected: what cannot be recorded goes to the operator. */
  async add(type: string, data: object): Promise<void> {
    try {
      await this.#appender.append([appendInput(STORE_STREAM, { type, data }, undefined)], SYSTEM, undefined);
    } catch (error) {
      this.#log.noteFailed(error, type);
    }
  }
}
