/** How far each step of an event's way has come. */
import type { Watermarks } from '../shared/portable/log.js';
import type { Audit } from './audit.js';
import type { ReadOnlyStore } from './read-only-store.js';
import type { WritingStore } from './writing-store.js';

type Mode =
  | { readonly kind: 'writing'; readonly store: WritingStore }
  | { readonly kind: 'read-only'; readonly store: ReadOnlyStore };

/** @throws ERR_CORRUPT where the newest checkpoint does not verify; ERR_STORAGE */
export function collectWatermarks({ kind, store }: Mode, audit: Audit): Watermarks {
  const { records } = store;
  const durable = records.durable();
  return {
    // Of a store that is only read, what another process has accepted is not known before it is durable.
    accepted: kind === 'writing' ? store.sequencer.lastSequence : durable,
    written: kind === 'writing' ? store.appender.written : durable,
    durable,
    sealed: records.catalog.sealedUpTo(),
    audited: audit.size,
  };
}
