/**
 * Repair: what is left of a damaged log is put together again, and what is not left is given up, and said so. Nothing is
 * thrown away: the files that it replaces stay beside the log. Interrupted and repeated it comes to the same end, as the
 * manifest, which names what was given up, is replaced last.
 */
import path from 'node:path';
import { corrupt } from '../shared/damage.js';
import {
  HEADS_FILE,
  indexFile,
  MANIFEST_FILE,
  sealedNumber,
  segmentFile,
  WATERMARK_FILE,
} from '../shared/format/file-names.js';
import { NO_FRAME } from '../shared/format/frame.js';
import { encodeManifest, MAX_MANIFEST_BYTES, type Manifest } from '../shared/format/manifest.js';
import { SEGMENT_HEADER_BYTES } from '../shared/format/segment.js';
import { encodeWatermarkFile } from '../shared/format/watermark.js';
import { Holes } from '../shared/holes.js';
import { checkNodeId, checkOnProgress, checkSignal, invalid, refuseUnknown } from '../shared/options.js';
import { aborted, isKeeperError } from '../shared/portable/errors.js';
import type { Problem } from '../shared/problem.js';
import { replaceFile, type Storage } from '../shared/storage.js';
import { unsealing } from '../shared/unsealing.js';
import { BaseFile } from './append/base-file.js';
import { baseOfCheckpoint, type NewBase } from './repair/base.js';
import { type Identity, identify } from './repair/identity.js';
import { makePlan, type Plan, type SegmentPlan } from './repair/plan.js';
import { type Before, copyFile, freeName, temporaryOf, writeSegment } from './repair/rewrite.js';
import { type SurveyContext, surveyStore } from './repair/survey.js';
import { repairTree } from './repair-tree.js';
import type { RepairOptions, RepairReport, RepairStoreOptions } from './repair-types.js';
import { type Runtime, threadRuntime } from './runtime.js';
import { problemOf } from './verify-problem.js';

/**
 * Repair a store that is open nowhere. What verifies is kept, down to single events of a damaged group; sequences of which
 * nothing is left become holes, which reads report and which are never used again. Files that are replaced stay in the
 * directory, with names that end in `.damaged`. The checkpoint of heads and keys is made anew at the next opening: a
 * stream whose last events are lost goes on from the last one that is left, and keys of lost events are forgotten. A base is made
 * anew of that checkpoint, where it does not verify and the checkpoint has what it had. Tiles of the audit tree are made anew of the
 * records, where that leads to the root that was signed; the tree's file, where it is lost, of records and tiles, and signed again by the key
 * that is there.
 *
 * A store without damage stays as it is, byte for byte; a torn end is left to the next opening.
 * @param options the directory, or options with it
 * @throws ERR_LOCKED where it is open for writing; ERR_NOT_FOUND where there is no store; ERR_INVALID_OPTIONS, also where
 *   the manifest is lost and `nodeId` is not given; ERR_CORRUPT where nothing says which store this was; ERR_STORAGE;
 *   ERR_UNSUPPORTED_FORMAT; ERR_ABORTED: the log is as it was then
 */
export function repairStore(options: string | RepairStoreOptions): Promise<RepairReport> {
  return repairStoreOn(options, threadRuntime);
}

/** The same over another runtime: the seam for tests of crashes. */
export async function repairStoreOn(options: string | RepairStoreOptions, runtime: Runtime): Promise<RepairReport> {
  const { dir, nodeId, ...rest } = checked(typeof options === 'string' ? { dir: options } : options);
  // Before the lock, which would make the directory.
  await identify(runtime.storage, dir, nodeId);
  const lock = runtime.lock(dir);
  try {
    return await repair(runtime, dir, nodeId, rest);
  } finally {
    const left = lock.release();
    if (left !== undefined) process.emitWarning(left);
  }
}

const KNOWN = { dir: true, nodeId: true, dryRun: true, signal: true, onProgress: true };

function checked(options: RepairStoreOptions): RepairStoreOptions {
  if (typeof options !== 'object' || options === null) throw invalid('options', 'must be a directory or an object');
  refuseUnknown(options, KNOWN, '');
  const { dir, nodeId, dryRun, signal, onProgress } = options;
  if (typeof dir !== 'string' || dir === '') throw invalid('dir', 'must be the path of a directory');
  checkNodeId(nodeId);
  if (dryRun !== undefined && typeof dryRun !== 'boolean') throw invalid('dryRun', 'must be a boolean');
  checkSignal(signal);
  checkOnProgress(onProgress);
  return options;
}

