/** Opening a store for writing: make it, or mend what the last writer left, and begin a new epoch. */
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { type ActiveSegment, scanActive } from '../../shared/active-scan.js';
import { corrupt } from '../../shared/damage.js';
import {
  baseFloor,
  indexNumber,
  MANIFEST_FILE,
  sealedNumber,
  segmentFile,
  segmentNumber,
  TEMPORARY,
  tornFile,
} from '../../shared/format/file-names.js';
import { sameChecksum } from '../../shared/format/frame.js';
import { encodeManifest, type Manifest, manifestFormat } from '../../shared/format/manifest.js';
import { Holes } from '../../shared/holes.js';
import { type Inspection, inspectStore, lostError, readManifest } from '../../shared/inspect.js';
import { invalid } from '../../shared/options.js';
import type { RecoveryReport } from '../../shared/recovery-report.js';
import { type FileHandle, replaceFile, type Storage, writeFully } from '../../shared/storage.js';
import { fileOfSegment, unsealing } from '../../shared/unsealing.js';

/** Mending reads and writes so much at a time. Unit: bytes. */
const CHUNK_BYTES = 1024 * 1024;

/** A store that is ready to be written. */
export interface Recovered {
  /** As of the new epoch. */
  readonly manifest: Manifest;
  readonly found: Inspection;
  readonly report: Omit<RecoveryReport, 'tookMs'>;
}

/**
 * Recover a directory, or make a store in it. Interrupted and repeated it comes to the same end.
 * @param replayFrom what follows this sequence will be read again, to know heads and keys
 * @throws ERR_CORRUPT where bytes that were durable do not verify: then nothing has been changed; ERR_STORAGE;
 *   ERR_UNSUPPORTED_FORMAT; ERR_INVALID_OPTIONS for another node id than the store's
 */
export async function recover(
  storage: Storage,
  dir: string,
  nodeId: string | undefined,
  replayFrom: number,
): Promise<Recovered> {
  const manifest = readManifest(storage, dir) ?? createStore(storage, dir, nodeId);
  if (nodeId !== undefined && nodeId !== manifest.nodeId) {
    throw invalid('nodeId', `is ${nodeId}, but this store's is ${manifest.nodeId} and cannot change`);
  }
  const found = await inspectStore(storage, dir, manifest);
  if (found.lost[0] !== undefined) throw lostError(storage, dir, found, found.lost[0]);
  if (found.active?.tail.kind === 'corrupt') {
    const file = path.join(dir, segmentFile(found.active.header.number));
    throw corruptTail(file, found.active, found.active.tail.lastSequence);
  }
  checkReplayed(storage, dir, found, replayFrom);
  for (const name of storage.list(dir)) if (name.endsWith(TEMPORARY)) storage.remove(path.join(dir, name));
  if (!found.clean) {
    const unused = (found.active?.header.number ?? manifest.firstSegment - 1) + 1;
    emptyUnused(storage, path.join(dir, segmentFile(unused)));
  }
  const clean = found.clean || found.active === undefined;
  const mended = found.active === undefined ? NOTHING : mend(storage, dir, found, found.active, clean);
  const next: Manifest = {
    ...manifest,
    epoch: manifest.epoch + 1,
    durableUpTo: found.active?.lastSequence ?? 0,
    lastSegment: found.active?.header.number ?? 0,
  };
  replaceFile(storage, dir, MANIFEST_FILE, [encodeManifest(next)]);
  removePruned(storage, dir, next);
  return { manifest: next, found, report: { clean, ...mended } };
}

/**
 * What retention has removed, and a process that died has left. Not before the manifest was replaced here: that of the process
 * that died need not be durable, and the one before it still has these.
 */
function removePruned(storage: Storage, dir: string, { firstSegment, floor }: Manifest): void {
  for (const name of storage.list(dir)) {
    const isSegment = (segmentNumber(name) ?? sealedNumber(name) ?? indexNumber(name) ?? firstSegment) < firstSegment;
    const isBase = (baseFloor(name) ?? floor) !== floor;
    if (isSegment || isBase) storage.remove(path.join(dir, name));
  }
}

/**
 * Follow the frames of the older segments that will be replayed: damage there refuses the opening, and so must be met before
 * anything is changed.
 * @throws ERR_CORRUPT
 */
