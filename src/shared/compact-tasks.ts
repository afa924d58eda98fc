/**
 * What the pool is asked for to compact a sealed segment, a step at a time, as it is for sealing: survey ..., rewrite ...,
 * assemble, recheck ..., commit.
 *
 * Frames and records stay where they are in the raw segment. Events that go are replaced, each run of them within a frame, by one
 * record of the same length that stands for them ({@link file://./format/removed-record.ts}); their bytes become zeros, which take
 * no space in compressed blocks.
 */
import type { FramePosition } from './frame-position.js';

/** What is to go. */
export interface Removal {
  /** Streams, each with a sequence: their events before it were deleted. */
  readonly streams: readonly (readonly [stream: string, below: number])[];
  /**
   * Events from this sequence on that have an idempotency key stay, and those that were appended with them: a call may be repeated
   * as long as its keys are known.
   */
  readonly keysFrom: number;
}

/** The segment that is compacted, as it is. */
export interface CompactRange {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly start: FramePosition;
  readonly rawBytes: number;
  /** Of a block, as it is to be in the new file. */
  readonly blockBytes: number;
  /** Header checksum of the last frame, as it was written. */
  readonly lastFrame: Uint8Array;
}

export type CompactStep =
  | { readonly step: 'begin' }
  /** What there is in some frames that is to go. */
  | { readonly step: 'survey'; readonly from: FramePosition | undefined; readonly lastSequence: number }
  /** Some frames without what is to go, in blocks of the new file. */
  | { readonly step: 'rewrite'; readonly range: CompactRange; readonly from: Rewritten }
  /** Everything but the blocks. */
  | {
      readonly step: 'assemble';
      readonly range: CompactRange;
      readonly storedBytes: number;
      readonly table: Uint8Array;
      readonly digests: readonly Uint8Array[];
    }
  /** Whether some frames of the new file are those of the old one, without what is to go, and with all else. */
  | { readonly step: 'recheck'; readonly range: CompactRange; readonly from: FramePosition }
  /** Put the new file in the old one's place. */
  | { readonly step: 'commit' };

/** How far a segment is rewritten. */
export interface Rewritten {
  readonly at: FramePosition;
  /** The next block, and where it goes in the new file. */
  readonly block: number;
  readonly offset: number;
  /** Raw bytes before that place which do not fill a block. */
  readonly rest: Uint8Array;
}

export interface CompactResults {
  /** Undefined: the segment is not sealed. */
  readonly begin: CompactRange | undefined;
  readonly survey: {
    readonly to: FramePosition;
    /** Events that are to go. */
    readonly events: number;
    /** Events that stay for their keys. */
    readonly kept: number;
  };
  readonly rewrite: { readonly to: Rewritten; readonly entries: Uint8Array; readonly digests: Uint8Array };
  readonly assemble: undefined;
  /** The place behind them; undefined where they are not. */
  readonly recheck: FramePosition | undefined;
  readonly commit: undefined;
}

export type CompactStepOf<K extends CompactStep['step']> = Extract<CompactStep, { step: K }>;
