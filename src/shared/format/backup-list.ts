/**
 * The files of a backup's directory, and the list that says which of them the backup is made of.
 *
 *     keeperlog.backup                  the list; replaced atomically, after everything that it names is durable
 *     segment-0000000001.sealed.3       a segment, as the third backup into this directory has copied it
 *     segment-0000000004.log.5          a raw one; the newest goes to the end of the last frame that the backup covers
 *     keeperlog.heads.5                 the checkpoint of stream heads and idempotency keys
 *     keeperlog.901.base.5              the base, where retention has removed the beginning of the log
 *     keeperlog.tree.5                  the audit tree's file
 *     tile/0/000                        the audit tree's hashes, as in the store
 *     keeperlog.lock                    held by who writes the backup
 *
 * A file that the list names is never changed: what has changed since is copied under a new name, and the old one goes once no
 * list names it. The list is text, UTF-8: one line of JSON, then one line with the CRC-32 of the first as 8 hexadecimal digits.
 * The members of the JSON object are those of {@link BackupList}. A reader refuses a higher `format`.
 */
import { crc32 } from './checksum.js';
import { HEADS_FILE, sealedFile, segmentFile, TREE_FILE } from './file-names.js';
import { decodeManifest, encodeManifest, isCount, isSegment, isText, type Manifest } from './manifest.js';

export const BACKUP_FILE = 'keeperlog.backup';
export const BACKUP_FORMAT = 1;
/** Room for a million segments. Unit: bytes. */
export const MAX_BACKUP_LIST_BYTES = 512 * 1024 * 1024;

/** A file of a backup. */
export interface BackupFile {
  /** The number of the backup that has copied it. */
  readonly backup: number;
  readonly bytes: number;
  /** Of its bytes, in hexadecimal. */
  readonly sha256: string;
}

export interface BackupSegment extends BackupFile {
  readonly number: number;
  readonly firstSequence: number;
  /** The last one that is in it, or that was lost behind it. */
  readonly lastSequence: number;
  /** Where its last frame ends, in the raw segment. */
  readonly endOffset: number;
  /** Header checksum of the last frame, or of the one before the segment where it has none; 16 hexadecimal digits. */
  readonly lastFrame: string;
  /** Whether the file is that of a sealed segment. */
  readonly sealed: boolean;
}

/** What a backup is made of. */
export interface BackupContent {
  /** The store's, whose `durableUpTo` and `lastSegment` are the backup's last sequence and segment. */
  readonly manifest: Manifest;
  /** Oldest first. */
  readonly segments: readonly BackupSegment[];
  /** Up to which sequence the checkpoint of heads speaks; null where there is none. */
  readonly heads: (BackupFile & { readonly sequence: number }) | null;
  /** What is left of what retention has removed; null where the manifest names none. */
  readonly base: BackupFile | null;
  /** How many events the audit tree covers; null where nothing was ever signed. */
  readonly tree: (BackupFile & { readonly size: number }) | null;
}

export interface BackupList {
  readonly format: number;
  readonly storeId: string;
  /** Counts the backups into this directory, from 1; 0 before the first has come to its end. */
  readonly number: number;
  /** When this backup came to its end. Milliseconds since 1970. */
  readonly createdMs: number;
  /** Null before the first has come to its end. */
  readonly content: BackupContent | null;
}

/** What a file of a store is called in a backup. */
export function backupName(file: string, { backup }: Pick<BackupFile, 'backup'>): string {
  return `${file}.${backup}`;
}

/** What a segment is called in a store. */
export function storeName({ number, sealed }: Pick<BackupSegment, 'number' | 'sealed'>): string {
  return sealed ? sealedFile(number) : segmentFile(number);
}

/** Every file of a backup but for the tiles, and what it is called in a store. */
export function filesOf({
  manifest,
  segments,
  heads,
  base,
  tree,
}: BackupContent): { readonly name: string; readonly file: BackupFile }[] {
  return [
    ...segments.map((segment) => ({ name: storeName(segment), file: segment })),
    ...(heads === null ? [] : [{ name: HEADS_FILE, file: heads }]),
    ...(base === null ? [] : [{ name: manifest.base!.file, file: base }]),
    ...(tree === null ? [] : [{ name: TREE_FILE, file: tree }]),
  ];
}

/** What they are called in the backup. */
export function namesIn(content: BackupContent | null): Set<string> {
  return new Set(content === null ? [] : filesOf(content).map(({ name, file }) => backupName(name, file)));
}

