/** All that `verify` looks at: the log, and what stands beside it. */
import { checkWorkOptions } from '../shared/options.js';
import type { Storage } from '../shared/storage.js';
import { Tombstones } from './read/tombstones.js';
import { withBase } from './removed.js';
import type { VerifyOptions, VerifyReport } from './store-types.js';
import { type VerifyParts, verifyLog } from './verify.js';
import { problemOfKey } from './verify-key.js';
import { withTombstones } from './verify-tombstones.js';
import { TreeCheck } from './verify-tree.js';

/**
 * What is wrong is in the report.
 * @throws ERR_INVALID_OPTIONS; ERR_ABORTED, ERR_CLOSED
 */
export async function verifyStore(
  storage: Storage,
  parts: Omit<VerifyParts, 'onTombstone'>,
  options: VerifyOptions,
): Promise<VerifyReport> {
  checkWorkOptions(options, 'deep');
  const ofLog = new Tombstones();
  const onTombstone = (stream: string, sequence: number): void => ofLog.add(stream, sequence);
  const log = await verifyWithTree({ ...parts, onTombstone }, options);
  const all = await withBase(await withTombstones(log, storage, parts, ofLog), storage, parts.work.dir);
  const ofKey = options.deep === true ? problemOfKey(storage, parts.work.dir, parts.work.storeId) : undefined;
  return ofKey === undefined ? all : { ...all, ok: false, problems: [...all.problems, ofKey] };
}

/** The log, and beside it the tree that was made of it. */
async function verifyWithTree(parts: VerifyParts, options: VerifyOptions): Promise<VerifyReport> {
  if (options.deep !== true) return (await verifyLog(parts, options)).report;
  const tree = new TreeCheck(parts, options);
  const run = tree.run();
  run.catch(() => undefined); // it is told when the log was looked at
  try {
    const { report, lastRemoved } = await verifyLog(parts, options);
    await run;
    const problems = [...report.problems, ...(await tree.problems(lastRemoved))];
    return { ...report, ok: problems.length === 0, problems };
  } finally {
    tree.end();
    await run.catch(() => undefined);
  }
}
