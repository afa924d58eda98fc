/** Whether what a store shows is what the model has. */
import { expect } from 'vitest';
import { type Appended, parseEventId, type RecordedEvent } from '../../dist/main/index.js';
import type { Entry, Request } from './model.js';

/** What differs between an event and the model's; undefined where nothing does. */
export function difference(event: RecordedEvent, entry: Entry): string | undefined {
  const same = (name: string, a: unknown, b: unknown): string | undefined =>
    a === b ? undefined : `${name} is ${String(a)}, not ${String(b)}`;
  const fields =
    same('sequence', event.sequence, entry.sequence) ??
    same('stream', event.stream, entry.stream) ??
    same('revision', event.revision, entry.revision) ??
    same('type', event.type, entry.type) ??
    same('id', event.id, entry.id ?? event.id) ??
    same('schemaVersion', event.schemaVersion, entry.schemaVersion) ??
    same('idempotencyKey', event.idempotencyKey, entry.key) ??
    differentPlace(event);
  if (fields !== undefined) return `event ${entry.sequence}: ${fields}`;
  const causes = entry.causes.map((cause, i) =>
    typeof cause === 'number' ? (entry.call[cause]!.id ?? event.causes[i]) : cause,
  );
  const { data, metadata, tags } = event;
  const shown = [data, metadata, tags, event.causes];
  const meant = [entry.data, entry.metadata, entry.tags, causes];
  for (const [i, name] of ['data', 'metadata', 'tags', 'causes'].entries()) {
    if (!isSame(shown[i], meant[i]))
      return `event ${entry.sequence}: ${name} is ${text(shown[i])}, not ${text(meant[i])}`;
  }
  return undefined;
}

/** An event's id names its place and its time. */
function differentPlace({ id, sequence, timestampNs, time }: RecordedEvent): string | undefined {
  const parts = parseEventId(id);
  if (parts?.sequence === sequence && parts.timestampNs === timestampNs) {
    if (time.getTime() === Number(timestampNs / 1_000_000n)) return undefined;
  }
  return `its id ${id} is not of ${sequence} at ${timestampNs}, ${time.toISOString()}`;
}

/** Check what a call that was accepted, or repeats one that was, has returned. */
export function checkAppended(result: Appended, { how, parts, durability }: Request, call: readonly Entry[]): void {
  const { ids, firstSequence, lastSequence, revision, duplicate } = result;
  const last = call.at(-1)!;
  const told = `${firstSequence} to ${lastSequence}, revision ${revision}, ${ids.length} ids, ${result.durability}`;
  const meant = `${call[0]!.sequence} to ${last.sequence}, revision ${last.revision}, ${call.length} ids`;
  same(told, `${meant}, ${duplicate ? 'synced' : durability}`, 'what an append has returned');
  for (const [i, entry] of call.entries()) learnId(entry, ids[i]!);
  if (how !== 'appendMany') return;
  const revisions = parts.map(({ stream }) => [stream, call.findLast((entry) => entry.stream === stream)!.revision]);
  expect(Object.entries(Reflect.get(result, 'revisions') as object)).toEqual(revisions);
}

/** The store has told an event's id: whatever it tells later must be the same. */
export function learnId(entry: Entry, id: string): void {
  if (entry.id === id) return;
  expect(parseEventId(id)?.sequence, `the sequence in ${id}`).toBe(entry.sequence);
  expect(id, `the id of event ${entry.sequence}`).toBe(entry.id ?? id);
  entry.id = id;
}

/** The cheap way to expect that texts are the same. */
export function same(told: string, meant: string, what: string): void {
  if (told !== meant) expect.fail(`${what} is ${told}, not ${meant}`);
}

/** Whether two values are the same; bytes are, whatever view of them. */
function isSame(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0;
  }
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime();
  }
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [ofA, ofB] = [Object.entries(a), Object.entries(b)];
  return (
    ofA.length === ofB.length &&
    ofA.every(([name, member]) => Object.hasOwn(b, name) && isSame(member, Reflect.get(b, name)))
  );
}

function text(value: unknown): string {
  const full = JSON.stringify(value, (_, member) => (typeof member === 'bigint' ? `${member}n` : member));
  return full.length > 300 ? `${full.slice(0, 300)}…` : full;
}
