/**
 * The audit tree's file: the keys that ever signed, the frontier, and the newest signed checkpoint. Public, replaced atomically
 * (temporary file, sync, rename, sync of the directory). Text, UTF-8, each line ends with a line feed:
 *
 *     keeperlog-tree 1            the format
 *     key name+id+base64          a verifier key of each generation, the oldest first
 *     frontier base64             the roots of the perfect trees that make up this one, the largest first: one for each bit that
 *                                 is set in the size
 *                                 an empty line; what follows is the checkpoint, a signed note
 *     keeperlog/store id          its origin
 *     size                        leaves: the sequence that it covers last
 *     base64                      the root
 *
 *     — name base64               a signature
 *
 * The signatures hold the checkpoint, its root the frontier, and a key's id the key.
 */

import { isKeeperError } from '../portable/errors.js';
import { fromBase64, toBase64 } from '../portable/proof/base64.js';
import { type CheckpointBody, parseCheckpointBody } from '../portable/proof/checkpoint.js';
import { claimsOf, type Note, parseNote, type VerifierKey } from '../portable/proof/note.js';
import { holds, parseVerifierKey } from './signing-key.js';
import { HASH_BYTES, rootOfFrontier } from './tree-hash.js';

export const TREE_FORMAT = 1;
/** Room for thousands of keys. Unit: bytes. */
export const MAX_TREE_FILE_BYTES = 1024 * 1024;

const HEADER = /^keeperlog-tree ([0-9]{1,9})$/;

/** The newest checkpoint and what belongs to it. */
export interface TreeFile {
  /** Of every generation, the oldest first. */
  readonly keys: readonly VerifierKey[];
  readonly frontier: readonly Uint8Array[];
  readonly body: CheckpointBody;
  /** Those of the keys that have signed it, in the order of their signatures. */
  readonly signers: readonly VerifierKey[];
  /** The checkpoint: a signed note. */
  readonly checkpoint: string;
}

export type TreeFileFound =
  | { readonly kind: 'valid'; readonly tree: TreeFile }
  | { readonly kind: 'corrupt'; readonly why: string }
  | { readonly kind: 'unsupported'; readonly format: string };

export function encodeTreeFile({ keys, frontier, checkpoint }: Omit<TreeFile, 'body' | 'signers'>): Buffer {
  const lines = [
    `keeperlog-tree ${TREE_FORMAT}`,
    ...keys.map(({ text }) => `key ${text}`),
    ...frontier.map((hash) => `frontier ${toBase64(hash)}`),
  ];
  return Buffer.from(`${lines.join('\n')}\n\n${checkpoint}`);
}

/** @param origin that the checkpoint and every key must have */
export function decodeTreeFile(file: Buffer, origin: string): TreeFileFound {
  const corrupt = (why: string): TreeFileFound => ({ kind: 'corrupt', why });
  if (file.length > MAX_TREE_FILE_BYTES) return corrupt('it is larger than any');
  const text = file.toString('utf8');
  const end = text.indexOf('\n\n');
  const [header = '', ...lines] = text.slice(0, Math.max(end, 0)).split('\n');
  const format = HEADER.exec(header)?.[1];
  if (format === undefined) return corrupt('it does not begin as such a file does');
  if (format !== String(TREE_FORMAT)) return { kind: 'unsupported', format };
  const keys = lines.filter((line) => line.startsWith('key ')).map((line) => parseVerifierKey(line.slice(4)));
  const roots = lines.filter((line) => line.startsWith('frontier ')).map((line) => fromBase64(line.slice(9)));
  if (keys.length + roots.length !== lines.length) return corrupt('a line is neither a key nor of the frontier');
  if (!keys.every((key) => key?.name === origin)) return corrupt('a key is none of this store');
  if (!roots.every((root) => root?.length === HASH_BYTES)) return corrupt('a hash of the frontier is none');
  const checkpoint = text.slice(end + 2);
  const opened = openCheckpoint(checkpoint, keys as VerifierKey[]);
  if (typeof opened === 'string') return corrupt(opened);
  const frontier = roots as Uint8Array[];
  const { body } = opened;
  if (body.origin !== origin) return corrupt('its checkpoint is of another store');
  if (frontier.length !== bitsOf(body.size)) return corrupt('its frontier is not that of its size');
  if (!rootOfFrontierIs(frontier, body.root)) return corrupt('its frontier does not lead to the root that was signed');
  return { kind: 'valid', tree: { ...opened, keys: keys as VerifierKey[], frontier, checkpoint } };
}

/** A checkpoint whose signatures hold, or what is wrong with it. */
function openCheckpoint(checkpoint: string, keys: readonly VerifierKey[]): Pick<TreeFile, 'body' | 'signers'> | string {
  try {
    const note: Note = parseNote(checkpoint);
    const body = parseCheckpointBody(note.text);
    const claims = claimsOf(note, keys);
    if (!claims.every((claim) => holds(note.text, claim))) return 'a signature of its checkpoint does not hold';
    return { body, signers: claims.map(({ key }) => key) };
  } catch (error) {
    if (!isKeeperError(error, 'ERR_UNVERIFIED')) throw error;
    return error.message;
  }
}

function rootOfFrontierIs(frontier: readonly Uint8Array[], root: Uint8Array): boolean {
  return Buffer.compare(rootOfFrontier(frontier), root) === 0;
}

/** How many bits of a number are set. */
function bitsOf(number: number): number {
  let bits = 0;
  for (let rest = number; rest > 0; rest = Math.floor(rest / 2)) bits += rest % 2;
  return bits;
}
