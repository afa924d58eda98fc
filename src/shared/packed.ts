/** How far a segment is compressed. */
export interface Packed {
  /** The next block. */
  readonly block: number;
  /** Where it goes in the new file. */
  readonly offset: number;
  /** What of that file is synced. */
  readonly synced: number;
}
