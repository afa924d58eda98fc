/** What verifying finds. */
import type { Problem } from '../shared/problem.js';

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
