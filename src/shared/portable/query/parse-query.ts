/** From a query as it is written to a query that is checked: all but what only the log can tell. */
import type { Direction } from '../rows.js';
import type { NamedField, ParsedAggregate } from './aggregate.js';
import { type Field, kindOf, parseField } from './fields.js';
import { MAX_CEL_CHARACTERS } from './from-cel.js';
import { parseWhere } from './parse-where.js';
import type { Predicate } from './predicate.js';
import type { GroupField } from './query.js';
import { isPlain, memberPath, refuse } from './refusal.js';

/** Fields in `select`, `groupBy` and each kind of extreme. */
const MAX_FIELDS = 256;

const SHAPE = ['select', 'direction', 'limit', 'cursor', 'aggregate', 'groupBy'];

/** A checked query. */
export interface ParsedQuery {
  /** Which events; CEL text where it has still to be parsed. */
  readonly where: Predicate | string;
  readonly select: readonly NamedField[] | undefined;
  readonly direction: Direction;
  readonly limit: number;
  readonly cursor: string | undefined;
  readonly aggregate: ParsedAggregate | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Check a query in either form. CEL text is not parsed.
 * @throws ERR_INVALID_QUERY with the path of what is wrong
 */
export function parseQuery(query: unknown, options: unknown = {}): ParsedQuery {
  if (!isPlain(options)) throw refuse('options', 'must be an object');
  const isText = typeof query === 'string';
  checkMembers(options, isText ? [...SHAPE, 'signal'] : ['signal'], 'an option here');
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw refuse('signal', 'must be an AbortSignal');
  if (isText) {
    if (query.length <= MAX_CEL_CHARACTERS) return { where: query, ...parseShape(options), signal };
    throw refuse('query', `has ${query.length} characters; it may have ${MAX_CEL_CHARACTERS}`);
  }
  if (!isPlain(query)) throw refuse('query', 'must be an object, or a text in CEL');
  checkMembers(query, ['where', ...SHAPE], 'a member of a query');
  return { where: parseWhere(query.where), ...parseShape(query), signal };
}

function checkMembers(object: object, known: readonly string[], what: string): void {
  for (const key of Object.keys(object)) {
    if (!known.includes(key))
      throw refuse(memberPath('', key).replace(/^\./, ''), `is not ${what}: ${known.join(', ')}`);
  }
}

function parseShape(shape: Record<string, unknown>): Omit<ParsedQuery, 'where' | 'signal'> {
  const { select, direction, limit, cursor, aggregate, groupBy } = shape;
  if (direction !== undefined && direction !== 'forwards' && direction !== 'backwards') {
    throw refuse('direction', "must be 'forwards' or 'backwards'");
  }
  if (limit !== undefined && !(Number.isInteger(limit) && (limit as number) >= 0)) {
    throw refuse('limit', 'must be an integer, zero or more');
  }
  if (cursor !== undefined && typeof cursor !== 'string') throw refuse('cursor', 'must be the cursor of a page');
  if (groupBy !== undefined && aggregate === undefined) throw refuse('groupBy', 'groups nothing without aggregate');
  if (aggregate !== undefined) {
    for (const name of ['select', 'direction', 'limit', 'cursor']) {
      if (shape[name] !== undefined) throw refuse(name, 'cannot go with aggregate: its rows are groups');
    }
  }
  return {
    select: select === undefined ? undefined : parseFields(select, 'select'),
    direction: direction ?? 'forwards',
    limit: (limit as number | undefined) ?? Number.POSITIVE_INFINITY,
    cursor,
    aggregate: aggregate === undefined ? undefined : parseAggregate(aggregate, groupBy),
  };
}

function parseAggregate(aggregate: unknown, groupBy: unknown): ParsedAggregate {
  if (!isPlain(aggregate)) throw refuse('aggregate', 'must be an object of count, min and max');
  for (const key of Object.keys(aggregate)) {
    if (key === 'count' || key === 'min' || key === 'max') continue;
    throw refuse(memberPath('aggregate', key), 'is no aggregate: count, min, max');
  }
  const { count = false } = aggregate;
  if (typeof count !== 'boolean') throw refuse('aggregate.count', 'must be a boolean');
  const [min, max] = [parseExtremes(aggregate.min, 'aggregate.min'), parseExtremes(aggregate.max, 'aggregate.max')];
  if (!count && min.length === 0 && max.length === 0) throw refuse('aggregate', 'asks for nothing: count, min, max');
  return { groupBy: parseGroupBy(groupBy), count, min, max };
}

function parseExtremes(names: unknown, path: string): NamedField[] {
  if (names === undefined) return [];
  const fields = parseOneOrMany(names, path);
  for (const { place, field } of fields) {
    if (kindOf(field) === 'texts') throw refuse(place, 'is a list, which has no order');
  }
  return fields;
}

function parseGroupBy(names: unknown): GroupField[] {
  if (names === undefined) return [];
  return parseOneOrMany(names, 'groupBy').map(({ place, field }) => {
    const kind = kindOf(field);
    if (kind === 'text' || kind === 'integer') return field.name as GroupField;
    throw refuse(place, 'makes no groups: only single texts and integers beside the data do');
  });
}

interface PlacedField extends NamedField {
  /** Where it stands in the query. */
  readonly place: string;
}

function parseOneOrMany(names: unknown, path: string): PlacedField[] {
  return Array.isArray(names) ? parseFields(names, path) : [placedField(names, path)];
}

function parseFields(names: unknown, path: string): PlacedField[] {
  if (!Array.isArray(names)) throw refuse(path, 'must be a list of fields');
  if (names.length === 0) throw refuse(path, 'is an empty list: leave it out');
  if (names.length > MAX_FIELDS) throw refuse(path, `has ${names.length} fields; it may have ${MAX_FIELDS}`);
  const fields = Array.from(names, (name, i) => placedField(name, `${path}[${i}]`));
  fields.forEach(({ text, place }, i) => {
    if (fields.findIndex((other) => other.text === text) < i) throw refuse(place, 'is there twice');
  });
  return fields;
}

function placedField(name: unknown, place: string): PlacedField {
  if (typeof name !== 'string') throw refuse(place, 'must be the name of a field');
  const field: Field | { why: string } = parseField(name);
  if ('why' in field) throw refuse(place, field.why);
  return { text: name, field, place };
}
