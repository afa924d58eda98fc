/**
 * The manifest: what a store is, replaced atomically (temporary file, sync, rename, sync of the directory). Text, UTF-8:
 * one line of JSON, then one line with the CRC-32 of the first as 8 hexadecimal digits.
 *
 * The members of the JSON object are those of {@link Manifest}. A reader refuses a higher `format`.
 */
import type { Hole } from '../holes.js';
import { crc32 } from './checksum.js';

export const MANIFEST_FORMAT = 1;

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
  const lines = file.toString('utf8').split('\n');
  const [text, checksum] = lines;
  if (lines.length !== 3 || text === undefined || checksum !== crc32(text).toString(16).padStart(8, '0')) {
    return { kind: 'corrupt', why: 'its checksum does not hold' };
  }
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== MANIFEST_FORMAT) return { kind: 'unsupported', format: String(manifest.format) };
  return { kind: 'valid', manifest };
}
