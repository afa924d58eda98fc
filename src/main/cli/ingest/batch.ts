/** The lines of one batch: as the store takes them, and which of them the store refused. */
import { isKeeperError } from '../../../shared/portable/errors.js';
import type { NewEvent } from '../../../shared/portable/events.js';
import type { OwnAppend } from '../../store.js';
import type { LineEvent } from './parse-line.js';

/** A line that is read and not on its way. Without an event it is blank. */
export interface Entry {
  readonly line: number;
  readonly event: LineEvent | undefined;
  /** Of the input up to the end of this line. */
  readonly offset: number;
  readonly checksum: number;
  readonly ended: boolean;
  readonly dueMs: number;
}

/** Successive events of one stream together. */
export function runsOf(withEvents: readonly Entry[], events: readonly NewEvent[]): OwnAppend[] {
  const runs: { stream: string; events: NewEvent[] }[] = [];
  for (const [i, { event }] of withEvents.entries()) {
    const { stream } = event!;
    const last = runs.at(-1);
    if (last?.stream === stream) last.events.push(events[i]!);
    else runs.push({ stream, events: [events[i]!] });
  }
  return runs;
}

/** The line that an error is about, if it is about one. */
export function findBad(
  error: Error,
  withEvents: readonly Entry[],
  appends: readonly OwnAppend[],
): { line: number; field: string; what: string } | undefined {
  if (isKeeperError(error, 'ERR_IDEMPOTENCY_REUSED')) {
    const bad = withEvents.find(({ event }) => event!.event.idempotencyKey === error.key);
    return bad && { line: bad.line, field: 'idempotencyKey', what: `(${error.key}) is in the store already` };
  }
  const match = /^appends\[(\d+)\]\.events\[(\d+)\](?:\.(\S+))?:? (.*)$/s.exec(error.message);
  if (match === null) return undefined;
  const before = appends.slice(0, Number(match[1])).reduce((sum, { events }) => sum + events.length, 0);
  const bad = withEvents[before + Number(match[2])];
  return bad && { line: bad.line, field: match[3] ?? '', what: match[4]! };
}