async function repair(
  runtime: Runtime,
  dir: string,
  nodeId: string | undefined,
  { dryRun = false, signal, onProgress }: RepairOptions,
): Promise<RepairReport> {
  const { storage } = runtime;
  const identity = await identify(storage, dir, nodeId);
  let [segments, bytes] = [0, 0];
  const context: { -readonly [K in keyof SurveyContext]: SurveyContext[K] } = {
    storage,
    log: unsealing(storage, identity.storeId, identity.hasher),
    dir,
    identity,
    holes: new Holes(identity.manifest.holes),
    signal,
    onSegment: (segmentBytes) => {
      segments++;
      bytes += segmentBytes;
      onProgress?.({ segments, bytes });
    },
  };
  const survey = await surveyStore(context);
  const plan = await makePlan(context, survey);
  const rewritten = plan.segments.filter(({ rewrite }) => rewrite);
  const base = damagedBase(storage, dir, identity);
  const isLogDamaged =
    identity.isNew ||
    rewritten.length > 0 ||
    plan.lost.length > 0 ||
    plan.holes.length > identity.manifest.holes.length;
  const isRepaired = (isLogDamaged || base?.made !== undefined) && !dryRun;
  const kept: string[] = [];
  if (isRepaired && base?.made !== undefined) {
    // First: the checkpoint, of which it is made, goes with the repair of the log.
    const manifest = await putBase(context, base.file, base.made, kept);
    context.identity = { ...identity, manifest };
  }
  if (isRepaired && isLogDamaged) kept.push(...(await carryOut(context, plan)));
  const { holes, segments: planned, lastSequence } = plan;
  const tree = await repairTree(runtime, {
    ...{
      dir,
      storeId: identity.storeId,
      epoch: identity.manifest.epoch,
      holes,
      segments: planned,
      ...{ lastSequence, durable: survey.durable, dryRun },
    },
    check() {
      if (!isRepaired && signal?.aborted === true) throw aborted(signal, 'the repair');
    },
  });
  kept.push(...tree.kept);
  const problems = [...(base !== undefined && base.made === undefined ? [base.problem] : []), ...tree.problems];
  const isTreeMended = tree.rewritten.length > 0;
  const written = rewritten.map(({ number }) => segmentFile(number));
  return {
    damaged: isLogDamaged || base !== undefined || isTreeMended || problems.length > 0,
    repaired: isRepaired || (isTreeMended && !dryRun),
    segments: plan.segments.length,
    rewritten: [...(base?.made === undefined ? [] : [base.file]), ...written, ...tree.rewritten].map((file) =>
      path.join(dir, file),
    ),
    kept: kept.map((file) => path.join(dir, file)),
    salvaged: plan.salvaged,
    unrepaired: [...new Set(problems.map(({ file }) => file))],
    problems,
    lost: plan.lost.map(([firstSequence, lastSequence]) => ({ firstSequence, lastSequence })),
  };
}

/** The base, where it does not verify, and what can be made of the checkpoint in its place. */
function damagedBase(
  storage: Storage,
  dir: string,
  identity: Identity,
): { readonly file: string; readonly made: NewBase | undefined; readonly problem: Problem } | undefined {
  const { base } = identity.manifest;
  if (base === undefined) return undefined;
  let opened: BaseFile | undefined;
  try {
    opened = BaseFile.open(storage, dir, identity.hasher, base);
    opened.verify();
    return undefined;
  } catch (error) {
    if (!isKeeperError(error, 'ERR_CORRUPT')) throw error;
    const problem = problemOf('ERR_CORRUPT', error.message, path.join(dir, base.file));
    return { file: base.file, made: baseOfCheckpoint(storage, dir, identity), problem };
  } finally {
    opened?.close();
  }
}

/** Put a base in the place of a damaged one; interrupted before the manifest names it, it is made again. Returns the manifest. */
async function putBase(
  { storage, dir, identity }: SurveyContext,
  file: string,
  made: NewBase,
  kept: string[],
): Promise<Manifest> {
  if (storage.exists(path.join(dir, file))) {
    const name = freeName(storage, dir, file, identity.manifest.epoch);
    await copyFile(storage, path.join(dir, file), path.join(dir, name));
    kept.push(name);
  }
  replaceFile(storage, dir, file, made.content);
  const manifest = { ...identity.manifest, base: { file, checksum: made.checksum } };
  replaceFile(storage, dir, MANIFEST_FILE, [encodeManifest(manifest)]);
  return manifest;
}

