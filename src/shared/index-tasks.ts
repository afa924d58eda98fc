/**
 * What the pool is asked for to make the index of a sealed segment, a step at a time, as it is for sealing. The order is begin,
 * run ..., offsets, merge ... until all fields are done, a field that takes several of them with a dictionary behind the last one, commit; behind the sealing of the segment, which has made the runs on its
 * way, it begins with the offsets.
 *
 * A run is a small index of some records: its values in order, each with its places. Runs are kept in a temporary file and
 * merged field by field, so that the memory of a step does not grow with the segment, but for 4 bytes a record (where each
 * begins) and 8 bytes for each value of one field (for its filter).
 */
import type { FieldIndex, IndexedSegment, IndexHeader } from './format/index-file.js';
import type { BlockEntry } from './format/index-tree.js';
import type { FramePosition } from './frame-position.js';
import type { Hole } from './holes.js';
import type { PostedField } from './portable/query/narrow.js';

/** The segment whose index is made. */
export interface IndexWork {
  readonly dir: string;
  readonly number: number;
  readonly storeId: Uint8Array;
  readonly nodeId: string;
  readonly holes: readonly Hole[];
}

/** Blocks of a field in a run, one behind the other. */
export interface RunSection {
  readonly offset: number;
  /** Of each block, without its checksum. */
  readonly lengths: readonly number[];
}

/** What is known of a run. */
export interface Run {
  readonly records: number;
  /** Where each place of it begins, in units of 8 bytes. */
  readonly offsets: Uint32Array;
  readonly firstTimestampNs: bigint;
  readonly lastTimestampNs: bigint;
  readonly sections: Readonly<Record<PostedField, RunSection>>;
}

/** The next entry of a run's section: its block, and its place in that. */
export interface RunPosition {
  readonly block: number;
  readonly entry: number;
}

/** What sealing has gathered on its way through a segment; the blocks of the runs are in their file. */
export interface GatheredRuns {
  readonly segment: IndexedSegment;
  readonly lastSequence: number;
  readonly runs: readonly Run[];
}

export interface IndexRange {
  readonly segment: IndexedSegment;
  readonly lastSequence: number;
  readonly start: FramePosition;
}

/** A part of a dictionary. */
export interface MergedPart {
  readonly leaves: readonly BlockEntry[];
  /** XXH3 of each value. */
  readonly hashes: Uint8Array;
  /** The next entry of each run; undefined where it was the last part. */
  readonly positions: readonly RunPosition[] | undefined;
}

/** Offsets are those of the next byte of a file that is written. */
export type IndexStep =
  | { readonly step: 'begin' }
  | { readonly step: 'run'; readonly range: IndexRange; readonly from: FramePosition; readonly offset: number }
  | {
      readonly step: 'offsets';
      readonly segment: IndexedSegment;
      /** Of all places, and where the segment ends. */
      readonly offsets: readonly Uint32Array[];
      readonly offset: number;
    }
  /** The dictionaries of some fields, as many as a step has time for, or a part of one. */
  | {
      readonly step: 'merge';
      readonly segment: IndexedSegment;
      readonly places: number;
      /** What the runs have of each field that is left. */
      readonly fields: readonly (readonly RunSection[])[];
      /** How far the first of them is, where a part of it is done. */
      readonly positions: readonly RunPosition[] | undefined;
      readonly offset: number;
    }
  /** What is above the leaves of a field that was merged in parts. */
  | {
      readonly step: 'dictionary';
      readonly segment: IndexedSegment;
      readonly leaves: readonly BlockEntry[];
      readonly hashes: readonly Uint8Array[];
      readonly offset: number;
    }
  | { readonly step: 'commit'; readonly header: IndexHeader }
  | { readonly step: 'discard' };

export interface IndexResults {
  /** Undefined: there is no sealed segment. */
  readonly begin: IndexRange | undefined;
  readonly run: { readonly run: Run; readonly to: FramePosition; readonly offset: number };
  readonly offsets: { readonly directoryOffset: number; readonly offset: number };
  readonly merge: {
    /** The first fields, as many as were begun and done. */
    readonly done: readonly FieldIndex[];
    /** A part of the one behind them. */
    readonly part: MergedPart | undefined;
    readonly offset: number;
  };
  readonly dictionary: { readonly field: FieldIndex; readonly offset: number };
  readonly commit: undefined;
  readonly discard: undefined;
}

export type IndexStepOf<K extends IndexStep['step']> = Extract<IndexStep, { step: K }>;
