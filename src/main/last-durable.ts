/** Where a stream durably ends. */
import type { StoredHead } from './append/heads-file.js';
import type { Pending } from './append/pending.js';

/**
 * The last durable event of a stream: what is accepted, without what is still pending. Sequence 0 and revision -1 where there is none.
 * @param head as accepted
 */
export function lastDurable(
  head: StoredHead | undefined,
  pending: Pending,
  stream: string,
  durable: number,
): StoredHead {
  let last: StoredHead = { lastSequence: head?.lastSequence ?? 0, revision: head?.revision ?? -1 };
  if (last.lastSequence <= durable) return last;
  for (const call of pending.newestFirst()) {
    if (last.lastSequence <= durable) break;
    const part = call.parts.find(({ head: { stream: name } }) => name === stream);
    if (part !== undefined) last = { lastSequence: part.previousSequence, revision: part.previousRevision };
  }
  return last;
}