const COPY = /^(segment-[0-9]{10}\.(log|sealed)|keeperlog\.(heads|tree|[0-9]+\.base))\.[0-9]+(\.tmp)?$/;

/** Whether a backup has copied a file under this name, or was about to. */
export function isBackupCopy(name: string): boolean {
  return COPY.test(name);
}

export function encodeBackupList(list: BackupList): Buffer {
  const text = JSON.stringify(list);
  return Buffer.from(`${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
}

export type BackupListFound =
  | { readonly kind: 'valid'; readonly list: BackupList }
  | { readonly kind: 'corrupt'; readonly why: string }
  | { readonly kind: 'unsupported'; readonly format: string };

export function decodeBackupList(file: Buffer): BackupListFound {
  if (file.length > MAX_BACKUP_LIST_BYTES) return { kind: 'corrupt', why: 'it is larger than any' };
  const lines = file.toString('utf8').split('\n');
  const [text, checksum] = lines;
  if (lines.length !== 3 || text === undefined || checksum !== crc32(text).toString(16).padStart(8, '0')) {
    return { kind: 'corrupt', why: 'its checksum does not hold' };
  }
  const found = parse(text);
  if (!isObject(found)) return { kind: 'corrupt', why: 'it holds no JSON object' };
  if (found.format !== BACKUP_FORMAT) {
    const { format } = found;
    return { kind: 'unsupported', format: Number.isInteger(format) ? String(format) : 'that is no number' };
  }
  const wrong = Object.keys(MEMBERS).find((member) => !MEMBERS[member as keyof BackupList](found[member]));
  if (wrong !== undefined) return { kind: 'corrupt', why: `its member ${wrong} cannot be` };
  const list = found as unknown as BackupList;
  const { content } = list;
  if ((content === null) !== (list.number === 0)) return { kind: 'corrupt', why: 'its number cannot be' };
  if (content !== null && !fits(content, list))
    return { kind: 'corrupt', why: 'its files cannot be those of a backup' };
  return { kind: 'valid', list };
}

type Check = (value: unknown) => boolean;
type Unchecked = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Unchecked => typeof value === 'object' && value !== null;
const isNull: Check = (value) => value === null;
const isFile = (value: unknown, ...counts: string[]): boolean =>
  isObject(value) &&
  ['backup', 'bytes', ...counts].every((member) => isCount(value[member])) &&
  isText(/^[0-9a-f]{64}$/)(value.sha256);

/** What each member must be, for a list may have a good checksum and be nonsense. */
const MEMBERS: Readonly<Record<keyof BackupList, Check>> = {
  format: (value) => value === BACKUP_FORMAT,
  storeId: isText(/^[0-9a-f]{32}$/),
  number: isCount,
  createdMs: isCount,
  content: (value) => isNull(value) || isContent(value),
};

function isContent(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { manifest, segments, heads, base, tree } = value;
  return (
    isObject(manifest) &&
    decodeManifest(encodeManifest(manifest as unknown as Manifest)).kind === 'valid' &&
    (manifest.base === undefined ? isNull(base) : isFile(base)) &&
    Array.isArray(segments) &&
    segments.every(isBackupSegment) &&
    (isNull(heads) || isFile(heads, 'sequence')) &&
    (isNull(tree) || isFile(tree, 'size'))
  );
}

function isBackupSegment(value: unknown): boolean {
  if (!isFile(value, 'firstSequence', 'lastSequence', 'endOffset')) return false;
  const { number, lastFrame, sealed } = value as unknown as Record<keyof BackupSegment, unknown>;
  return isSegment(number) && isText(/^[0-9a-f]{16}$/)(lastFrame) && typeof sealed === 'boolean';
}

/** Whether the parts of a backup go together. */
function fits(content: BackupContent, { storeId, number }: BackupList): boolean {
  const { manifest, segments, heads, tree } = content;
  const last = segments.at(-1);
  const end = last?.lastSequence ?? manifest.durableUpTo;
  return (
    manifest.storeId === storeId &&
    manifest.durableUpTo === end &&
    manifest.lastSegment === (last?.number ?? 0) &&
    last?.sealed !== true &&
    filesOf(content).every(({ file: { backup } }) => backup > 0 && backup <= number) &&
    segments.every(({ number, firstSequence }, i) => {
      const before = segments[i - 1];
      if (before === undefined) return number === manifest.firstSegment;
      return number === before.number + 1 && firstSequence === before.lastSequence + 1;
    }) &&
    Math.max(heads?.sequence ?? 0, tree?.size ?? 0) <= end
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
