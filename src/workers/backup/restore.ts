/**
 * Restoring a backup into an empty directory. From the first step to the last there is a file that says so, by which the directory
 * is refused as a store; the manifest comes last but one. So a restore that is stopped leaves nothing that opens, and can be done
 * again. The store that is there then is the one that was backed up, in an epoch of its own; it signs with a key of its own.
 */
import path from 'node:path';
import { readEdge, readTreeFile } from '../../shared/audit/stored-tree.js';
import { TileFiles } from '../../shared/audit/tile-files.js';
import { readBackupList } from '../../shared/backup-dir.js';
import type { CopyHooks, RestoreJob } from '../../shared/backup-jobs.js';
import type { BackupProgress, RestoreReport } from '../../shared/backup-report.js';
import { corrupt } from '../../shared/damage.js';
import { makeDirDurable } from '../../shared/directories.js';
import {
  type BackupContent,
  type BackupFile,
  type BackupList,
  type BackupSegment,
  backupName,
  filesOf,
  storeName,
} from '../../shared/format/backup-list.js';
import { PlaceHasher } from '../../shared/format/checksum.js';
import {
  HEADS_FILE,
  MANIFEST_FILE,
  RESTORING_FILE,
  TREE_FILE,
  WATERMARK_FILE,
} from '../../shared/format/file-names.js';
import { encodeManifest } from '../../shared/format/manifest.js';
import { encodeWatermarkFile } from '../../shared/format/watermark.js';
import { Holes } from '../../shared/holes.js';
import { refuseContent } from '../../shared/no-store.js';
import { fromWire, isKeeperError, KeeperError, toWire } from '../../shared/portable/errors.js';
import { replaceFile, type Storage } from '../../shared/storage.js';
import { bytesOf, type Copied, type CopyContext, copyInto, putInPlace } from './copying.js';
import { endOf } from './history.js';
import type { LogPlace } from './log-walk.js';
import { emptyStore } from './restored-dir.js';
import { copySegment, type SegmentEnd } from './segments.js';
import { copyTiles } from './tiles.js';

/** What the file says that stands for a restore which has not come to its end; it is for people. */
const RESTORING =
  'A restore into this directory has not come to its end. Restore once more, or remove the directory.\n';

const HINT =
  'Nothing was restored. If the store is still there, back it up into another directory; else restore another backup.';

/**
 * @throws ERR_NOT_FOUND where there is no backup; ERR_INVALID_OPTIONS where the directory is not empty; ERR_CORRUPT where a file of the
 *   backup is missing, or is not the one that was copied; ERR_STORAGE, ERR_UNSUPPORTED_FORMAT, and what a pause throws. The directory
 *   is empty again then, or says what it is.
 */
export async function restore(storage: Storage, { from, dir }: RestoreJob, hooks: CopyHooks): Promise<RestoreReport> {
  const list = readBackupList(storage, from);
  if (list === undefined) throw new KeeperError('ERR_NOT_FOUND', `there is no backup in ${from}`);
  const { content } = list;
  if (content === null) {
    throw new KeeperError('ERR_NOT_FOUND', `no backup into ${from} has come to its end: there is nothing to restore`);
  }
  makeDirDurable(storage, dir);
  refuseContent(storage, dir);
  replaceFile(storage, dir, RESTORING_FILE, [Buffer.from(RESTORING)]);
  try {
    // What a restore has left that was interrupted, perhaps one of another backup.
    emptyStore(storage, dir);
    await restoreFiles(storage, from, dir, content, hooks);
    replaceFile(storage, dir, MANIFEST_FILE, [encodeManifest(nextManifest(content))]);
  } catch (error) {
    takeBack(storage, dir);
    throw explained(error, storage, from, list);
  }
  // Everything is durable, and now it is a store.
  storage.remove(path.join(dir, RESTORING_FILE));
  storage.syncDir(dir);
  const { storeId, nodeId, durableUpTo: lastSequence } = content.manifest;
  const bytes = filesOf(content).reduce((sum, { file }) => sum + file.bytes, 0);
  return { storeId, nodeId, lastSequence, segments: content.segments.length, bytes };
}

