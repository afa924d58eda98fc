/** Event ids: `{timestampNs}_{sequence}_{nodeId}`. */

/** The parts of an id. */
export interface EventId {
  readonly timestampNs: bigint;
  readonly sequence: number;
  readonly nodeId: string;
}

/** What a node id may look like. */
export const NODE_ID = /^[A-Za-z0-9-]{1,64}$/;

const EVENT_ID = /^([0-9]{19})_([1-9][0-9]{0,15})_([A-Za-z0-9-]{1,64})$/;

/** The id of an event. Timestamps from 2001 to 2286 have 19 digits, so ids compare as strings in append order. */
export function formatEventId(timestampNs: bigint, sequence: number, nodeId: string): string {
  return `${timestampNs}_${sequence}_${nodeId}`;
}

/** The parts of an id, or undefined if it is none. */
export function parseEventId(id: string): EventId | undefined {
  const match = EVENT_ID.exec(id);
  if (match === null) return undefined;
  const sequence = Number(match[2]);
  if (!Number.isSafeInteger(sequence)) return undefined;
  return { timestampNs: BigInt(match[1]!), sequence, nodeId: match[3]! };
}
