/** How long the disk lasts, if the log goes on as it has. */
import fs from 'node:fs';
import type { Store } from '../../index.js';
import { bytesText } from '../output.js';
import { type Finding, ok, warning } from './finding.js';

const DAY_MS = 86_400_000;
/** A shorter history says nothing about the days to come. Unit: milliseconds. */
const LEAST_HISTORY_MS = 3_600_000;
/** Time to act. Unit: days. */
const SOON_DAYS = 14;

/** Nothing where the history is too short. */
export async function checkGrowth(store: Store, dir: string): Promise<readonly Finding[]> {
  const first = await store.read({}, { limit: 1 }).first();
  if (first === undefined) return [];
  const historyMs = Date.now() - first.time.getTime();
  if (historyMs < LEAST_HISTORY_MS) return [];
  const { bavail, bsize } = fs.statfsSync(dir);
  const bytesADay = (store.stats().bytes * DAY_MS) / historyMs;
  const daysLeft = (bavail * bsize) / bytesADay;
  const measured = { bytesADay: Math.round(bytesADay), daysLeft: Math.floor(daysLeft) };
  const value = `${bytesText(Math.round(bytesADay))} a day: the disk lasts ${Math.floor(daysLeft)} days`;
  if (daysLeft >= SOON_DAYS) return [ok('growth', value, measured)];
  return [warning('growth', value, measured, 'Make room, or move the store to a larger disk while it is closed.')];
}
