/**
 * Proofs about a store's Merkle tree, as they leave it. An inclusion proof has a text form as well
 * (https://c2sp.org/tlog-proof):
 *
 *     c2sp.org/tlog-proof@v1
 *     index 41              the leaf: the event's sequence minus 1
 *     base64                the hashes, one a line
 *
 *     the checkpoint
 */
import { fromBase64 } from './base64.js';
import { parseCount } from './checkpoint.js';
import { HASH_BYTES } from './hashing.js';
import { unverified } from './refusal.js';

/** That a record is in the tree of a checkpoint. Plain data, to be kept as JSON or by {@link formatProof}. */
export interface InclusionProof {
  /** Which kind of proof. */
  readonly kind: 'inclusion';
  /** Of the event. */
  readonly sequence: number;
  /** From the leaf's neighbour up to the root's child; each 32 bytes in base 64. */
  readonly hashes: readonly string[];
  /** The text of the checkpoint. */
  readonly checkpoint: string;
}

/** That a checkpoint continues an older one: nothing before was changed. Plain data, to be kept as JSON. */
export interface ConsistencyProof {
  /** Which kind of proof. */
  readonly kind: 'consistency';
  /** Of the older tree. */
  readonly size: number;
  /** As RFC 9162 orders them; each 32 bytes in base 64. */
  readonly hashes: readonly string[];
  /** The text of the newer checkpoint. */
  readonly checkpoint: string;
}

/** Either kind. */
export type Proof = InclusionProof | ConsistencyProof;

const TEXT_HEADER = 'c2sp.org/tlog-proof@v1';
/** A tree of 2^63 leaves has no longer path. */
const MAX_HASHES = 63;

/** An inclusion proof in the C2SP text form, for a file that ends in `.tlog-proof`. */
export function formatProof({ sequence, hashes, checkpoint }: InclusionProof): string {
  return [TEXT_HEADER, `index ${sequence - 1}`, ...hashes, '', checkpoint].join('\n');
}

/**
 * The proof that such a text holds. What it says is not verified: that is for {@link verifyProof}, which takes the text as well.
 * @throws ERR_UNVERIFIED where it is of another form
 */
export function parseProof(text: string): InclusionProof {
  const end = text.indexOf('\n\n');
  const [header, ...lines] = text.slice(0, Math.max(end, 0)).split('\n');
  if (header !== TEXT_HEADER) throw unverified('form', `the proof does not begin with ${TEXT_HEADER}`);
  if (lines[0]?.startsWith('extra ')) lines.shift();
  const [indexLine = '', ...hashes] = lines;
  const index = indexLine.startsWith('index ') ? parseCount(indexLine.slice('index '.length)) : undefined;
  if (index === undefined) throw unverified('form', 'the proof has no line with an index');
  const proof: InclusionProof = { kind: 'inclusion', sequence: index + 1, hashes, checkpoint: text.slice(end + 2) };
  decodeHashes(hashes);
  return proof;
}

/** @throws ERR_UNVERIFIED where it is not of a proof's form, whatever else it is */
export function checkProof(value: unknown): Proof {
  if (typeof value === 'string') return parseProof(value);
  if (typeof value !== 'object' || value === null)
    throw unverified('form', 'the proof is neither an object nor a text');
  const { kind, sequence, size, hashes, checkpoint } = value as Record<string, unknown>;
  if (!Array.isArray(hashes)) throw unverified('form', 'the proof has no hashes');
  if (typeof checkpoint !== 'string') throw unverified('form', 'the proof has no checkpoint');
  if (kind === 'inclusion') {
    if (!isCount(sequence) || sequence === 0) throw unverified('form', 'the proof has no sequence');
    return { kind, sequence, hashes, checkpoint };
  }
  if (kind !== 'consistency') throw unverified('form', "the proof's kind is neither inclusion nor consistency");
  if (!isCount(size)) throw unverified('form', 'the proof has no size');
  return { kind, size, hashes, checkpoint };
}

/** @throws ERR_UNVERIFIED where one of them is no hash, or there are more than any tree has */
export function decodeHashes(hashes: readonly unknown[]): Uint8Array[] {
  if (hashes.length > MAX_HASHES) throw unverified('form', `the proof has more than ${MAX_HASHES} hashes`);
  return hashes.map((text) => {
    const bytes = typeof text === 'string' ? fromBase64(text) : undefined;
    if (bytes?.length !== HASH_BYTES) throw unverified('form', 'a hash of the proof is not 32 bytes in base 64');
    return bytes;
  });
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
