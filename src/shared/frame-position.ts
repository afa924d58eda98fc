/** A place between two frames. */
export interface FramePosition {
  readonly offset: number;
  /** The next one that is there. */
  readonly sequence: number;
  /** Header checksum of the frame before it. */
  readonly previous: Uint8Array;
}
