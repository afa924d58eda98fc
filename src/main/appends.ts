/** The ways to append: what a user gives is checked for its form and goes to the appender; refusals are told of. */
import type { NewEvent } from '../shared/portable/events.js';
import type {
  Appended,
  AppendedMany,
  AppendManyOptions,
  AppendOptions,
  CallOptions,
  DeleteOptions,
  Durability,
  StreamAppend,
} from '../shared/portable/log.js';
import type { ParsedSelector } from '../shared/portable/selector.js';
import type { Appender } from './append/appender.js';
import { type CallFlags, notAppended } from './append/call.js';
import type { Condition } from './append/condition.js';
import {
  APPEND_SYNC_OPTIONS,
  appendInput,
  appendInputs,
  conditionInput,
  deletionInput,
  ENQUEUE_OPTIONS,
} from './append-inputs.js';
import type { Deletions } from './deletions.js';
import type { AppendSyncOptions, Enqueued, EnqueueOptions } from './store-types.js';
import { tellRefusal } from './telemetry/channels.js';

const ENQUEUED: CallFlags = { durability: 'synced', system: false, many: false };

type Events<M extends object> = NewEvent<M> | readonly NewEvent<M>[];

export interface AppendsParts {
  readonly dir: string;
  /** When an append resolves unless its call says otherwise. */
  readonly durability: Durability;
  /** Throws where the store cannot be written. */
  appender(): Appender;
  /** Throws where the store is closed or only read. */
  deletions(): Deletions;
  condition(selectors: readonly ParsedSelector[], after: number): Condition;
}

export class Appends<M extends object> {
  readonly #parts: AppendsParts;
  readonly #flagsOfOne: CallFlags;
  readonly #flagsOfMany: CallFlags;

  constructor(parts: AppendsParts) {
    this.#parts = parts;
    this.#flagsOfOne = { durability: parts.durability, system: false, many: false };
    this.#flagsOfMany = { durability: parts.durability, system: false, many: true };
  }

  append(stream: string, events: Events<M>, options: AppendOptions | undefined): Promise<Appended> {
    try {
      const appender = this.#parts.appender();
      const input = appendInput(stream, events, options);
      return appender.append([input], this.#flags(options, false), options?.signal, this.#condition(options));
    } catch (error) {
      return Promise.reject(this.#refused(error));
    }
  }

  appendMany(appends: readonly StreamAppend<M>[], options: AppendManyOptions | undefined): Promise<AppendedMany> {
    try {
      const appender = this.#parts.appender();
      const inputs = appendInputs(appends, options);
      const condition = this.#condition(options);
      return appender.append(inputs, this.#flags(options, true), options?.signal, condition) as Promise<AppendedMany>;
    } catch (error) {
      return Promise.reject(this.#refused(error));
    }
  }

  deleteStream(stream: string, options: DeleteOptions | undefined): Promise<Appended> {
    try {
      const appender = this.#parts.appender();
      const deletions = this.#parts.deletions();
      const input = deletionInput(stream, options);
      deletions.check();
      return kept(appender.append([input], this.#flags(options, false), options?.signal), deletions, options?.signal);
    } catch (error) {
      return Promise.reject(this.#refused(error));
    }
  }

  enqueue(stream: string, events: Events<M>, options: EnqueueOptions | undefined): Enqueued {
    try {
      return this.#parts.appender().enqueue([appendInput(stream, events, options, ENQUEUE_OPTIONS)], ENQUEUED);
    } catch (error) {
      throw this.#refused(error);
    }
  }

  appendSync(stream: string, events: Events<M>, options: AppendSyncOptions | undefined): Appended {
    let result: () => Appended;
    try {
      const appender = this.#parts.appender();
      const input = appendInput(stream, events, options, APPEND_SYNC_OPTIONS);
      result = appender.appendSync([input], this.#flags(options, false), this.#condition(options));
    } catch (error) {
      throw this.#refused(error);
    }
    return result();
  }

  #flags(options: Pick<CallOptions, 'durability'> | undefined, many: boolean): CallFlags {
    const durability = options?.durability;
    if (durability !== undefined) return { durability, system: false, many };
    return many ? this.#flagsOfMany : this.#flagsOfOne;
  }

  #condition(options: AppendManyOptions | undefined): Condition | undefined {
    const condition = conditionInput(options);
    return condition && this.#parts.condition(condition.selectors, condition.after);
  }

  /** The error of a call that was not let in. */
  #refused(error: unknown): unknown {
    const refusal = notAppended(error);
    tellRefusal(this.#parts.dir, refusal);
    return refusal;
  }
}

/** Where it is waited for that a tombstone is durable, also that it is in the file which is read when the store is opened. */
async function kept(
  appending: Promise<Appended>,
  deletions: Deletions,
  signal: AbortSignal | undefined,
): Promise<Appended> {
  const appended = await appending;
  if (appended.durability === 'synced') await deletions.written(appended.lastSequence, signal);
  return appended;
}
