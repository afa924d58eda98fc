/** The store in the directory, looked at read-only, beside a live writer too. */
import type { Manifest } from '../../../shared/format/manifest.js';
import { readManifest } from '../../../shared/inspect.js';
import { isKeeperError } from '../../../shared/portable/errors.js';
import { nodeStorage } from '../../../shared/storage.js';
import type { Store } from '../../index.js';
import { type LockView, lookAtLock } from '../../lock.js';
import { withStore } from '../command.js';
import { commandLine } from '../failure.js';
import { bytesText, countText } from '../output.js';
import { progressLine } from '../progress-line.js';
import { type Finding, ok, problem, warning } from './finding.js';
import { checkGrowth } from './growth.js';
import { checkLeftovers } from './leftovers.js';

/** Events a little ahead of the clock are of two clocks, or of a small step. Unit: milliseconds. */
const AHEAD_MS = 1000;

export interface StoreFindings {
  readonly isThere: boolean;
  readonly findings: readonly Finding[];
}

/**
 * @param dir as it was named: what is advised is to be typed as it stands
 * @param signal ends the verification
 */
export async function checkStore(dir: string, signal: AbortSignal): Promise<StoreFindings> {
  try {
    const manifest = readManifest(nodeStorage, dir);
    if (manifest === undefined) {
      const none = ok('store', 'none yet; it is made with the first append', { there: false });
      return { isThere: false, findings: [none] };
    }
    const lock = lookAtLock(dir);
    const findings = await withStore({ dir, readOnly: true }, async (store) => {
      const log = await checkLog(store, dir, signal);
      // Events are not read where the log does not verify.
      const times = log.level === 'ok' ? [...(await checkNewest(store)), ...(await checkGrowth(store, dir))] : [];
      return [storeFinding(store, manifest), lockFinding(lock), recoveryFinding(store, lock), log, ...times];
    });
    return { isThere: true, findings: [...findings, checkLeftovers(dir)] };
  } catch (error) {
    if (!isKeeperError(error) || error.code === 'ERR_ABORTED') throw error;
    const measured = { code: error.code };
    const advice = error.hint === '' ? `Run ${commandLine('info', dir)}.` : error.hint;
    const finding = problem('store', error.message, measured, advice);
    return { isThere: true, findings: [error.code === 'ERR_CORRUPT' ? { ...finding, corrupt: true } : finding] };
  }
}

function storeFinding(store: Store, { format }: Manifest): Finding {
  const { storeId, durable, bytes, segments } = store.stats();
  const value = `${countText(durable)} events, ${bytesText(bytes)} in ${segments} segments, format ${format}`;
  return ok('store', value, { there: true, storeId, durable, bytes, segments, format });
}

function lockFinding({ state, holder }: LockView): Finding {
  const who = holder === undefined ? '' : `process ${holder.pid} on ${holder.host} since ${holder.since}`;
  const measured = {
    state,
    ...(holder !== undefined && { pid: holder.pid, host: holder.host, since: holder.since }),
  };
  switch (state) {
    case 'free':
      return ok('lock', 'free', measured);
    case 'held':
      return ok('lock', `held by ${who}`, measured);
    case 'left':
      return ok('lock', `free: left behind by ${who}, which has ended`, measured);
    case 'unknown': {
      const advice =
        'Nothing, if no other machine or container has the directory open: the next writer finds out whether the lock is held.';
      return warning(
        'lock',
        who === '' ? 'being taken' : `named for ${who}, not to be seen from here`,
        measured,
        advice,
      );
    }
  }
}

function recoveryFinding(store: Store, { state }: LockView): Finding {
  const { clean } = store.stats().recovery;
  const measured = { clean };
  if (clean) return ok('recovery', 'closed by its last writer', measured);
  if (state === 'held') return ok('recovery', 'open in a writer', measured);
  const advice = 'Nothing: the next writer recovers it by itself. Ask why the last one died, or lost its power.';
  return warning('recovery', 'not closed by its last writer', measured, advice);
}

/** Timestamps never go back: with the clock behind the newest event they creep on until it has caught up. */
async function checkNewest(store: Store): Promise<readonly Finding[]> {
  const head = await store.head();
  const newest = head === undefined ? undefined : await store.get(head.sequence);
  if (newest === undefined) return [];
  const aheadMs = newest.time.getTime() - Date.now();
  const measured = { time: newest.time.toISOString(), sequence: newest.sequence, aheadMs };
  if (aheadMs <= AHEAD_MS) return [ok('newest event', measured.time, measured)];
  const advice =
    'Set the clock: it went back, or was ahead before. Order is kept; until it has caught up, times of events say little.';
  return [warning('newest event', `${(aheadMs / 1000).toFixed(1)} s ahead of the clock`, measured, advice)];
}

/** Everything but payloads and revisions. */
async function checkLog(store: Store, dir: string, signal: AbortSignal): Promise<Finding> {
  const line = await progressLine('verify', store.stats().bytes);
  try {
    const report = await store.verify({
      signal,
      onProgress: ({ bytes, events }) => line.update(bytes, `${countText(events)} events`),
    });
    const { events, bytes, problems } = report;
    const measured = { events, bytes, problems };
    const [first] = problems;
    if (first === undefined) return ok('log', `${countText(events)} events verified`, measured);
    const value = `${problems.length} problem${problems.length === 1 ? '' : 's'}; the first: ${first.message} (${first.file})`;
    const advice = `Copy the directory before anything else. Then ${commandLine('verify --deep', dir)} says what is hit.`;
    const finding = problem('log', value, measured, advice);
    return problems.some(({ code }) => code === 'ERR_CORRUPT') ? { ...finding, corrupt: true } : finding;
  } finally {
    line.stop();
  }
}
