/** A directory for trials on the file system that is checked, gone again whatever happens but a kill -9. */
import fs from 'node:fs';
import path from 'node:path';
import { causeOf, type Finding, ok, problem } from './finding.js';

export const SCRATCH_PREFIX = '.keeperlog-doctor-';

/** Do trials in a new directory inside of another one. That it cannot be made is a finding. */
export async function inScratch(
  parent: string,
  trials: (scratch: string) => Promise<readonly Finding[]>,
): Promise<readonly Finding[]> {
  let scratch: string;
  try {
    scratch = fs.mkdtempSync(path.join(parent, SCRATCH_PREFIX));
  } catch (error) {
    const code = causeOf(error);
    const advice =
      code === 'ENOSPC' || code === 'EDQUOT'
        ? 'Make room on the disk, or raise the quota.'
        : 'Let the user who runs the store own the directory, and mount it writable. To only read, open with readOnly.';
    return [problem('writable', `no: ${code} in ${parent}`, { writable: false, code }, advice)];
  }
  try {
    return [ok('writable', 'yes', { writable: true }), ...(await trials(scratch))];
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}
