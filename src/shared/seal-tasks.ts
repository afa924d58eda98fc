/**
 * What the pool is asked for to seal a segment, a slice at a time: so that nobody waits for long behind it, and an end of the
 * store finds it between two slices. The order is begin, digest …, pack …, assemble, compare …, commit.
 */
import type { Checkpoint } from './audit/prover.js';
import type { Hole } from './holes.js';
import type { WireError } from './portable/errors.js';

/** The segment that is sealed, and how. */
export interface SealedWork {
  readonly dir: string;
  readonly number: number;
  readonly storeId: Uint8Array;
  /** Of the blocks. */
  readonly codec: number;
  readonly holes: readonly Hole[];
}

/** What a segment and the one behind it say of it. */
export interface SealedRange {
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Where its frames begin, and what the first one names as the one before it. */
  readonly start: FramePosition;
  /** Its end, as the segment behind it has it; undefined where a repair has put the two together. */
  readonly end: { readonly offset: number; readonly previous: Uint8Array } | undefined;
}

/** A place between two frames. */
export interface FramePosition {
  readonly offset: number;
  /** The next one that is there. */
  readonly sequence: number;
  /** Header checksum of the frame before it. */
  readonly previous: Uint8Array;
}

export type SealTask =
  | ({ readonly kind: 'begin' } & SealedWork)
  /** Digests of the records of some frames, which are verified. */
  | ({ readonly kind: 'digest'; readonly range: SealedRange; readonly from: FramePosition } & SealedWork)
  /** Some blocks, compressed and written from an offset of the new file on. */
  | ({ readonly kind: 'pack'; readonly rawBytes: number; readonly block: number; readonly offset: number } & SealedWork)
  /** Everything but the blocks. */
  | ({
      readonly kind: 'assemble';
      readonly range: SealedRange;
      /** Where the frames end. */
      readonly end: FramePosition;
      readonly storedBytes: number;
      readonly table: Uint8Array;
      readonly digests: readonly Uint8Array[];
    } & SealedWork)
  /** Whether some blocks read back as the raw bytes. */
  | ({ readonly kind: 'compare'; readonly block: number } & SealedWork)
  /** Put the new file in the raw one's place. */
  | ({ readonly kind: 'commit' } & SealedWork)
  /** Let the audit tree grow by some frames of a segment, or make a new key, and sign it; or sign what there is. */
  | ({ readonly kind: 'audit'; readonly part: LogPart | 'rotate-key' | undefined } & SealedWork)
  /** What retention keeps of some frames of a segment that is to go. */
  | ({ readonly kind: 'fold'; readonly part: LogPart; readonly hashKey: string } & SealedWork)
  /** Remove files that the log does not need any more, by their names. */
  | ({ readonly kind: 'remove'; readonly files: readonly string[] } & SealedWork)
  /** Take away what was begun. */
  | ({ readonly kind: 'discard' } & SealedWork);

/** The frames of a segment that are wanted: from a place on, or from its beginning, up to a sequence that is durable. */
export interface LogPart {
  readonly from: FramePosition | undefined;
  readonly lastSequence: number;
}

export interface SealResults {
  /** Undefined: there is no raw segment. */
  readonly begin: SealedRange | undefined;
  readonly digest: { readonly to: FramePosition; readonly digests: Uint8Array };
  readonly pack: { readonly entries: Uint8Array; readonly block: number; readonly offset: number };
  readonly assemble: undefined;
  /** The next block to compare; undefined where one is not the same. */
  readonly compare: { readonly block: number; readonly last: boolean } | undefined;
  readonly commit: { readonly fileBytes: number };
  /** Where to go on. */
  readonly audit: { readonly checkpoint: Checkpoint; readonly to: FramePosition | undefined };
  readonly fold: {
    /** A head for each stream: entries as of {@link file://./format/checkpoint.ts}. */
    readonly heads: Uint8Array;
    /** As of {@link file://./format/base.ts}, by sequence. */
    readonly results: Uint8Array;
    readonly to: FramePosition;
  };
  readonly remove: undefined;
  readonly discard: undefined;
}

export type SealTaskOf<K extends SealTask['kind']> = Extract<SealTask, { kind: K }>;

/** What a thread of the pool answers. */
export type PoolAnswer = { readonly result: SealResults[SealTask['kind']] } | { readonly error: WireError };
