/** What is known of streams beside the log. */
export interface StreamEnds {
  /** The last durable event of a stream, sequence 0 where it has none; undefined where only a search can tell. */
  last(stream: string, durable: number): StreamEnd | undefined;
  /** The last event of a stream below the floor; undefined where it has none there. */
  removed(stream: string): Promise<StreamEnd | undefined>;
}

export interface StreamEnd {
  readonly lastSequence: number;
  readonly revision: number;
}
