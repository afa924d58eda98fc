/** Event ids: `{timestampNs}_{sequence}_{nodeId}`. */

/** The parts of an id. */
export interface EventId {
  /** Nanoseconds since 1970. */
  readonly timestampNs: bigint;
  /** Place in the store, from 1. */
  readonly sequence: number;
  /** The store's node id, 1 to 64 of `A-Z`, `a-z`, `0-9` and `-`. */
  readonly nodeId: string;
}

/** What a node id may look like. */
export const NODE_ID = /^[A-Za-z0-9-]{1,64}$/;

const EVENT_ID = /^([0-9]{19})_([1-9][0-9]{0,15})_([A-Za-z0-9-]{1,64})$/;

/**
 * The id of an event: `${timestampNs}_${sequence}_${nodeId}`, in decimal. Timestamps from 2001 to 2286 have 19 digits, so
 * ids compare as strings in append order. The parts are not checked.
 */
export function formatEventId(timestampNs: bigint, sequence: number, nodeId: string): string {
  return `${timestampNs}_${sequence}_${nodeId}`;
}

/** The parts of an id, or undefined if the text is none. Whether there is such an event, only a store knows. */
export function parseEventId(id: string): EventId | undefined {
  const match = EVENT_ID.exec(id);
  if (match === null) return undefined;
  const sequence = Number(match[2]);
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { timestampNs: BigInt(match[1]!), sequence, nodeId: match[3]! };
}
