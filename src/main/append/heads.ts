/**
 * Stream heads: the last revision of every stream, as accepted. Three places, looked up in this order: heads in use as
 * objects by name; heads that changed since the checkpoint, by hash, off the heap; the checkpoint on the disk. What is
 * in none of them has no events.
 */
import type { Entries } from '../../shared/entries.js';
import type { NameHash, NameHasher } from '../../shared/format/name-hash.js';
import { encodeStream } from '../../shared/names.js';
import { HashTable } from './hash-table.js';
import type { HeadsFile } from './heads-file.js';

/** Heads kept as objects, in each of two generations. */
const HOT_HEADS = 8_192;
/** A head as an object, with its name, about. Unit: bytes. */
const HEAD_BYTES = 320;
/** Changed heads for which memory is meant; a checkpoint makes room. */
export const HEADS_BUDGET_BYTES = 64 * 1024 * 1024;
/**
 * A checkpoint is due when so many heads have changed: an eighth of those that it holds already and that are written again
 * with it, between these bounds.
 */
const CHECKPOINT_HEADS = { least: 125_000, most: 500_000 } as const;

/** A stream's head. -1 and 0 where it has no events. */
export interface Head {
  readonly stream: string;
  readonly bytes: Uint8Array;
  readonly hash: NameHash;
  revision: number;
  lastSequence: number;
  /** Appends to it that wait or are not durable yet: as long as there are any, this object is the stream's only head. */
  pending: number;
  /** Whether it has changed since it was last put into the table. */
  dirty: boolean;
}

export class Heads {
  readonly #hasher: NameHasher;
  #young = new Map<string, Head>();
  #old = new Map<string, Head>();
  /** Heads that are older still and have pending appends. */
  readonly #held = new Map<string, Head>();
  #changed = new HashTable();
  /** Changes that a checkpoint under way has taken. */
  #frozen: HashTable | undefined;
  /** An empty table, whose memory the next changes take: a large one would be garbage for long. */
  #spare = new HashTable();
  #file: HeadsFile | undefined;

  constructor(hasher: NameHasher, file: HeadsFile | undefined) {
    this.#hasher = hasher;
    this.#file = file;
  }

  /** Memory in use, about. Unit: bytes. */
  get bytes(): number {
    const hot = (this.#young.size + this.#old.size) * HEAD_BYTES;
    return hot + this.#changed.bytes + this.#spare.bytes + (this.#frozen?.bytes ?? 0) + (this.#file?.bytes ?? 0);
  }

  /** Whether so much has changed that a checkpoint is due. */
  get wantsCheckpoint(): boolean {
    const eighth = (this.#file?.header.heads ?? 0) / 8;
    const { least, most } = CHECKPOINT_HEADS;
    return this.#changed.count >= Math.min(most, Math.max(least, eighth));
  }

  /**
   * The head of a stream, to be changed in place.
   * @param system whether the system's names are allowed
   * @throws ERR_INVALID_EVENT for a name that cannot be one; ERR_CORRUPT, ERR_STORAGE from the checkpoint
   */
  get(stream: string, system: boolean): Head {
    const young = this.#young.get(stream);
    if (young !== undefined && (system || stream.charCodeAt(0) !== 0x24)) return young;
    const bytes = encodeStream(stream, system);
    const head = young ?? this.#old.get(stream) ?? this.#held.get(stream) ?? this.#load(stream, bytes);
    this.#young.set(stream, head);
    if (this.#young.size > HOT_HEADS) this.#age();
    return head;
  }

  /** What is known of a stream, or undefined. Does not keep it in memory. */
  peek(stream: string): { revision: number; lastSequence: number } | undefined {
    const inUse = this.#young.get(stream) ?? this.#old.get(stream) ?? this.#held.get(stream);
    const head = inUse ?? this.#find(this.#hasher.hash(stream));
    return head === undefined || head.revision === -1 ? undefined : head;
  }

  /** Put a changed head into the table, as it is now. */
  #store(head: Head): void {
    if (!head.dirty) return;
    head.dirty = false;
    const entry = this.#changed.find(head.hash);
    if (entry === -1) this.#changed.add(head.hash, head.revision + 1, head.lastSequence);
    else this.#changed.update(entry, head.revision + 1, head.lastSequence);
  }

  /** All changes since the last checkpoint, for the next one; taken until it is in force or has failed. */
  freeze(): Entries {
    for (const heads of [this.#held, this.#old, this.#young]) for (const head of heads.values()) this.#store(head);
    this.#frozen = this.#changed;
    this.#changed = this.#spare;
    this.#spare = new HashTable();
    return this.#frozen.entries();
  }

  /** The checkpoint with the frozen changes is in force. */
  adopt(file: HeadsFile | undefined): void {
    this.#file?.close();
    this.#file = file;
    this.#frozen?.clear();
    this.#spare = this.#frozen ?? this.#spare;
    this.#frozen = undefined;
  }

  /** The checkpoint was not made: its changes are changes still. */
  thaw(): void {
    const later = this.#changed;
    if (this.#frozen !== undefined) this.#changed = this.#frozen;
    this.#frozen = undefined;
    later.forEach((hash, revisions, lastSequence) => {
      const entry = this.#changed.find(hash);
      if (entry === -1) this.#changed.add(hash, revisions, lastSequence);
      else this.#changed.update(entry, revisions, lastSequence);
    });
  }

  close(): void {
    this.#file?.close();
    this.#file = undefined;
  }

  #load(stream: string, bytes: Uint8Array): Head {
    const hash = this.#hasher.hash(stream);
    const { revision, lastSequence } = this.#find(hash) ?? { revision: -1, lastSequence: 0 };
    return { stream, bytes, hash, revision, lastSequence, pending: 0, dirty: false };
  }

  #find(hash: NameHash): { revision: number; lastSequence: number } | undefined {
    for (const table of [this.#changed, this.#frozen]) {
      const entry = table?.find(hash) ?? -1;
      if (table !== undefined && entry !== -1) {
        return { revision: table.first(entry) - 1, lastSequence: table.second(entry) };
      }
    }
    return this.#file?.find(hash);
  }

  /** Let go of the heads that were not used for a generation, except those with pending appends. */
  #age(): void {
    const gone = this.#old;
    this.#old = this.#young;
    this.#young = new Map();
    for (const heads of [this.#held, gone]) {
      for (const head of heads.values()) {
        if (head.pending > 0) this.#held.set(head.stream, head);
        else {
          this.#held.delete(head.stream);
          if (!this.#old.has(head.stream)) this.#store(head);
        }
      }
    }
  }
}
