/** The event that a command names, by its id or its sequence. */
import type { RecordedEvent, Store } from '../index.js';
import { EXIT, Refusal } from './failure.js';

export function parseEventName(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}

/** @throws Refusal where there is none, besides what `get` throws */
export async function namedEvent(store: Store, name: string | number): Promise<RecordedEvent> {
  const event = await store.get(name);
  if (event !== undefined) return event;
  throw new Refusal(EXIT.failed, `there is no event ${name}`, 'read --backwards --limit 1', { id: String(name) });
}
