/** What all commands have in common: their form, their global options, their way to end. */
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import type { StoreOptions } from '../../shared/options.js';
import type { Expect } from '../../shared/portable/log.js';
import type { Store } from '../index.js';
import { describeFailure, EXIT, Refusal } from './failure.js';
import { tellFailure } from './output.js';

/** Of the command that runs, if it can be interrupted. */
let interruption: AbortSignal | undefined;

/** The options that every command has. */
export interface GlobalOptions {
  readonly dir: string;
  readonly json?: true;
}

/**
 * A command whose help opens with examples.
 * @param examples as they are typed, each with what it does
 */
export function makeCommand(
  name: string,
  description: string,
  examples: readonly (readonly [string, string])[],
): Command {
  const command = new Command(name).description(description);
  const width = Math.max(...examples.map(([line]) => line.length));
  const lines = examples.map(([line, what]) => `  ${line.padEnd(width)}  # ${what}`);
  command.addHelpText('before', `Examples:\n${lines.join('\n')}\n`);
  command.configureHelp({ showGlobalOptions: true });
  return command;
}

/** Have a command run; what it throws becomes a message on stderr and an exit code. */
export function onRun<O extends object>(
  command: Command,
  run: (options: O & GlobalOptions, ...words: string[]) => Promise<void>,
): Command {
  return command.action(async (...given: unknown[]) => {
    const options = command.optsWithGlobals<O & GlobalOptions>();
    const words = given.slice(0, command.registeredArguments.length) as string[];
    try {
      await run(options, ...words);
    } catch (error) {
      if (error instanceof CommanderError) throw error;
      const failure = describeFailure(error, command.name(), options.dir);
      tellFailure(failure, options.json === true);
      process.exitCode = failure.exitCode;
    }
    // Whoever has interrupted does not wait for a reader that no longer reads.
    if (interruption?.aborted === true && process.stdout.writableLength > 0) process.exit();
  });
}

/** Open a store, use it, close it. The store's code is loaded only now. */
export async function withStore<T>(options: StoreOptions, use: (store: Store) => Promise<T>): Promise<T> {
  const { openStore } = await import('../index.js');
  const store = await openStore(options);
  try {
    return await use(store);
  } finally {
    await store.close();
  }
}

/**
 * A signal that aborts at the first SIGINT or SIGTERM; a second one ends the process as usual.
 * @param next the command that does what was left undone
 * @param left what became of what was done by then
 */
export function interruptible(next: string, left = 'nothing was changed'): AbortSignal {
  const controller = new AbortController();
  const abort = (name: NodeJS.Signals): void => {
    process.off('SIGINT', abort).off('SIGTERM', abort);
    controller.abort(interrupted(` by ${name}; ${left}`, next));
  };
  process.on('SIGINT', abort).on('SIGTERM', abort);
  interruption = controller.signal;
  return interruption;
}

/** What an interrupted command ends with. */
export function interrupted(what: string, next: string, facts: Record<string, unknown> = {}): Refusal {
  return new Refusal(EXIT.failed, `interrupted${what}`, next, { code: 'ERR_ABORTED', ...facts });
}

/** Parses an option that is an integer of at least some value. */
export function integerFrom(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be an integer, ${least} or more.`);
  };
}

/** Parses what a stream is expected to be. */
export function parseExpect(text: string): Expect {
  if (text === 'any' || text === 'none' || text === 'exists') return text;
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a revision, any, none or exists.');
}

/** Parses an option that may be given several times. */
export function repeated(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

/** What a refusal by commander means. */
export function exitCodeOf(error: CommanderError): number {
  return error.exitCode === 0 ? EXIT.done : EXIT.usage;
}