function checkReplayed(storage: Storage, dir: string, found: Inspection, replayFrom: number): void {
  const { manifest, segments, storeId, hasher } = found;
  const holes = new Holes(manifest.holes);
  const log = unsealing(storage, storeId, hasher);
  // A checkpoint that speaks of what the log does not have is not used: then all of it is replayed.
  const from = replayFrom <= (found.active?.lastSequence ?? 0) ? replayFrom : 0;
  for (const [place, next] of segments.slice(1).entries()) {
    const last = next.firstSequence - 1;
    if (last <= from) continue;
    const { active } = scanActive({ storage: log, dir, storeId, hasher }, segments[place]!, manifest, last);
    if (active.tail.kind === 'corrupt')
      throw corruptTail(fileOfSegment(storage, dir, active.header.number), active, last);
    if (sameChecksum(active.lastFrame, next.previous) || holes.beginsAnew(holes.skip(next.firstSequence))) continue;
    throw corrupt(fileOfSegment(storage, dir, next.number), 0, 'the segment does not continue the one before it', {
      firstSequence: active.header.firstSequence,
      lastSequence: last,
    });
  }
}

type Mended = Omit<RecoveryReport, 'clean' | 'tookMs'>;
const NOTHING: Mended = { tornBytes: 0, tornFile: undefined, rewrittenBytes: 0 };

function createStore(storage: Storage, dir: string, nodeId: string | undefined): Manifest {
  const manifest: Manifest = {
    format: manifestFormat({}),
    storeId: randomBytes(16).toString('hex'),
    nodeId: nodeId ?? randomBytes(6).toString('hex'),
    hashKey: randomBytes(32).toString('hex'),
    createdMs: Date.now(),
    epoch: 0,
    durableUpTo: 0,
    firstSegment: 1,
    lastSegment: 0,
    floor: 1,
    holes: [],
  };
  replaceFile(storage, dir, MANIFEST_FILE, [encodeManifest(manifest)]);
  return manifest;
}

function mend(storage: Storage, dir: string, found: Inspection, active: ActiveSegment, clean: boolean): Mended {
  const { number } = active.header;
  const handle = storage.openWrite(path.join(dir, segmentFile(number)), 'existing');
  try {
    let torn: string | undefined;
    if (active.tail.kind === 'torn') {
      torn = tornFile(number, found.manifest.epoch);
      setAside(storage, dir, torn, handle, active.endOffset, active.tail.endOffset);
      storage.truncate(handle, active.endOffset);
    }
    const rewritten = clean ? 0 : active.endOffset - active.unsureOffset;
    if (rewritten > 0) writeAgain(storage, handle, active.unsureOffset, active.endOffset);
    if (torn !== undefined || rewritten > 0) {
      storage.sync(handle);
      storage.syncDir(dir);
    }
    const tornBytes = active.tail.kind === 'torn' ? active.tail.endOffset - active.endOffset : 0;
    return { tornBytes, tornFile: torn, rewrittenBytes: rewritten };
  } finally {
    storage.close(handle);
  }
}

/**
 * Have the file behind the newest segment durably empty. A writer that had no space for the first frame has cut off what it
 * could write of it, the segment's header perhaps; by a power cut it might come back behind a log that has gone on before it.
 */
function emptyUnused(storage: Storage, file: string): void {
  if (!storage.exists(file)) return;
  const handle = storage.openWrite(file, 'create');
  try {
    storage.sync(handle);
  } finally {
    storage.close(handle);
  }
}

/** Keep the bytes of a torn tail in a file of their own. */
function setAside(storage: Storage, dir: string, file: string, from: FileHandle, start: number, end: number): void {
  const parts: Buffer[] = [];
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const part = Buffer.alloc(Math.min(CHUNK_BYTES, end - at));
    storage.read(from, part, at);
    parts.push(part);
  }
  replaceFile(storage, dir, file, parts);
}

/**
 * Write a range again, identical: after a failed sync of a process that is gone, its pages may be marked clean though
 * the disk never got them, and a sync alone would then do nothing.
 */
function writeAgain(storage: Storage, handle: FileHandle, start: number, end: number): void {
  const part = Buffer.alloc(CHUNK_BYTES);
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const bytes = part.subarray(0, Math.min(CHUNK_BYTES, end - at));
    storage.read(handle, bytes, at);
    writeFully(storage, handle, [bytes], at);
  }
}

function corruptTail(file: string, active: ActiveSegment, lastSequence: number): Error {
  return corrupt(
    file,
    active.endOffset,
    `sequences ${active.lastSequence + 1} to ${lastSequence} were durable and do not verify`,
    { firstSequence: active.lastSequence + 1, lastSequence },
  );
}
