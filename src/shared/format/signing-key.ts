/**
 * The file of the keys that sign checkpoints, for the store alone (mode 0600). A key a line, the newest one last; more than one
 * only until a checkpoint that all of them have signed is durable. As golang.org/x/mod/sumdb/note writes private keys:
 *
 *     PRIVATE+KEY+name+id+base64(a byte 1, the 32 bytes of an Ed25519 seed)
 */
import { createPrivateKey, createPublicKey, hash, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import { fromBase64, toBase64 } from '../portable/proof/base64.js';
import {
  type Claim,
  ED25519,
  formatVerifierKey,
  keyIdInput,
  keyIdOf,
  type NoteSignature,
  splitVerifierKey,
  type VerifierKey,
} from '../portable/proof/note.js';

const SEED_BYTES = 32;
const KEY = /^PRIVATE\+KEY\+([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/;

/** What stands before the 32 bytes in the DER of RFC 8410: of a private key, and of a public one. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

export interface SigningKey {
  /** As the key file has it. */
  readonly text: string;
  readonly verifier: VerifierKey;
  readonly privateKey: KeyObject;
}

export function makeSigningKey(name: string): SigningKey {
  return signingKeyOf(name, randomBytes(SEED_BYTES));
}

export function signingKeyOf(name: string, seed: Uint8Array): SigningKey {
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
  const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' });
  const publicKey = Uint8Array.from(der.subarray(SPKI.length));
  const id = verifierKeyId(name, publicKey);
  const text = `PRIVATE+KEY+${name}+${id}+${toBase64(Uint8Array.of(ED25519, ...seed))}`;
  return { text, verifier: { name, id, publicKey, text: formatVerifierKey(name, id, publicKey) }, privateKey };
}

export function encodeKeyFile(keys: readonly SigningKey[]): Buffer {
  return Buffer.from(keys.map(({ text }) => `${text}\n`).join(''));
}

/** The keys of a file; undefined where a line is no key of this name, or none is there. */
export function decodeKeyFile(file: Buffer, name: string): readonly SigningKey[] | undefined {
  const text = file.toString('latin1');
  if (!text.endsWith('\n')) return undefined;
  const keys = text
    .slice(0, -1)
    .split('\n')
    .map((line) => decodeSigningKey(line, name));
  return keys.every((key) => key !== undefined) ? keys : undefined;
}

function decodeSigningKey(line: string, name: string): SigningKey | undefined {
  const match = KEY.exec(line);
  const bytes = match === null ? undefined : fromBase64(match[3]!);
  if (match?.[1] !== name || bytes?.length !== 1 + SEED_BYTES || bytes[0] !== ED25519) return undefined;
  const key = signingKeyOf(name, bytes.subarray(1));
  // The id is of the public key, and that is of the seed: a seed with a changed bit is not believed.
  return key.text === line ? key : undefined;
}

/** A verifier key whose id is its own; undefined where the text is none. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const key = splitVerifierKey(text);
  return key !== undefined && key.id === verifierKeyId(key.name, key.publicKey) ? key : undefined;
}

function verifierKeyId(name: string, publicKey: Uint8Array): string {
  return keyIdOf(hash('sha256', keyIdInput(name, publicKey), 'buffer'));
}

export function signText(text: string, { verifier, privateKey }: SigningKey): NoteSignature {
  const bytes = Uint8Array.from(sign(null, Buffer.from(text), privateKey));
  return { name: verifier.name, keyId: verifier.id, bytes };
}

export function holds(text: string, { key, signature }: Claim): boolean {
  try {
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key.publicKey]), format: 'der', type: 'spki' });
    return verify(null, Buffer.from(text), publicKey, signature);
  } catch {
    // A point that is on no curve.
    return false;
  }
}
