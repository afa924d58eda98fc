/** Where the store is, or would be made: the directory, or the nearest one above it that is there. */
import fs from 'node:fs';
import path from 'node:path';
import { causeOf, type Finding, ok, problem } from './finding.js';

export interface Place {
  /** The directory that was named. */
  readonly dir: string;
  /** That one, or the nearest above it that is there. Undefined where nothing can be looked at. */
  readonly existing: string | undefined;
  readonly finding: Finding;
}

export function findPlace(named: string): Place {
  const dir = path.resolve(named);
  let existing = dir;
  try {
    for (;;) {
      const found = fs.statSync(existing, { throwIfNoEntry: false });
      if (found?.isDirectory() === true) break;
      if (found !== undefined) {
        const advice = 'Name another directory with --dir, or move the file away.';
        return { dir, existing: undefined, finding: problem('directory', `${existing} is a file`, { dir }, advice) };
      }
      existing = path.dirname(existing);
    }
  } catch (error) {
    const code = causeOf(error);
    const advice = 'Run as a user who may search every directory of that path, or mount what is missing.';
    const finding = problem('directory', `${existing} cannot be looked at: ${code}`, { dir, code }, advice);
    return { dir, existing: undefined, finding };
  }
  const value = existing === dir ? dir : `${dir} is not there yet; checked in ${existing}`;
  return { dir, existing, finding: ok('directory', value, { dir, checked: existing }) };
}
