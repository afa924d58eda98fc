/** From a line of JSON to an event. */
import { isUtf8 } from 'node:buffer';
import { encodeStream } from '../../../shared/names.js';
import { isKeeperError } from '../../../shared/portable/errors.js';
import type { EventMetadata, NewEvent } from '../../../shared/portable/events.js';
import { EXIT, Refusal } from '../failure.js';

/** The members that a line may have. */
const MEMBERS = ['stream', 'type', 'data', 'metadata', 'tags', 'cause', 'schemaVersion', 'idempotencyKey'];

/** An event as a line says it. */
export interface LineEvent {
  readonly stream: string;
  readonly event: NewEvent;
  /** The number of an earlier line. Ids are in the event already. */
  readonly causeLine: number | undefined;
}

/** A line that cannot be ingested. Lines are counted from zero, as causes are. */
export function badLine(source: string, line: number, field: string, what: string): Refusal {
  const where = field === '' ? `${source}: line ${line} (from 0)` : `${source}: line ${line} (from 0): ${field}`;
  const facts = { source, line, field, committed: 'every line before it' };
  const message = `${where} ${what}. The lines before it are committed.`;
  return new Refusal(EXIT.failed, message, 'ingest --help', facts);
}

/**
 * The event of a line, or undefined if the line is blank. What the store checks is left to the store.
 * @throws Refusal
 */
export function parseLine(bytes: Buffer, source: string, line: number): LineEvent | undefined {
  const bad = (field: string, what: string): Refusal => badLine(source, line, field, what);
  if (!isUtf8(bytes)) throw bad('', 'is not UTF-8');
  const text = bytes.toString('utf8').replace(/^\ufeff/, '');
  if (text.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad('', `is not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad('', 'is not a JSON object');
  for (const key of Object.keys(value)) {
    if (!MEMBERS.includes(key)) throw bad(key, `is not a member of an event here: ${MEMBERS.join(', ')}`);
  }
  const { stream, type, data, metadata, tags, cause, schemaVersion, idempotencyKey } = value as Record<string, unknown>;
  try {
    encodeStream(stream, false);
  } catch (error) {
    if (!isKeeperError(error)) throw error;
    throw bad('stream', error.message.replace(/^stream /, ''));
  }
  if (typeof type !== 'string') throw bad('type', 'must be a string');
  let causeLine: number | undefined;
  if (typeof cause === 'number') {
    if (!(Number.isInteger(cause) && cause >= 0 && cause < line)) {
      throw bad('cause', `is ${cause}, which is no earlier line`);
    }
    causeLine = cause;
  } else if (cause !== undefined && cause !== null && typeof cause !== 'string') {
    throw bad('cause', 'must be the number of an earlier line, the id of an event, or null');
  }
  const event: NewEvent = { type, data: data ?? null };
  if (metadata !== undefined && metadata !== null) event.metadata = metadata as EventMetadata;
  if (tags !== undefined && tags !== null) event.tags = tags as string[];
  if (typeof cause === 'string') event.causes = [cause];
  if (schemaVersion !== undefined && schemaVersion !== null) event.schemaVersion = schemaVersion as number;
  if (idempotencyKey !== undefined && idempotencyKey !== null) event.idempotencyKey = idempotencyKey as string;
  return { stream: stream as string, event, causeLine };
}
