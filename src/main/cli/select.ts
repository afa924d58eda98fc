/** The options that say which events: of `read`, `tail` and `export`. */
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import type { Bound } from '../../shared/portable/log.js';
import type { Selector } from '../../shared/portable/selector.js';
import { repeated } from './command.js';
import { quote } from './failure.js';

export interface SelectOptions {
  readonly stream?: readonly string[];
  readonly type?: readonly string[];
  readonly tag?: readonly string[];
  readonly agent?: readonly string[];
  readonly correlation?: readonly string[];
  readonly session?: readonly string[];
}

export function addSelectOptions(command: Command): Command {
  return command
    .option('--stream <name>', 'of this stream; * stands for any characters, but for no leading $', repeated)
    .option('--type <name>', 'of this type; * as above', repeated)
    .option('--tag <tag>', 'with this tag; given again, with all of them', repeated)
    .option('--agent <name>', 'caused by this agent', repeated)
    .option('--correlation <id>', 'with this correlation id', repeated)
    .option('--session <id>', 'of this session', repeated);
}

/** The selector, or undefined for every event. */
export function selectorOf(options: SelectOptions): Selector | undefined {
  const { stream, type, tag, agent, correlation, session } = options;
  const selector: Selector = {
    ...(stream && { streams: stream }),
    ...(type && { types: type }),
    ...(tag && { tags: tag }),
    ...(agent && { agent }),
    ...(correlation && { correlationId: correlation }),
    ...(session && { session }),
  };
  return Object.keys(selector).length === 0 ? undefined : selector;
}

/** The same options as words of a command line. */
export function selectWords(options: SelectOptions): string[] {
  const { stream, type, tag, agent, correlation, session } = options;
  return Object.entries({ stream, type, tag, agent, correlation, session }).flatMap(([name, values]) =>
    (values ?? []).map((value) => `--${name} ${quote(value)}`),
  );
}

/** A bound as words of a command line, if there is one. */
export function boundWords(option: string, bound: Bound | undefined): string[] {
  if (bound === undefined) return [];
  return [option, quote(bound instanceof Date ? bound.toISOString() : String(bound))];
}

/** A place in the log: a sequence, an id, a date, 'start' or 'end'. */
export function parseBound(text: string): Bound {
  if (/^\d{1,16}$/.test(text)) return Number(text);
  if (text === 'start' || text === 'end' || text.includes('_')) return text;
  const date = new Date(text);
  if (!Number.isNaN(date.getTime())) return date;
  throw new InvalidArgumentError(
    "It must be a sequence, an id, a date such as 2025-06-30T12:00:00Z, 'start' or 'end'.",
  );
}
