/** Which events: the selector's type, its check, and whether it matches. */

import { KeeperError } from './errors.js';
import type { AnyEvents, TypeOf } from './events.js';

/** One value or any of several. */
export type OneOrMany<T> = T | readonly T[];

/** A type of the map, or a pattern in which `*` stands for any characters. */
export type TypePattern<M extends object> = TypeOf<M> | `${string}*${string}`;

/**
 * Which events. Every field is one value or a list: a list means any of, but `tags` means all of. All fields that are
 * given must hold. `*` in `streams` and `types` stands for any characters, except that it never matches a leading `$`.
 * `{}` is every event, the system's too. An empty list, an empty string or an unknown field is ERR_INVALID_QUERY.
 */
export interface Selector<M extends object = AnyEvents> {
  /** Names of streams, or patterns with `*`. */
  readonly streams?: OneOrMany<string>;
  /** Event types, or patterns with `*`. */
  readonly types?: OneOrMany<TypePattern<M>>;
  /** Tags that an event must all have. */
  readonly tags?: OneOrMany<string>;
  /** `metadata.agent`. */
  readonly agent?: OneOrMany<string>;
  /** `metadata.correlationId`. */
  readonly correlationId?: OneOrMany<string>;
  /** `metadata.session`. */
  readonly session?: OneOrMany<string>;
}

/** A selector, or several of which any may match. */
export type Selectors<M extends object = AnyEvents> = Selector<M> | readonly Selector<M>[];

type Exact<M extends object, T> = T extends `${string}*${string}` ? TypeOf<M> : T extends TypeOf<M> ? T : never;

type SelectedOne<M extends object, S> = S extends { readonly types: infer T }
  ? Exact<M, T extends readonly (infer E)[] ? E : T>
  : TypeOf<M>;

/** The event types that a selector leaves. */
export type SelectedTypes<M extends object, S> = S extends readonly (infer E)[]
  ? E extends unknown
    ? SelectedOne<M, E>
    : never
  : SelectedOne<M, S>;

/** What a selector looks at: an event's header. */
export interface Selectable {
  readonly stream: string;
  readonly type: string;
  readonly tags: readonly string[];
  readonly agent: string | undefined;
  readonly correlationId: string | undefined;
  readonly session: string | undefined;
}

/** A value to be equal to, or a pattern with `*`. */
export type Matcher = { readonly value: string } | { readonly parts: readonly string[] };

/** One selector, checked: every field a list, absent where it does not restrict. */
export interface ParsedSelector {
  readonly streams?: readonly Matcher[];
  readonly types?: readonly Matcher[];
  readonly tags?: readonly string[];
  readonly agent?: readonly string[];
  readonly correlationId?: readonly string[];
  readonly session?: readonly string[];
}

const FIELDS = ['streams', 'types', 'tags', 'agent', 'correlationId', 'session'] as const;

/**
 * Check a selector: any of the returned ones has to match; none at all means every event.
 * @param path what it is called in an error
 * @throws ERR_INVALID_QUERY, with the path of what is wrong
 */
export function parseSelectors(selectors: unknown, path = 'selector'): readonly ParsedSelector[] {
  if (selectors === undefined) return [];
  if (!Array.isArray(selectors)) {
    const one = parseSelector(selectors, path);
    return Object.keys(one).length === 0 ? [] : [one];
  }
  if (selectors.length === 0) throw invalid(path, 'is an empty list: leave it out to mean every event');
  const parsed = selectors.map((selector, i) => parseSelector(selector, `${path}[${i}]`));
  return parsed.some((selector) => Object.keys(selector).length === 0) ? [] : parsed;
}

/** Whether any of the selectors matches. */
export function matches(selectors: readonly ParsedSelector[], event: Selectable): boolean {
  if (selectors.length === 0) return true;
  for (const selector of selectors) if (matchesOne(selector, event)) return true;
  return false;
}

/** Whether a name equals the value or fits the pattern; `*` never reaches into the system's names. */
export function matchesName(matcher: Matcher, name: string): boolean {
  return 'value' in matcher ? matcher.value === name : fits(matcher.parts, name);
}

function matchesOne(selector: ParsedSelector, event: Selectable): boolean {
  const { streams, types, tags, agent, correlationId, session } = selector;
  if (streams !== undefined && !streams.some((matcher) => matchesName(matcher, event.stream))) return false;
  if (types !== undefined && !types.some((matcher) => matchesName(matcher, event.type))) return false;
  if (agent !== undefined && !(event.agent !== undefined && agent.includes(event.agent))) return false;
  if (session !== undefined && !(event.session !== undefined && session.includes(event.session))) return false;
  if (
    correlationId !== undefined &&
    !(event.correlationId !== undefined && correlationId.includes(event.correlationId))
  )
    return false;
  return tags === undefined || tags.every((tag) => event.tags.includes(tag));
}

function parseSelector(selector: unknown, path: string): ParsedSelector {
  if (typeof selector !== 'object' || selector === null || Array.isArray(selector)) {
    throw invalid(path, `must be an object with any of ${FIELDS.join(', ')}`);
  }
  for (const key of Object.keys(selector)) {
    if (!FIELDS.some((field) => field === key)) {
      throw invalid(`${path}.${key}`, `is not a field of a selector: ${FIELDS.join(', ')}`);
    }
  }
  const fields = selector as Record<(typeof FIELDS)[number], unknown>;
  const parsed: Record<string, readonly string[] | readonly Matcher[]> = {};
  for (const field of FIELDS) {
    if (fields[field] === undefined) continue;
    const values = parseValues(fields[field], `${path}.${field}`);
    parsed[field] = field === 'streams' || field === 'types' ? values.map(toMatcher) : values;
  }
  return parsed;
}

function parseValues(value: unknown, path: string): string[] {
  const values: unknown[] = Array.isArray(value) ? value : [value];
  if (values.length === 0) throw invalid(path, 'is an empty list: leave it out to mean any');
  return values.map((one, i) => {
    if (typeof one === 'string' && one.length > 0) return one;
    throw invalid(Array.isArray(value) ? `${path}[${i}]` : path, 'must be a string that is not empty');
  });
}

function toMatcher(value: string): Matcher {
  // Names are well-formed: what is not, even in part, matches none.
  return value.includes('*') && value.isWellFormed() ? { parts: value.split('*') } : { value };
}

/**
 * Whether a name has the parts of a pattern one after the other, with anything in between. Each is taken where it comes
 * first, so that the time is bounded by name times pattern: a RegExp could go back from every `*` to every other one.
 */
function fits(parts: readonly string[], name: string): boolean {
  const first = parts[0]!;
  const last = parts[parts.length - 1]!;
  if (first === '' && name.startsWith('$')) return false;
  if (!name.startsWith(first) || !name.endsWith(last)) return false;
  let next = first.length;
  for (let i = 1; i < parts.length - 1; i++) {
    const at = name.indexOf(parts[i]!, next);
    if (at === -1) return false;
    next = at + parts[i]!.length;
  }
  return next + last.length <= name.length;
}

function invalid(path: string, what: string): KeeperError {
  return new KeeperError('ERR_INVALID_QUERY', `${path} ${what}`, { path });
}