async function restoreFiles(
  storage: Storage,
  from: string,
  dir: string,
  content: BackupContent,
  hooks: CopyHooks,
): Promise<void> {
  const storeId = Buffer.from(content.manifest.storeId, 'hex');
  const hasher = await PlaceHasher.create(storeId);
  const { segments } = content;
  const totalBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  let progress: BackupProgress = { segments: 0, totalSegments: segments.length, bytes: 0, totalBytes };
  const tell = (changed: Partial<BackupProgress>): void => {
    progress = { ...progress, ...changed };
    hooks.onProgress(progress);
  };
  const onBytes = (bytes: number): void => tell({ bytes: progress.bytes + bytes });
  const holes = new Holes(content.manifest.holes);
  const place = { storage, storeId, hasher, holes, pause: () => hooks.pause(), onBytes };
  let before: SegmentEnd | undefined;
  for (const segment of segments) {
    await restoreSegment(place, from, dir, segment, before);
    before = endOf(segment);
    tell({ segments: progress.segments + 1 });
  }
  const silent = { ...place, onBytes() {} };
  if (content.tree !== null) await restoreTree(silent, from, dir, content.tree, content.manifest.storeId);
  const { base } = content.manifest;
  if (content.base !== null && base !== undefined) await restoreFile(silent, from, dir, base.file, content.base);
  if (content.heads !== null) await restoreFile(silent, from, dir, HEADS_FILE, content.heads);
  const last = segments.at(-1);
  const watermark = {
    epoch: nextManifest(content).epoch,
    turn: 1,
    sequence: content.manifest.durableUpTo,
    segment: last?.number ?? 0,
    endOffset: last?.endOffset ?? 0,
    // Nothing of the log is in the page cache alone.
    clean: true,
  };
  replaceFile(storage, dir, WATERMARK_FILE, [encodeWatermarkFile(watermark, hasher)]);
}

/** Of a new epoch. */
function nextManifest({ manifest }: BackupContent): BackupContent['manifest'] {
  return { ...manifest, epoch: manifest.epoch + 1 };
}

async function restoreSegment(
  place: LogPlace & CopyContext,
  from: string,
  dir: string,
  segment: BackupSegment,
  before: SegmentEnd | undefined,
): Promise<void> {
  const { number, sealed, firstSequence, lastSequence } = segment;
  const file = fileOf(place.storage, from, storeName(segment), segment, segment);
  const source = { file, sealed, number };
  const to = path.join(dir, storeName(segment));
  const copy = { source, sealed, to, firstSequence, lastSequence, end: endOf(segment), before };
  await copySegment(place, copy, (copied) => isSame(copied, segment));
}

async function restoreTree(
  place: LogPlace & CopyContext,
  from: string,
  dir: string,
  tree: NonNullable<BackupContent['tree']>,
  storeId: string,
): Promise<void> {
  const { storage, pause } = place;
  await restoreFile(place, from, dir, TREE_FILE, tree);
  const file = readTreeFile(storage, dir, storeId);
  if (file?.body.size !== tree.size)
    throw corrupt(path.join(from, backupName(TREE_FILE, tree)), 0, 'it is another tree');
  const edge = readEdge(new TileFiles(storage, from), file);
  await copyTiles({ storage, from, edge, to: dir, have: 0, pause });
}

async function restoreFile(
  context: CopyContext,
  from: string,
  dir: string,
  name: string,
  file: BackupFile,
): Promise<void> {
  const { storage } = context;
  const source = fileOf(storage, from, name, file);
  const to = path.join(dir, name);
  const handle = storage.openRead(source);
  try {
    const copied = await copyInto(context, bytesOf(storage, handle), file.bytes, to);
    if (!isSame(copied, file)) throw corrupt(source, 0, 'the file is not the one that was copied');
  } finally {
    storage.close(handle);
  }
  putInPlace(storage, to);
}

function isSame(copied: Copied, { bytes, sha256 }: BackupFile): boolean {
  return copied.bytes === bytes && copied.sha256 === sha256;
}

/** The path of a file of the backup. @throws ERR_CORRUPT where it is missing */
function fileOf(
  storage: Storage,
  from: string,
  name: string,
  file: BackupFile,
  range?: Pick<BackupSegment, 'firstSequence' | 'lastSequence'>,
): string {
  const found = path.join(from, backupName(name, file));
  if (storage.exists(found)) return found;
  throw corrupt(found, 0, 'a file of the backup is missing', range);
}

/** Have the directory empty again; what stays says what it is. */
function takeBack(storage: Storage, dir: string): void {
  try {
    emptyStore(storage, dir);
    // The files go before the one by which they are no store.
    storage.syncDir(dir);
    storage.remove(path.join(dir, RESTORING_FILE));
  } catch (error) {
    process.emitWarning(error as Error); // what counts is why the restore was in vain
  }
}

/** Damage of a backup is no matter for a repair; and none it is where a newer backup has taken the place of what was read. */
function explained(error: unknown, storage: Storage, from: string, list: BackupList): unknown {
  const isMissing = isKeeperError(error, 'ERR_STORAGE') && error.errno === 'ENOENT';
  if (!isMissing && !isKeeperError(error, 'ERR_CORRUPT')) return error;
  if (readBackupList(storage, from)?.number !== list.number) {
    return new KeeperError('ERR_STORAGE', `${from} was backed up into while it was restored from`, {
      errno: 'EBUSY',
      syscall: 'read',
      hint: 'Nothing was restored. Restore once more.',
    });
  }
  return isMissing ? error : fromWire({ ...toWire(error as KeeperError), hint: HINT });
}
