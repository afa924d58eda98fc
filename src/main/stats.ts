/** What a store is doing and what it holds, in numbers. */
import type { Settings } from '../shared/options.js';
import { loadPosition, POSITION } from '../shared/ring/layout.js';
import { HEADS_BUDGET_BYTES } from './append/heads.js';
import { KEYS_BUDGET_BYTES } from './append/keys.js';
import type { Reader } from './read/reader.js';
import { TOMBSTONES_BUDGET_BYTES } from './read/tombstones.js';
import type { ReadOnlyStore } from './read-only-store.js';
import type { MemoryUse, StoreStats } from './store-types.js';
import type { WritingStore } from './writing-store.js';

type Mode =
  | { readonly kind: 'writing'; readonly store: WritingStore }
  | { readonly kind: 'read-only'; readonly store: ReadOnlyStore };

export function collectStats(settings: Settings, mode: Mode, reader: Reader, storeId: string): StoreStats {
  const { records } = mode.store;
  const durable = records.durable();
  const index = { bytes: reader.indexBytes, budget: settings.indexBytes };
  const tombstones = { bytes: records.catalog.tombstones.bytes, budget: TOMBSTONES_BUDGET_BYTES };
  const common = {
    dir: settings.dir,
    storeId,
    nodeId: records.nodeId,
    durable,
    segments: records.catalog.segments.length,
    floor: records.floor,
    holes: records.holes.missing(records.floor, durable),
  };
  if (mode.kind === 'read-only') {
    const none: MemoryUse = { bytes: 0, budget: 0 };
    const { found } = mode.store;
    return {
      ...common,
      readOnly: true,
      mode: 'open',
      accepted: durable,
      bytes: bytesOf(mode, found.active?.endOffset ?? 0),
      pending: 0,
      waiting: 0,
      appends: 0,
      events: 0,
      groupCommits: { count: 0, events: 0, largest: 0 },
      memory: { ring: none, waiting: none, cache: none, index, heads: none, keys: none, tombstones },
      recovery: { clean: found.clean, tornBytes: 0, tornFile: undefined, rewrittenBytes: 0, tookMs: 0 },
    };
  }
  const { appender, pending, ring, tail, heads, keys, opened, sequencer } = mode.store;
  const { appends, events, commits, committed, largest } = appender.counts;
  return {
    ...common,
    readOnly: false,
    mode: mode.store.mode,
    accepted: sequencer.lastSequence,
    bytes: bytesOf(mode, loadPosition(ring.state, POSITION.endOffset)),
    pending: pending.count,
    waiting: appender.waiting.calls,
    appends,
    events,
    groupCommits: { count: commits, events: committed, largest },
    memory: {
      ring: { bytes: ring.usedBytes, budget: settings.ringBytes },
      waiting: { bytes: appender.waiting.bytes, budget: settings.maxPendingBytes },
      cache: { bytes: tail.bytes, budget: settings.cacheBytes },
      index,
      heads: { bytes: heads.bytes, budget: HEADS_BUDGET_BYTES },
      keys: { bytes: keys.bytes, budget: KEYS_BUDGET_BYTES },
      tombstones,
    },
    recovery: opened.recovery,
  };
}

/** Bytes of the log: all segment files but the newest, and that one up to its end. */
function bytesOf({ store }: Mode, endOffset: number): number {
  const { catalog } = store.records;
  return catalog.closedBytes() + endOffset;
}
