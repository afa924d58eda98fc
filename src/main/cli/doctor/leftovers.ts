/** Files beside the log that are no longer needed. */
import fs from 'node:fs';
import path from 'node:path';
import { isDamagedFile, isTornFile } from '../../../shared/format/file-names.js';
import { quote } from '../failure.js';
import { bytesText } from '../output.js';
import { type Finding, ok, warning } from './finding.js';
import { SCRATCH_PREFIX } from './scratch.js';

export function checkLeftovers(dir: string): Finding {
  const files = fs.readdirSync(dir);
  const torn = files.filter(isTornFile);
  const damaged = files.filter(isDamagedFile);
  const trials = files.filter((name) => name.startsWith(SCRATCH_PREFIX));
  const found = [...torn, ...trials];
  const measured = { torn, damaged, trials };
  const bytesOf = (names: readonly string[]): string =>
    bytesText(names.reduce((sum, name) => sum + fs.statSync(path.join(dir, name)).size, 0));
  const kept = damaged.length > 0 ? [`${damaged.length} files of ${bytesOf(damaged)}, kept by repairs`] : [];
  if (found.length === 0) return ok('leftovers', kept[0] ?? 'none', measured);
  const value = [
    ...(torn.length > 0 ? [`${torn.length} torn ends of ${bytesOf(torn)}, set aside by recoveries`] : []),
    ...kept,
    ...(trials.length > 0 ? [`${trials.length} trials of a doctor that was killed`] : []),
  ].join('; ');
  const words = found.map((name) => quote(path.join(dir, name))).join(' ');
  return warning('leftovers', value, measured, `Nothing in them was acknowledged. To be rid of them: rm -r ${words}`);
}
