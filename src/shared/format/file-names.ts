/**
 * The files of a store's directory.
 *
 *     keeperlog.manifest             what the store is
 *     keeperlog.lock                 who has it open; its content is for people, the lock is the kernel's
 *     keeperlog.watermark            how far the log is durable
 *     keeperlog.heads                checkpoint of stream heads and idempotency keys
 *     keeperlog.tombstones           which streams were deleted, and up to where
 *     keeperlog.5001.base            heads and keys of what retention has removed, below sequence 5001
 *     keeperlog.tree                 the audit tree: its keys, its frontier and the newest signed checkpoint
 *     keeperlog.key                  what signs checkpoints; for the store alone, and not for backups
 *     tile/0/000                     the hashes of the audit tree
 *     segment-0000000001.log         the log, in segments numbered from 1
 *     segment-0000000001.sealed      a segment that is sealed; beside a raw one of the same number, that one counts
 *     segment-0000000001.index       where records and values are in a sealed segment; derived, and made again where it is missing
 *     segment-0000000001.3.torn      a torn tail that epoch 3 set aside
 *     segment-0000000001.log.3.damaged   what a repair has replaced; also of the manifest
 *     keeperlog.restoring            a restore into this directory has not come to its end: no store yet
 *     *.tmp                          being written, to be renamed; removed when the store is opened
 *
 * The files of a backup's directory are in {@link file://./backup-list.ts}.
 */
export const MANIFEST_FILE = 'keeperlog.manifest';
export const LOCK_FILE = 'keeperlog.lock';
export const WATERMARK_FILE = 'keeperlog.watermark';
export const HEADS_FILE = 'keeperlog.heads';
export const TOMBSTONES_FILE = 'keeperlog.tombstones';
export const TREE_FILE = 'keeperlog.tree';
export const KEY_FILE = 'keeperlog.key';
export const TILE_DIR = 'tile';
export const RESTORING_FILE = 'keeperlog.restoring';
export const TEMPORARY = '.tmp';

const SEGMENT = /^segment-([0-9]{10})\.log$/;
const SEALED = /^segment-([0-9]{10})\.sealed$/;
const INDEX = /^segment-([0-9]{10})\.index$/;
const DAMAGED = /^.+\.[0-9]+\.damaged$/;
const BASE = /^keeperlog\.([1-9][0-9]{0,15})\.base$/;
const TORN = /^segment-[0-9]{10}\.[0-9]+\.torn$/;

export function segmentFile(number: number): string {
  return `segment-${String(number).padStart(10, '0')}.log`;
}

/** The number in a segment's file name, or undefined if it is no such name. */
export function segmentNumber(file: string): number | undefined {
  const match = SEGMENT.exec(file);
  return match === null ? undefined : Number(match[1]);
}

export function sealedFile(number: number): string {
  return `segment-${String(number).padStart(10, '0')}.sealed`;
}

/** The number in the name of a sealed segment's file, or undefined if it is no such name. */
export function sealedNumber(file: string): number | undefined {
  const match = SEALED.exec(file);
  return match === null ? undefined : Number(match[1]);
}

/** The index of a sealed segment. */
export function indexFile(number: number): string {
  return `segment-${String(number).padStart(10, '0')}.index`;
}

/** The number in the name of an index file, or undefined if it is no such name. */
export function indexNumber(file: string): number | undefined {
  const match = INDEX.exec(file);
  return match === null ? undefined : Number(match[1]);
}

/** The base of a log that begins at a sequence. */
export function baseFile(floor: number): string {
  return `keeperlog.${floor}.base`;
}

/** The floor in the name of a base's file, or undefined if it is no such name. */
export function baseFloor(file: string): number | undefined {
  const match = BASE.exec(file);
  return match === null ? undefined : Number(match[1]);
}

export function tornFile(segment: number, epoch: number): string {
  return `segment-${String(segment).padStart(10, '0')}.${epoch}.torn`;
}

/** The name under which a repair keeps a file that it replaces. */
export function damagedFile(file: string, epoch: number): string {
  return `${file}.${epoch}.damaged`;
}

export function isDamagedFile(file: string): boolean {
  return DAMAGED.test(file);
}

export function isTornFile(file: string): boolean {
  return TORN.test(file);
}

/** What to do where the log does not verify. */
export const LOG_FILES_HINT =
  'Nothing was changed. Copy the directory, read what is intact with readOnly, and look at `keeperlog repair --dry-run`.';
