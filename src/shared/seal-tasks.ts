/**
 * What the pool is asked for, a slice at a time: so that nobody waits for long behind it, and an end of the store finds it
 * between two slices. To seal a segment: begin, pack …, assemble, compare …, commit.
 */
import type { CompactResults, CompactStep, Removal } from './compact-tasks.js';
import type { Filtered, FilterWork } from './filter-task.js';
import type { SegmentHeader } from './format/segment.js';
import type { FramePosition } from './frame-position.js';
import type { Hole } from './holes.js';
import type { IndexResults, IndexStep, IndexWork, Run } from './index-tasks.js';
import type { WireError } from './portable/errors.js';
import type { Checkpoint } from './portable/proof/checkpoint.js';
import type { Problem } from './problem.js';
import type { TreeResults, TreeStep } from './tree-tasks.js';

export type { FramePosition } from './frame-position.js';

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
  /** Of a raw block. */
  readonly blockBytes: number;
}

export type SealTask =
  | ({ readonly kind: 'begin' } & SealedWork)
  /** Some frames: verified, their records digested and taken into a run of the index, the blocks that they fill written. */
  | ({ readonly kind: 'pack'; readonly range: SealedRange; readonly at: Packed; readonly nodeId: string } & SealedWork)
  /** Everything but the blocks. */
  | ({
      readonly kind: 'assemble';
      readonly range: SealedRange;
      /** Where the frames end. */
      readonly end: FramePosition;
      readonly storedBytes: number;
      readonly table: Uint8Array;
      readonly digests: readonly Uint8Array[];
      /** Whether some of its records were removed: a repair has put a compacted segment together. */
      readonly isCompacted: boolean;
    } & SealedWork)
  /** Whether some blocks, from an offset in the raw segment on, read back as the raw bytes. */
  | ({ readonly kind: 'compare'; readonly from: number } & SealedWork)
  /** Put the new file in the raw one's place. */
  | ({ readonly kind: 'commit' } & SealedWork)
  /** Let the audit tree grow by some frames of a segment, or by what retention has removed, or make a new key, and sign it; or sign what there is. */
  | ({ readonly kind: 'audit'; readonly part: AuditPart | 'rotate-key' | undefined } & SealedWork)
  /** Look at the audit tree, or mend it. */
  | ({ readonly kind: 'tree'; readonly step: TreeStep } & SealedWork)
  /** Check some frames of a segment, as far as they tell by themselves. */
  | ({ readonly kind: 'verify'; readonly part: VerifyPart } & SealedWork)
  /** A step of making the index of a sealed segment. */
  | ({ readonly kind: 'index'; readonly step: IndexStep } & IndexWork)
  /** A step of taking deleted events out of a sealed segment. */
  | ({ readonly kind: 'compact'; readonly step: CompactStep; readonly removal: Removal } & SealedWork)
  /** Look at records for a query. */
  | ({ readonly kind: 'filter' } & FilterWork & SealedWork)
  /** What retention keeps of some frames of a segment that is to go. */
  | ({ readonly kind: 'fold'; readonly part: LogPart; readonly hashKey: string } & SealedWork)
  /** Remove files that the log does not need any more, by their names. */
  | ({ readonly kind: 'remove'; readonly files: readonly string[] } & SealedWork)
  /** Take away what was begun. */
  | ({ readonly kind: 'discard' } & SealedWork);

/** How far a segment is taken into its new file. */
export interface Packed {
  /** Behind what was taken. The blocks that end there or before are written. */
  readonly frames: FramePosition;
  /** Where the next block goes. */
  readonly offset: number;
  /** Where the next run goes in theirs; undefined where they could not be written. */
  readonly runs: number | undefined;
}

/** The frames of a segment that are wanted: from a place on, or from its beginning, up to a sequence that is durable. */
export interface LogPart {
  readonly from: FramePosition | undefined;
  readonly lastSequence: number;
}

