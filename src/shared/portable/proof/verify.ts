/** Verifying proofs with nothing but them, the record or checkpoint one has, and the keys one trusts. */
import { toBase64 } from './base64.js';
import { type CheckpointBody, parseCheckpointBody } from './checkpoint.js';
import { HASH_BYTES, hashLeaf, isConsistent, isIncluded, sha256 } from './hashing.js';
import {
  badSignature,
  type Claim,
  claimsOf,
  keyIdInput,
  keyIdOf,
  parseNote,
  splitVerifierKey,
  type VerifierKey,
} from './note.js';
import { type ConsistencyProof, checkProof, decodeHashes, type InclusionProof, type Proof } from './proof.js';
import { invalid, unverified } from './refusal.js';

/** The keys that are trusted: verifier keys as text, such as a checkpoint's `publicKey`. One that has signed is enough. */
export type TrustedKeys = string | readonly string[];

/** What an inclusion proof is to be verified with: `digest` or `record`, one of the two. */
export interface KnownRecord {
  /** The keys that are trusted. */
  readonly keys: TrustedKeys;
  /** SHA-256 of the record: 32 bytes, or 64 hexadecimal digits. */
  readonly digest?: Uint8Array | string;
  /** The record's bytes themselves. */
  readonly record?: Uint8Array;
}

/** What a consistency proof is to be verified with. */
export interface KnownCheckpoint {
  /** The keys that are trusted. */
  readonly keys: TrustedKeys;
  /** The text of the older checkpoint, as it was kept. */
  readonly checkpoint: string;
}

/** A checkpoint whose signatures hold. */
export interface VerifiedCheckpoint {
  /** The name of the log: `keeperlog/` and the id of the store. */
  readonly origin: string;
  /** How many events it covers: those with sequences up to this. */
  readonly size: number;
  /** Of the tree: 32 bytes in base 64. */
  readonly root: string;
  /** Those of the trusted keys that have signed it. */
  readonly keys: readonly string[];
}

/** What an inclusion proof has proved: the record is the event with this sequence. */
export interface VerifiedInclusion {
  /** Of the event. */
  readonly sequence: number;
  /** The checkpoint that covers it. */
  readonly checkpoint: VerifiedCheckpoint;
}

/** What a consistency proof has proved: the newer checkpoint covers the same events as the older one, and more. */
export interface VerifiedConsistency {
  /** The checkpoint that was kept. */
  readonly older: VerifiedCheckpoint;
  /** The checkpoint of the proof. */
  readonly newer: VerifiedCheckpoint;
}

/**
 * Verify that a record is in the tree of a checkpoint, or that one checkpoint continues another. Needs no store, no network
 * and no clock. Resolves only if everything holds.
 *
 * @param proof from `prove`, or the text that {@link formatProof} made of it; as untrusted as can be
 * @throws ERR_UNVERIFIED where something does not hold, with the `reason`
 * @throws ERR_INVALID_OPTIONS where a key, a digest or a record is none
 */
export async function verifyProof(proof: InclusionProof | string, known: KnownRecord): Promise<VerifiedInclusion>;
export async function verifyProof(proof: ConsistencyProof, known: KnownCheckpoint): Promise<VerifiedConsistency>;
export async function verifyProof(
  proof: Proof | string,
  known: KnownRecord | KnownCheckpoint,
): Promise<VerifiedInclusion | VerifiedConsistency> {
  const checked = checkProof(proof);
  const keys = await parseKeys(membersOf(known).keys);
  return checked.kind === 'inclusion' ? verifyInclusion(checked, known, keys) : verifyConsistency(checked, known, keys);
}

/**
 * Verify a checkpoint by itself.
 * @throws ERR_UNVERIFIED where it is none, or no trusted key has signed it, or such a signature does not hold
 * @throws ERR_INVALID_OPTIONS where a key is none
 */
export async function verifyCheckpoint(text: string, keys: TrustedKeys): Promise<VerifiedCheckpoint> {
  return describe(await openCheckpoint(text, await parseKeys(keys)));
}

async function verifyInclusion(
  proof: InclusionProof,
  known: unknown,
  keys: readonly VerifierKey[],
): Promise<VerifiedInclusion> {
  const digest = await digestOf(membersOf(known, ['keys', 'digest', 'record']));
  const path = decodeHashes(proof.hashes);
  const head = await openCheckpoint(proof.checkpoint, keys);
  const { sequence } = proof;
  if (sequence > head.size)
    throw unverified('range', `sequence ${sequence} is behind the ${head.size} of the checkpoint`);
  if (!(await isIncluded(sequence - 1, head.size, await hashLeaf(digest), path, head.root))) {
    throw unverified(
      'root',
      `the hashes do not lead from this record as sequence ${sequence} to the checkpoint's root`,
    );
  }
  return { sequence, checkpoint: describe(head) };
}

