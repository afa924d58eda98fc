/**
 * A storage on which something fails: its process dies and writes nothing more, the sync of a group commit does not work, or
 * there is no space for it.
 */
import { FRAME_HEADER_BYTES } from '../../dist/shared/format/frame.js';
import { SEGMENT_HEADER_BYTES } from '../../dist/shared/format/segment.js';
import { type FileHandle, type Storage, storageError } from '../../dist/shared/storage.js';
import { intercept } from './intercept.js';
import type { MemoryDisk } from './memory-disk.js';

/**
 * What becomes of a group commit. The process dies when half of the frame is in the page cache, or before the sync; the
 * sync fails; there is no space, or space for half of the frame, or for the frame and a sector of the zeros behind it, and
 * then none until the writer has cut back what it could not write.
 */
export type Fault = 'die-in-write' | 'die-before-sync' | 'fail-sync' | NoSpace;
export type NoSpace = 'no-space' | 'space-for-half' | 'space-for-frame';

const SECTOR_BYTES = 512;

/** The calls that change a disk, or make a change durable. */
const CHANGES = ['makeDir', 'openWrite', 'write', 'truncate', 'sync', 'syncDir', 'rename', 'remove'] as const;

export class FaultyStorage {
  readonly storage: Storage;
  readonly #onDeath: () => void;
  #fault: Fault | undefined;
  /** The segment that the newest frame was written to. */
  #log: FileHandle | undefined;
  #dead = false;
  /** After so many changes the process dies. */
  #changesLeft = Number.POSITIVE_INFINITY;

  constructor(inner: MemoryDisk<any>, onDeath: () => void) {
    this.#onDeath = onDeath;
    this.storage = this.#mortal(
      intercept(inner, {
        write: (handle, parts, offset) => {
          if (isFrame(parts)) this.#log = handle;
          if (handle !== this.#log) return inner.write(handle, parts, offset);
          if (this.#fault === 'die-in-write') {
            const bytes = Buffer.concat(withoutZeros(parts));
            inner.write(handle, [bytes.subarray(0, bytes.length >>> 1)], offset);
            return this.#die();
          }
          return isNoSpace(this.#fault)
            ? this.#writeShort(inner, handle, parts, offset)
            : inner.write(handle, parts, offset);
        },
        truncate: (handle, length) => {
          if (isNoSpace(this.#fault)) this.#fault = undefined;
          inner.truncate(handle, length);
        },
        sync: (handle) => {
          if (handle !== this.#log) return inner.sync(handle);
          if (this.#fault === 'die-before-sync') this.#die();
          if (this.#fault === 'fail-sync') inner.failSync(handle);
          inner.sync(handle);
        },
      }),
    );
  }

  /** Have the next group commit fail. */
  failNext(fault: Fault): void {
    this.#fault = fault;
    this.#log = undefined;
  }

  /** Have the process die once it has changed the disk so many times more. */
  dieAfter(changes: number): void {
    this.#changesLeft = changes;
  }

  #writeShort(inner: Storage, handle: FileHandle, parts: readonly Uint8Array[], offset: number): number {
    const frame = Buffer.concat(withoutZeros(parts));
    const space = {
      'no-space': 0,
      'space-for-half': frame.length >>> 1,
      'space-for-frame': frame.length + SECTOR_BYTES,
    };
    const taken = space[this.#fault as NoSpace];
    this.#fault = 'no-space';
    if (taken === 0) throw storageError(Object.assign(new Error('the disk is full'), { code: 'ENOSPC' }), 'write');
    return inner.write(handle, [Buffer.concat(parts).subarray(0, taken)], offset);
  }

  /** Every change counts, and a dead process makes none. */
  #mortal(storage: Storage): Storage {
    const members: Partial<Record<(typeof CHANGES)[number], unknown>> = {};
    for (const name of CHANGES) {
      members[name] = (...args: unknown[]): unknown => {
        if (this.#dead) throw new Error('the process has died');
        if (this.#changesLeft-- === 0) this.#die();
        return Reflect.apply(Reflect.get(storage, name), storage, args);
      };
    }
    return intercept(storage, members as Partial<Storage>);
  }

  #die(): never {
    this.#dead = true;
    this.#onDeath();
    throw new Error('the process has died');
  }
}

function isNoSpace(fault: Fault | undefined): fault is NoSpace {
  return fault === 'no-space' || fault === 'space-for-half' || fault === 'space-for-frame';
}

/** A frame without what is written ahead of the next one. */
function withoutZeros(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  return parts.at(-1)!.every((byte) => byte === 0) ? parts.slice(0, -1) : parts;
}

/** Frames are written with their header, or that of their segment, as the first part. */
function isFrame(parts: readonly Uint8Array[]): boolean {
  const first = parts[0]?.length;
  return parts.length > 1 && (first === FRAME_HEADER_BYTES || first === SEGMENT_HEADER_BYTES);
}