/** What the audit tree is to have: some frames, or what retention has removed, up to a sequence. */
export type AuditPart = (LogPart & Lacking) | PrunedPart;

export interface PrunedPart extends Lacking {
  readonly prunedUpTo: number;
}

interface Lacking {
  /** Whether the digests of what was removed may be missing: the key has never signed a tree that had them. */
  readonly mayLack: boolean;
}

/** The frames of a segment that are to be checked. */
export interface VerifyPart {
  /** Where the last part ended; undefined: from the segment's header on. */
  readonly from: Verified | undefined;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** Whether the segment behind it is lost: then it may end anywhere. */
  readonly lostBehind: boolean;
  /** Whether payloads and revisions are looked at. */
  readonly deep: boolean;
}

/** A place between two frames; the checksum of the one before it is undefined where that is not known. */
export interface Verified extends Omit<FramePosition, 'previous'> {
  readonly previous: Uint8Array | undefined;
  /** Where the digests of what follows are; undefined where they are not compared. */
  readonly digests?: DigestsPlace | undefined;
}

/** A place among the digests of a sealed segment. */
export interface DigestsPlace {
  /** How many are before it. */
  readonly index: number;
  /** Of all of them: another file has others. */
  readonly checksum: Uint8Array;
}

/** What was found. */
export interface FramesVerified {
  /** Of the segment, where that was looked at and is valid. */
  readonly header: SegmentHeader | undefined;
  readonly to: Verified;
  /** Whether there is more to check behind it. */
  readonly goesOn: boolean;
  readonly events: number;
  readonly bytes: number;
  /** The first record that verifies; undefined where none does. */
  readonly first: { readonly timestampNs: bigint; readonly sequence: number; readonly offset: number } | undefined;
  readonly lastTimestampNs: bigint;
  /** Sequences that compaction has removed, the first and the last of them at least, ascending. */
  readonly removed: readonly number[];
  /** Each with the stream that it has deleted. */
  readonly tombstones: readonly (readonly [stream: string, sequence: number])[];
  /** The file that was read: the raw one, or the sealed one. */
  readonly file: string;
  readonly problems: readonly Problem[];
  /** Sequences of which nothing verifies. */
  readonly lost: readonly Hole[];
  readonly streams: StreamSpans | undefined;
}

/** Each stream of some records: the words of its hash, then first revision and sequence, last revision and sequence. */
export interface StreamSpans {
  readonly hashes: Uint32Array;
  readonly numbers: Float64Array;
}
export const SPAN_NUMBERS = 4;

export interface SealResults {
  /** Undefined: there is no raw segment. */
  readonly begin: SealedRange | undefined;
  readonly pack: {
    readonly to: Packed;
    /** Of the block table. */
    readonly entries: Uint8Array;
    readonly digests: Uint8Array;
    readonly run: Run | undefined;
    /** Whether any records of these frames were removed. */
    readonly isCompacted: boolean;
  };
  readonly assemble: undefined;
  /** How far they do; undefined where one does not. */
  readonly compare: { readonly to: number; readonly isLast: boolean } | undefined;
  readonly commit: { readonly fileBytes: number };
  /** Where to go on. */
  readonly audit: {
    readonly checkpoint: Checkpoint;
    readonly to: FramePosition | undefined;
    /** Whether there was none before. */
    readonly isNewKey: boolean;
    /** Whether others may read the file of the key that was there, or write it. */
    readonly isKeyExposed: boolean;
  };
  readonly tree: TreeResults[TreeStep['step']];
  readonly verify: FramesVerified;
  readonly index: IndexResults[IndexStep['step']];
  readonly compact: CompactResults[CompactStep['step']];
  /** Undefined where a record is not where it is said to be. */
  readonly filter: Filtered | undefined;
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
export type PoolAnswer =
  | { readonly result: SealResults[SealTask['kind']]; readonly tookMs: number }
  | { readonly error: WireError };
