/** What verifying finds. */
import type { Problem } from '../shared/problem.js';
import type { FramesVerified, Verified } from '../shared/seal-tasks.js';

export function problemOf(
  code: Problem['code'],
  message: string,
  file: string,
  offset?: number,
  firstSequence?: number,
  lastSequence?: number,
): Problem {
  return {
    code,
    message,
    file,
    ...(offset !== undefined && { offset }),
    ...(firstSequence !== undefined && { firstSequence }),
    ...(lastSequence !== undefined && { lastSequence }),
  };
}

/** Frames of which none could be read, from a place to the problem's last sequence. */
export function unreadFrames(problem: Problem, to: Verified): FramesVerified {
  const { file, lastSequence = to.sequence } = problem;
  return {
    header: undefined,
    to,
    goesOn: false,
    events: 0,
    bytes: 0,
    first: undefined,
    lastTimestampNs: 0n,
    removed: [],
    tombstones: [],
    file,
    problems: [problem],
    lost: [[to.sequence, lastSequence]],
    streams: undefined,
  };
}
