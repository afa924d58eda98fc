/**
 * What a checkpoint says (https://c2sp.org/tlog-checkpoint): the text of a signed note, of three lines or more.
 *
 *     origin                the log's name; its keys have the same one
 *     size                  leaves of the tree, decimal
 *     root                  base 64
 *     further lines, which Keeperlog neither writes nor looks at
 */
import { fromBase64, toBase64 } from './base64.js';
import { HASH_BYTES } from './hashing.js';
import { unverified } from './refusal.js';

/** A signed checkpoint. */
export interface Checkpoint {
  /** How many events it covers: those with sequences up to this. */
  readonly size: number;
  /** Of the tree: 32 bytes in base 64. */
  readonly root: string;
  /** The verifier key that signed it, as text; the newest one, if several did. */
  readonly publicKey: string;
  /** What was signed, with the signatures: a C2SP checkpoint. */
  readonly text: string;
}

/** What was signed. */
export interface CheckpointBody {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

export function formatCheckpointBody({ origin, size, root }: CheckpointBody): string {
  return `${origin}\n${size}\n${toBase64(root)}\n`;
}

/**
 * @param text of a note, with the line feed of its last line
 * @throws ERR_UNVERIFIED where it is that of no checkpoint
 */
export function parseCheckpointBody(text: string): CheckpointBody {
  const lines = text.slice(0, -1).split('\n');
  const [origin, sizeText = '', rootText = ''] = lines;
  if (origin === undefined || lines.length < 3 || lines.includes('')) {
    throw unverified('form', 'the note is no checkpoint: it has fewer than three lines, or an empty one');
  }
  const size = parseCount(sizeText);
  if (size === undefined) throw unverified('form', "the checkpoint's second line is no size");
  const root = fromBase64(rootText);
  if (root?.length !== HASH_BYTES) throw unverified('form', "the checkpoint's third line is no root");
  return { origin, size, root };
}

/** A number in decimal as it is written; undefined for anything else. */
export function parseCount(text: string): number | undefined {
  const count = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : undefined;
  return Number.isSafeInteger(count) ? count : undefined;
}
