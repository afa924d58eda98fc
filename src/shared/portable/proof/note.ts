/**
 * Signed notes (https://c2sp.org/signed-note): a text, an empty line, and lines of signatures.
 *
 *     text, one or more lines
 *
 *     — name base64(key id, signature)
 *
 * A key has a name and an id of 4 bytes, the first of SHA-256(name, line feed, type, public key). As text a key is
 * `name+id+base64(type, public key)`; the only type here is Ed25519.
 */
import { fromBase64, toBase64 } from './base64.js';
import { unverified } from './refusal.js';

/** The type of a key and of what it signs. */
export const ED25519 = 1;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
const KEY_ID_BYTES = 4;

/** Far more than a note of any log has. */
const MAX_NOTE_CHARACTERS = 1_000_000;
const MAX_SIGNATURES = 100;

/** Of a key: neither spaces nor plus signs. */
const NAME = /^[^\s\u0085+]+$/u;
const SIGNATURE_LINE = /^— ([^\s\u0085+]+) ([A-Za-z0-9+/]+={0,2})$/u;
const KEY = /^([^\s\u0085+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;
/** All but the line feed. */
const CONTROL_CHARACTERS = /[\0-\x09\x0b-\x1f]/;

export interface Note {
  /** With the line feed of its last line: what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

export interface NoteSignature {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly keyId: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A key by which signatures are verified. */
export interface VerifierKey {
  readonly name: string;
  /** 8 hexadecimal digits. */
  readonly id: string;
  readonly publicKey: Uint8Array<ArrayBuffer>;
  /** As it was given. */
  readonly text: string;
}

export function isKeyName(name: string): boolean {
  return NAME.test(name) && name.isWellFormed() && !CONTROL_CHARACTERS.test(name);
}

/** @throws ERR_UNVERIFIED where it is no signed note. The signatures are not verified. */
export function parseNote(note: string): Note {
  if (note.length > MAX_NOTE_CHARACTERS) throw unverified('form', 'the note is longer than any');
  if (!note.isWellFormed() || CONTROL_CHARACTERS.test(note))
    throw unverified('form', 'the note has bytes that none has');
  const split = note.lastIndexOf('\n\n');
  if (split <= 0 || !note.endsWith('\n')) throw unverified('form', 'the note has no signatures');
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw unverified('form', `the note has more than ${MAX_SIGNATURES} signatures`);
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const match = SIGNATURE_LINE.exec(line);
  const bytes = match === null ? undefined : fromBase64(match[2]!);
  if (match === null || bytes === undefined || bytes.length <= KEY_ID_BYTES) {
    throw unverified('form', 'a line behind the note is not a signature');
  }
  return { name: match[1]!, keyId: toHex(bytes.subarray(0, KEY_ID_BYTES)), bytes: bytes.slice(KEY_ID_BYTES) };
}

/** A note's text with a line for each signature. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  const lines = signatures.map(({ name, keyId, bytes }) => `— ${name} ${toBase64(joined(fromHex(keyId), bytes))}\n`);
  return `${text}\n${lines.join('')}`;
}

/** The parts of a key; undefined where the text is none. Whether the id is the key's own is not looked at. */
export function splitVerifierKey(text: string): VerifierKey | undefined {
  const match = KEY.exec(text);
  const bytes = match === null ? undefined : fromBase64(match[3]!);
  if (match === null || bytes?.length !== 1 + PUBLIC_KEY_BYTES || bytes[0] !== ED25519) return undefined;
  if (!isKeyName(match[1]!)) return undefined;
  return { name: match[1]!, id: match[2]!, publicKey: bytes.slice(1), text };
}

export function formatVerifierKey(name: string, id: string, publicKey: Uint8Array): string {
  return `${name}+${id}+${toBase64(joined(Uint8Array.of(ED25519), publicKey))}`;
}

/** What a key's id is the SHA-256 of. */
export function keyIdInput(name: string, publicKey: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined(new TextEncoder().encode(`${name}\n`), Uint8Array.of(ED25519), publicKey);
}

/** A key's id from that SHA-256. */
export function keyIdOf(hash: Uint8Array): string {
  return toHex(hash.subarray(0, KEY_ID_BYTES));
}

/** A signature to be verified, and the key to do it by. */
export interface Claim {
  readonly key: VerifierKey;
  readonly signature: Uint8Array<ArrayBuffer>;
}

/**
 * The signatures that known keys are said to have made. Those of others mean nothing and are passed over.
 * @throws ERR_UNVERIFIED where there is none
 */
export function claimsOf(note: Note, keys: readonly VerifierKey[]): Claim[] {
  const claims = note.signatures.flatMap(({ name, keyId, bytes: signature }) =>
    keys.filter((key) => key.name === name && key.id === keyId).map((key) => ({ key, signature })),
  );
  if (claims.length === 0) throw unverified('key', 'none of the given keys has signed the checkpoint');
  return claims;
}

export function badSignature(key: VerifierKey, cause?: unknown): Error {
  return unverified('signature', `the signature by the key ${key.name}+${key.id} does not hold`, cause);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
