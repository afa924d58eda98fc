/**
 * The keys that sign. One is made at the first checkpoint; a rotation puts a new one beside it, the next checkpoint is signed by
 * both, and from then on the new one signs alone. The key file has mode 0600 and does not belong into a backup.
 */
import path from 'node:path';
import { KEY_FILE, TEMPORARY } from '../format/file-names.js';
import { decodeKeyFile, encodeKeyFile, makeSigningKey, type SigningKey } from '../format/signing-key.js';
import { readFile, replaceContent, type Storage } from '../storage.js';
import { damagedTree } from './damage.js';

/** Group and others. */
const FOR_OTHERS = 0o077;

const KEY_HINT =
  'Nothing was changed. Move the file away: the next checkpoint makes a new key, which those who verify must be told of.';

/** Room for more keys than are ever in use. Unit: bytes. */
const MAX_KEY_FILE_BYTES = 64 * 1024;

export class SigningKeys {
  readonly #storage: Storage;
  readonly #dir: string;
  readonly #name: string;
  #keys: readonly SigningKey[];
  #isExposed = false;

  /** @param name of the log: every key has it */
  constructor(storage: Storage, dir: string, name: string) {
    this.#storage = storage;
    this.#dir = dir;
    this.#name = name;
    this.#keys = this.#load();
  }

  /** Whether the file was found to be for others as well. */
  get isExposed(): boolean {
    return this.#isExposed;
  }

  /** Whether there is any. */
  get isMade(): boolean {
    return this.#keys.length > 0;
  }

  /** Those in use, the newest one last. One is made, and durable, where there is none. */
  inUse(): readonly SigningKey[] {
    if (this.#keys.length === 0) this.#replace([makeSigningKey(this.#name)]);
    return this.#keys;
  }

  /** Put a new key beside those in use. */
  rotate(): void {
    this.#replace([...this.#keys, makeSigningKey(this.#name)]);
  }

  /** Forget all keys but the newest: a checkpoint that all of them have signed is durable. */
  retire(): void {
    if (this.#keys.length > 1) this.#replace(this.#keys.slice(-1));
  }

  #load(): readonly SigningKey[] {
    const file = path.join(this.#dir, KEY_FILE);
    if (!this.#storage.exists(file)) return [];
    this.#isExposed = (this.#storage.permissions(file) & FOR_OTHERS) !== 0;
    const keys = decodeKeyFile(readFile(this.#storage, file, MAX_KEY_FILE_BYTES), this.#name);
    if (keys === undefined) throw damagedTree(file, 0, "the store's signing keys do not verify", { hint: KEY_HINT });
    return keys;
  }

  #replace(keys: readonly SigningKey[]): void {
    const file = path.join(this.#dir, KEY_FILE);
    const temporary = file + TEMPORARY;
    // Made anew: a file that somebody else has put there could be read by him.
    if (this.#storage.exists(temporary)) this.#storage.remove(temporary);
    replaceContent(this.#storage, file, temporary, [encodeKeyFile(keys)], 'secret');
    this.#storage.syncDir(this.#dir);
    this.#keys = keys;
  }
}