/** Returns the names under which the old files are kept. */
async function carryOut(context: SurveyContext, plan: Plan): Promise<string[]> {
  const { storage, dir, signal } = context;
  const rewritten = plan.segments.filter(({ rewrite }) => rewrite);
  const manifest = encodeManifest(nextManifest(context, plan));
  if (manifest.length > MAX_MANIFEST_BYTES) {
    throw corrupt(
      path.join(dir, MANIFEST_FILE),
      0,
      `the log is damaged in ${plan.holes.length} places: too many to name`,
    );
  }
  let last: Before;
  try {
    last = await writeAll(context, plan);
    if (signal?.aborted === true) throw aborted(signal, 'the repair');
  } catch (error) {
    for (const { number } of rewritten) {
      const file = temporaryOf(dir, number);
      if (storage.exists(file)) storage.remove(file);
    }
    throw error;
  }
  const kept = await keepReplaced(context, plan);
  putInPlace(context, rewritten);
  replaceFile(storage, dir, MANIFEST_FILE, [manifest]);
  writeWatermark(context, plan, last);
  return kept;
}

/** Have what will be replaced under another name as well. Returns these names. */
async function keepReplaced({ storage, dir, identity }: SurveyContext, plan: Plan): Promise<string[]> {
  const kept: string[] = [];
  const keep = async (file: string): Promise<void> => {
    kept.push(freeName(storage, dir, file, identity.manifest.epoch));
    await copyFile(storage, path.join(dir, file), path.join(dir, kept.at(-1)!));
  };
  for (const { rewrite, files } of plan.segments) if (rewrite) for (const file of files) await keep(file);
  if (identity.isNew && storage.exists(path.join(dir, MANIFEST_FILE))) await keep(MANIFEST_FILE);
  // From here on every old file is there twice; a repair that is interrupted finds it under its other name.
  storage.syncDir(dir);
  return kept;
}

function putInPlace({ storage, dir }: SurveyContext, rewritten: readonly SegmentPlan[]): void {
  for (const { number } of rewritten) storage.rename(temporaryOf(dir, number), path.join(dir, segmentFile(number)));
  if (storage.exists(path.join(dir, HEADS_FILE))) storage.remove(path.join(dir, HEADS_FILE));
  storage.syncDir(dir);
  // A raw segment counts where there is a sealed one as well: this may come back.
  const sealed = rewritten.flatMap(({ files }) => files.filter((file) => sealedNumber(file) !== undefined));
  for (const file of sealed) storage.remove(path.join(dir, file));
  // They are of what the segments were before.
  const indexes = rewritten.map(({ number }) => path.join(dir, indexFile(number)));
  for (const file of indexes) if (storage.exists(file)) storage.remove(file);
}

async function writeAll(context: SurveyContext, plan: Plan): Promise<Before> {
  let before: Before = { endOffset: 0, lastFrame: NO_FRAME, lastTimestampNs: 0n };
  for (const segment of plan.segments) {
    if (context.signal?.aborted === true) throw aborted(context.signal, 'the repair');
    before = segment.rewrite ? await writeSegment(context, segment, before) : endOf(segment, before);
  }
  return before;
}

/** The end of a segment that stays as it is. */
function endOf({ header, parts }: SegmentPlan, before: Before): Before {
  const last = parts.at(-1);
  if (last?.kind === 'frames') {
    const { end: endOffset, lastFrame, lastTimestampNs } = last.span;
    return { endOffset, lastFrame, lastTimestampNs };
  }
  const lastFrame = header?.previous ?? before.lastFrame;
  return { endOffset: SEGMENT_HEADER_BYTES, lastFrame, lastTimestampNs: before.lastTimestampNs };
}

/** A manifest of a new epoch that names what is given up. */
function nextManifest({ identity }: SurveyContext, plan: Plan): Manifest {
  return {
    ...identity.manifest,
    epoch: identity.manifest.epoch + 1,
    durableUpTo: plan.lastSequence,
    lastSegment: plan.segments.at(-1)?.number ?? 0,
    holes: plan.holes,
  };
}

/** The watermark that goes with it. */
function writeWatermark({ storage, dir, identity }: SurveyContext, plan: Plan, last: Before): void {
  const watermark = {
    epoch: identity.manifest.epoch + 1,
    turn: (identity.watermark?.turn ?? 0) + 1,
    sequence: plan.lastSequence,
    segment: plan.segments.at(-1)?.number ?? 0,
    endOffset: last.endOffset,
    clean: false,
  };
  replaceFile(storage, dir, WATERMARK_FILE, [encodeWatermarkFile(watermark, identity.hasher)]);
}