async function verifyConsistency(
  proof: ConsistencyProof,
  known: unknown,
  keys: readonly VerifierKey[],
): Promise<VerifiedConsistency> {
  const { checkpoint } = membersOf(known, ['keys', 'checkpoint']);
  if (typeof checkpoint !== 'string') throw invalid('checkpoint', 'must be the text of the older checkpoint');
  const path = decodeHashes(proof.hashes);
  const older = await openCheckpoint(checkpoint, keys);
  const newer = await openCheckpoint(proof.checkpoint, keys);
  if (older.origin !== newer.origin) throw unverified('origin', `${newer.origin} is not the log of ${older.origin}`);
  if (older.size !== proof.size || older.size > newer.size) {
    const sizes = `from ${proof.size} to ${newer.size}`;
    throw unverified('range', `the proof is ${sizes}; the older checkpoint has ${older.size}`);
  }
  if (!(await isConsistent(older, newer, path))) {
    throw unverified('root', `the tree of ${newer.size} does not continue that of ${older.size}`);
  }
  return { older: describe(older), newer: describe(newer) };
}

/** A checkpoint whose signatures hold, with the keys that made them. */
interface OpenCheckpoint extends CheckpointBody {
  readonly signers: readonly VerifierKey[];
}

async function openCheckpoint(text: unknown, keys: readonly VerifierKey[]): Promise<OpenCheckpoint> {
  if (typeof text !== 'string') throw unverified('form', 'the checkpoint is no text');
  const note = parseNote(text);
  const body = parseCheckpointBody(note.text);
  const claims = claimsOf(note, keys);
  for (const claim of claims) await verifySignature(note.text, claim);
  const signers = [...new Set(claims.map(({ key }) => key))];
  const stranger = signers.find(({ name }) => name !== body.origin);
  if (stranger !== undefined)
    throw unverified('origin', `${stranger.name} has signed, and it is a log of ${body.origin}`);
  return { ...body, signers };
}

async function verifySignature(text: string, { key, signature }: Claim): Promise<void> {
  let holds: boolean;
  try {
    const publicKey = await crypto.subtle.importKey('raw', key.publicKey, { name: 'Ed25519' }, false, ['verify']);
    holds = await crypto.subtle.verify({ name: 'Ed25519' }, publicKey, signature, new TextEncoder().encode(text));
  } catch (error) {
    // A point that is on no curve, or a platform without Ed25519.
    throw badSignature(key, error);
  }
  if (!holds) throw badSignature(key);
}

async function parseKeys(given: unknown): Promise<VerifierKey[]> {
  const texts: readonly unknown[] = Array.isArray(given) ? given : [given];
  if (texts.length === 0) throw invalid('keys', 'is empty: without a key nothing is verified');
  return Promise.all(
    texts.map(async (text, i) => {
      const key = typeof text === 'string' ? splitVerifierKey(text) : undefined;
      const id = key === undefined ? undefined : keyIdOf(await sha256(keyIdInput(key.name, key.publicKey)));
      if (key !== undefined && key.id === id) return key;
      throw invalid(Array.isArray(given) ? `keys[${i}]` : 'keys', 'is no verifier key: name+id+base64, of Ed25519');
    }),
  );
}

async function digestOf({ digest, record }: Record<string, unknown>): Promise<Uint8Array> {
  if ((digest === undefined) === (record === undefined)) throw invalid('digest', 'or record must be given, not both');
  if (record !== undefined) {
    if (record instanceof Uint8Array) return sha256(new Uint8Array(record));
    throw invalid('record', "must be the record's bytes");
  }
  if (digest instanceof Uint8Array && digest.length === HASH_BYTES) return digest;
  if (typeof digest === 'string' && /^[0-9a-fA-F]{64}$/.test(digest)) {
    return Uint8Array.from(digest.match(/../g)!, (digits) => Number.parseInt(digits, 16));
  }
  throw invalid('digest', 'must be 32 bytes or 64 hexadecimal digits');
}

/** The members of what the caller knows, and no other ones where they are named. */
function membersOf(known: unknown, names?: readonly string[]): Record<string, unknown> {
  if (typeof known !== 'object' || known === null) throw invalid('known', 'must be an object with the trusted keys');
  const stranger = names && Object.keys(known).find((name) => !names.includes(name));
  if (stranger !== undefined) throw invalid(stranger, `does not belong to this kind of proof: ${names?.join(', ')}`);
  return known as Record<string, unknown>;
}

function describe({ origin, size, root, signers }: OpenCheckpoint): VerifiedCheckpoint {
  return { origin, size, root: toBase64(root), keys: signers.map(({ text }) => text) };
}
