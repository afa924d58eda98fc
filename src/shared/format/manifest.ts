/**
 * The manifest: what a store is, replaced atomically (temporary file, sync, rename, sync of the directory). Text, UTF-8:
 * one line of JSON, then one line with the CRC-32 of the first as 8 hexadecimal digits.
 *
 * The members of the JSON object are those of {@link Manifest}. A reader refuses a higher `format`. The format is 2 where
 * there is a base: a program that does not know of it must not take a log whose beginning is gone for a whole one. It is 3 where
 * there are tombstones, with a base or without: such a program must not show what was deleted.
 */
import type { Hole } from '../holes.js';
import { NODE_ID } from '../portable/event-id.js';
import { crc32 } from './checksum.js';
import { baseFile } from './file-names.js';

const MANIFEST_FORMAT = 1;
/** Of a manifest with a base. */
const BASE_MANIFEST_FORMAT = 2;
/** Of one with tombstones: the highest there is. */
export const NEWEST_MANIFEST_FORMAT = 3;
/** None is larger: it names no streams and no segments, only holes where much was lost. Unit: bytes. */
export const MAX_MANIFEST_BYTES = 64 * 1024 * 1024;

export interface Manifest {
  readonly format: number;
  /** 32 hexadecimal digits: 16 random bytes, made once. */
  readonly storeId: string;
  readonly nodeId: string;
  /** 64 hexadecimal digits: the key of the hash by which streams and idempotency keys are found. Made once. */
  readonly hashKey: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** Of the writer that wrote this manifest: one more at each opening. */
  readonly epoch: number;
  /** The last sequence that was durable when the epoch began. */
  readonly durableUpTo: number;
  /** The first segment there is. */
  readonly firstSegment: number;
  /** The newest segment there was when this manifest was written; later ones are found by their chained headers. */
  readonly lastSegment: number;
  /** The retention floor: the lowest sequence there is. */
  readonly floor: number;
  /**
   * What a repair gave up, see {@link Hole}: ascending ranges whose sequences are never used again. Of no sequences where
   * the frames before and behind do not follow each other, though nothing is missing.
   */
  readonly holes: readonly Hole[];
  /** Heads and keys of what is below the floor. Absent where nothing was removed. */
  readonly base?: NamedBase;
  /** No tombstone in the log has a lower sequence. Absent where there is none. */
  readonly tombstones?: number;
}

/** A base's file, as the manifest names it. */
export interface NamedBase {
  readonly file: string;
  /** 16 hexadecimal digits: the checksum of its header. Of two with the same floor, heads are the same, live keys may be fewer. */
  readonly checksum: string;
}

/** The format of a manifest with some members. */
export function manifestFormat({ base, tombstones }: Pick<Manifest, 'base' | 'tombstones'>): number {
  if (tombstones !== undefined) return NEWEST_MANIFEST_FORMAT;
  return base === undefined ? MANIFEST_FORMAT : BASE_MANIFEST_FORMAT;
}

export function encodeManifest(manifest: Manifest): Buffer {
  const text = JSON.stringify(manifest);
  return Buffer.from(`${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
}

/** What a manifest file holds. */
export type ManifestFound =
  | { readonly kind: 'valid'; readonly manifest: Manifest }
  | { readonly kind: 'corrupt'; readonly why: string }
  | { readonly kind: 'unsupported'; readonly format: string };

export function decodeManifest(file: Buffer): ManifestFound {
  if (file.length > MAX_MANIFEST_BYTES) return { kind: 'corrupt', why: 'it is larger than any' };
  const lines = file.toString('utf8').split('\n');
  const [text, checksum] = lines;
  if (lines.length !== 3 || text === undefined || checksum !== crc32(text).toString(16).padStart(8, '0')) {
    return { kind: 'corrupt', why: 'its checksum does not hold' };
  }
  const found = parse(text);
  if (typeof found !== 'object' || found === null) return { kind: 'corrupt', why: 'it holds no JSON object' };
  const manifest = found as Readonly<Record<keyof Manifest, unknown>>;
  const { format } = manifest;
  if (format !== MANIFEST_FORMAT && format !== BASE_MANIFEST_FORMAT && format !== NEWEST_MANIFEST_FORMAT) {
    return { kind: 'unsupported', format: Number.isInteger(format) ? String(format) : 'that is no number' };
  }
  const wrong = MEMBERS.find(([member, holds]) => !holds(manifest[member]));
  if (wrong !== undefined) return { kind: 'corrupt', why: `its member ${wrong[0]} cannot be` };
  const { base, floor, tombstones } = manifest;
  if (base === undefined ? format === BASE_MANIFEST_FORMAT : format === MANIFEST_FORMAT || !isBase(base, floor)) {
    return { kind: 'corrupt', why: 'its member base cannot be' };
  }
  if (format === NEWEST_MANIFEST_FORMAT ? !isCount(tombstones) : tombstones !== undefined) {
    return { kind: 'corrupt', why: 'its member tombstones cannot be' };
  }
  return { kind: 'valid', manifest: found as Manifest };
}

export const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
export const isSegment = (value: unknown): boolean => isCount(value) && (value as number) < 2 ** 32;
export const isText = (pattern: RegExp) => (value: unknown) => typeof value === 'string' && pattern.test(value);

function isBase(value: unknown, floor: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const { file, checksum } = value as Readonly<Record<keyof NamedBase, unknown>>;
  return file === baseFile(floor as number) && isText(/^[0-9a-f]{16}$/)(checksum);
}

/** What each member must be, for a manifest may have a good checksum and be nonsense. */
const MEMBERS: readonly (readonly [keyof Manifest, (value: unknown) => boolean])[] = [
  ['storeId', isText(/^[0-9a-f]{32}$/)],
  ['nodeId', isText(NODE_ID)],
  ['hashKey', isText(/^[0-9a-f]{64}$/)],
  ['createdMs', isCount],
  ['epoch', (value) => isCount(value) && value !== Number.MAX_SAFE_INTEGER],
  ['durableUpTo', isCount],
  ['firstSegment', (value) => isSegment(value) && value !== 0],
  ['lastSegment', isSegment],
  ['floor', isCount],
  ['holes', (value) => Array.isArray(value) && value.every(isHole)],
];

/** Whether it is a hole that comes behind the one before it. */
function isHole(value: unknown, place: number, holes: readonly unknown[]): boolean {
  if (!Array.isArray(value) || value.length !== 2 || !value.every(isCount)) return false;
  const [first, last] = value as [number, number];
  const before = place === 0 ? 0 : (holes[place - 1] as Hole)[1] + 1;
  return first > before && last >= first - 1;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
