/** The disk of a world: a log's file that takes nothing but what comes next and is whole, and a watermark. */
import { RecordHeader } from '../../dist/shared/decoding/record-header.js';
import { recordSeed } from '../../dist/shared/format/checksum.js';
import { memoryOf, recordLength, recordSequence, verifyRecord } from '../../dist/shared/format/record.js';
import { storageError } from '../../dist/shared/storage.js';
import { STORE } from '../support/bytes.js';
import type { Steps } from './coroutines.js';
import type { Violation } from './world.js';

/** Who knows what was appended, and remembers what was found: the writer catches what is thrown. */
export interface Witness {
  mayBe(sequence: number, type: string): boolean;
  found(what: string): Violation;
}

export class Watermark {
  synced = true;
  write(): void {
    this.synced = false;
  }
  sync(): void {
    this.synced = true;
  }
  close(): void {}
}

/** What the log's file does when it is written to or synced for the n-th time, from 1. */
export interface Disk {
  readonly failWrite?: number;
  readonly failSync?: number;
  /** A sync returns when nothing else can happen. */
  readonly slow?: boolean;
}

/** The log's file: takes nothing but what comes next and is whole. */
export class Log {
  readonly number = 1;
  readonly createdMs = 1_700_000_000_000;
  endOffset = 128;
  lastSequence = 0;
  readonly #disk: Disk;
  readonly #witness: Witness;
  #writes = 0;
  #syncs = 0;
  #written: { parts: readonly Uint8Array[]; bytes: Buffer; lastSequence: number } | undefined;

  constructor(disk: Disk, witness: Witness) {
    this.#disk = disk;
    this.#witness = witness;
  }

  get empty(): boolean {
    return this.endOffset === 128;
  }

  endAfter(): number {
    return this.endOffset;
  }

  write(group: { parts: readonly Uint8Array[]; firstSequence: number; lastSequence: number; count: number }): void {
    if (++this.#writes === this.#disk.failWrite) throw failure('ENOSPC', 'write');
    const bytes = Buffer.concat(group.parts);
    if (group.firstSequence !== this.lastSequence + 1) {
      throw this.#witness.found(`the writer takes sequence ${group.firstSequence} after ${this.lastSequence}`);
    }
    checkRecords(bytes, group.firstSequence, group.count, this.#witness);
    this.#written = { parts: group.parts, bytes, lastSequence: group.lastSequence };
  }

  sync(): void {}

  *sync$(): Steps<void> {
    yield [this.#disk.slow === true ? 'slow-sync' : 'sync'];
    if (++this.#syncs === this.#disk.failSync) throw failure('EIO', 'fdatasync');
    if (this.#written === undefined) return;
    // What is not durable yet is still wanted: the caller's thread takes its place back only then.
    const { parts, bytes, lastSequence } = this.#written;
    if (!Buffer.concat(parts).equals(bytes))
      throw this.#witness.found('records were written over that are not durable');
    this.lastSequence = lastSequence;
    this.endOffset += bytes.length;
    this.#written = undefined;
  }

  cutBack(): void {
    this.#written = undefined;
  }

  probe(): boolean {
    return true;
  }

  close(): void {}
}

function failure(code: string, syscall: string): Error {
  return storageError(Object.assign(new Error(code), { code }), syscall);
}

const RECORD_SEED = recordSeed(STORE);

/** Records of consecutive sequences, each as it was appended: its type names its place. */
function checkRecords(bytes: Buffer, firstSequence: number, count: number, witness: Witness): void {
  const memory = memoryOf(bytes);
  let at = 0;
  for (let sequence = firstSequence; sequence < firstSequence + count; sequence++) {
    if (!verifyRecord(bytes, memory.view, at, bytes.length, RECORD_SEED)) {
      throw witness.found(`the writer takes what is no record for sequence ${sequence}`);
    }
    if (recordSequence(memory.view, at) !== sequence) throw witness.found(`sequence ${sequence} is not in its place`);
    const { type } = new RecordHeader(memory, at);
    if (!witness.mayBe(sequence, type)) throw witness.found(`sequence ${sequence} is ${type}`);
    at += recordLength(memory.view, at);
  }
}
