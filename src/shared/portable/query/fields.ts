/** What a query can name: the members of an event, and paths into its data and metadata. */

/** What values a member holds, and so what it can be compared with. */
export type FieldKind = 'text' | 'integer' | 'time' | 'texts' | 'anything';

/** A member of an event that a query can name. */
export type FieldName =
  | 'id'
  | 'sequence'
  | 'timestampNs'
  | 'time'
  | 'stream'
  | 'revision'
  | 'type'
  | 'tags'
  | 'causes'
  | 'agent'
  | 'session'
  | 'correlationId'
  | 'schemaVersion'
  | 'idempotencyKey'
  | 'data'
  | 'metadata';

/** The members by name. Those that hold anything take a path. */
const FIELD_KINDS: Readonly<Record<FieldName, FieldKind>> = {
  id: 'text',
  sequence: 'integer',
  timestampNs: 'integer',
  time: 'time',
  stream: 'text',
  revision: 'integer',
  type: 'text',
  tags: 'texts',
  causes: 'texts',
  agent: 'text',
  session: 'text',
  correlationId: 'text',
  schemaVersion: 'integer',
  idempotencyKey: 'text',
  data: 'anything',
  metadata: 'anything',
};

/** Metadata that stands in a record's header, and has a name of its own. */
const LABELS: ReadonlySet<string> = new Set(['agent', 'session', 'correlationId']);

/** A member, or what a path leads to in its data or metadata. */
export interface Field {
  readonly name: FieldName;
  /** Keys of objects and places in lists, from the outside in; empty for the member itself. */
  readonly path: readonly string[];
}

/** Characters of a path as it is written. */
export const MAX_PATH_CHARACTERS = 1024;
/** Keys of a path: as deep as data can be nested. */
export const MAX_PATH_KEYS = 64;

/** Why a text names no field. */
export interface NoField {
  readonly why: string;
}

/**
 * The field that a text names: `type`, `data`, `data.order.lines.0.sku`. A backslash takes the dot or backslash behind it as
 * a character of the key.
 */
export function parseField(text: string): Field | NoField {
  if (text.length > MAX_PATH_CHARACTERS) return { why: `is longer than ${MAX_PATH_CHARACTERS} characters` };
  const keys: string[] = [];
  let key = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (character === '\\') {
      const next = text[++i];
      if (next !== '.' && next !== '\\') return { why: 'has a backslash with neither a dot nor a backslash behind it' };
      key += next;
    } else if (character === '.') {
      keys.push(key);
      key = '';
    } else {
      key += character;
    }
  }
  keys.push(key);
  return fieldOf(keys);
}

/** The field that a member's name and the keys behind it lead to. */
export function fieldOf([name, ...path]: readonly string[]): Field | NoField {
  if (name === undefined || !Object.hasOwn(FIELD_KINDS, name)) {
    return { why: `is no member of an event that can be queried: ${Object.keys(FIELD_KINDS).join(', ')}` };
  }
  const field = { name: name as FieldName, path };
  if (path.length === 0) return field;
  if (FIELD_KINDS[field.name] !== 'anything') return { why: `leads into ${name}, which has no members` };
  if (path.length > MAX_PATH_KEYS) return { why: `is deeper than ${MAX_PATH_KEYS} keys` };
  if (path.includes('')) return { why: 'has an empty key' };
  if (!path.every((key) => key.isWellFormed())) return { why: 'has a lone surrogate, which no key has' };
  if (name === 'metadata' && path.length === 1 && LABELS.has(path[0]!)) return { name: path[0] as FieldName, path: [] };
  return field;
}

/** How a field is written in a query: what {@link parseField} reads. */
export function formatField({ name, path }: Field): string {
  return [name, ...path.map((key) => key.replace(/[\\.]/g, '\\$&'))].join('.');
}

export function kindOf({ name }: Field): FieldKind {
  return FIELD_KINDS[name];
}

/** Whether a field is a part of the payload, which has to be decoded before it is known. */
export function isPayload({ name }: Field): boolean {
  return FIELD_KINDS[name] === 'anything';
}
