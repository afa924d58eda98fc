/** What is looked for, and where. */
import type { Hole } from '../../shared/holes.js';
import type { Range } from './bounds.js';
import type { Indexes } from './indexes.js';
import type { Lease } from './leases.js';
import type { Records } from './records.js';
import type { Sought } from './sought.js';

export interface Search<T> {
  readonly records: Records;
  readonly indexes: Indexes;
  readonly durable: number;
  readonly range: Range;
  readonly sought: Sought<T>;
  readonly limit: number;
  readonly signal: AbortSignal | undefined;
  /** Follows the search; whoever has taken it ends it. */
  readonly lease: Lease;
  /** Told of each hole in the range once the read has come to it. */
  readonly onHole: (hole: Hole) => void;
}
