import { Pace } from '../../dist/main/seal/pace.js';

/** The pace of a store in which so much is appended, nothing unless told otherwise. */
export function paceOf(durable: () => number = () => 0): Pace {
  return new Pace({ durable, durableBytes: () => 0, waitingBytes: () => 0 });
}
