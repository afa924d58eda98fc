/** What the system lets a process have: open files, and the size of one. */
import fs from 'node:fs';
import { parseOptions } from '../../../shared/options.js';
import { bytesText, countText } from '../output.js';
import { type Finding, ok, problem, warning } from './finding.js';

/** The store holds some forty files open at most; the program around it has its own. */
const FEW_OPEN_FILES = 256;
const LIMITS = '/proc/self/limits';

/** Nothing where the system does not tell. */
export function checkLimits(): readonly Finding[] {
  if (!fs.existsSync(LIMITS)) return [];
  const text = fs.readFileSync(LIMITS, 'utf8');
  return [checkOpenFiles(softLimit(text, 'Max open files')), checkFileSize(softLimit(text, 'Max file size'))];
}

function softLimit(text: string, name: string): number {
  const found = new RegExp(`^${name} +(\\d+|unlimited)`, 'm').exec(text)?.[1];
  return found === undefined || found === 'unlimited' ? Number.POSITIVE_INFINITY : Number(found);
}

function checkOpenFiles(limit: number): Finding {
  const measured = { limit: finite(limit) };
  if (limit >= FEW_OPEN_FILES) return ok('open files', limitText(limit, countText), measured);
  const advice = `Raise it to ${FEW_OPEN_FILES} or more: ulimit -n, or LimitNOFILE= of the service.`;
  return warning('open files', limitText(limit, countText), measured, advice);
}

function checkFileSize(limit: number): Finding {
  const { segmentBytes, maxBatchBytes } = parseOptions('.');
  const measured = { limitBytes: finite(limit) };
  // A segment is closed once it has reached its size: the last batch may go beyond it.
  if (limit >= segmentBytes + maxBatchBytes) return ok('file size', limitText(limit, bytesText), measured);
  const advice = `Lift it (ulimit -f unlimited, or LimitFSIZE= of the service), or open with segmentBytes well below: a segment takes ${bytesText(segmentBytes)}, and a file that may not grow counts as a full disk.`;
  return problem('file size', limitText(limit, bytesText), measured, advice);
}

function limitText(limit: number, text: (value: number) => string): string {
  return Number.isFinite(limit) ? `at most ${text(limit)}` : 'no limit';
}

/** JSON has no infinity. */
function finite(limit: number): number | null {
  return Number.isFinite(limit) ? limit : null;
}
