/** What a store that is open for writing is made of. */
import type { Opened } from '../shared/messages.js';
import type { Settings } from '../shared/options.js';
import type { RingProducer } from '../shared/ring/producer.js';
import type { CurrentBase } from './append/base-file.js';
import type { Clock } from './append/clock.js';
import type { OriginalSync } from './append/duplicates.js';
import type { Heads } from './append/heads.js';
import type { HeadsFile } from './append/heads-file.js';
import type { Keys } from './append/keys.js';
import type { Compaction } from './compact.js';
import type { Deletions } from './deletions.js';
import type { Pruning } from './prune.js';
import type { Records } from './read/records.js';
import type { TailCache } from './read/tail-cache.js';
import type { Retention } from './retention.js';
import type { Rotating } from './rotating.js';
import type { Engine } from './runtime.js';
import type { Auditor } from './seal/auditor.js';
import type { Sealer } from './seal/sealer.js';
import type { OperatorLog } from './telemetry/operator-log.js';

/** What a store is, beside its parts. */
export interface StoreIdentity {
  readonly storeId: string;
  readonly nodeId: string;
}

/** What a store is made of, once its directory was recovered and read. */
export interface WritingStoreParts {
  readonly identity: StoreIdentity;
  readonly opened: Opened;
  readonly settings: Settings;
  readonly log: OperatorLog;
  readonly engine: Engine;
  readonly ring: RingProducer;
  readonly records: Records;
  readonly tail: TailCache;
  readonly heads: Heads;
  readonly keys: Keys;
  readonly clock: Clock;
  readonly sealer: Sealer;
  readonly compaction: Compaction;
  readonly auditor: Auditor;
  readonly rotating: Rotating;
  /** Opens the checkpoint of heads that is in force. */
  readonly openHeadsFile: () => HeadsFile | undefined;
  /** The table that heads are looked up in: its file, and the last sequence that it covers. */
  readonly table: { readonly sequence: number; readonly file: string };
  /** What retention has removed. */
  readonly base: CurrentBase;
  readonly deletions: Deletions;
  /** Looks up an event of an earlier call, blocking the thread. */
  readonly original: OriginalSync;
  readonly makePruning: (leaveBase: () => Promise<void>) => Pruning;
  readonly makeRetention: (pruning: Pruning) => Retention;
}
