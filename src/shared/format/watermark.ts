/**
 * The watermark file: how far the log was durable, in two slots that are written in turn. Little-endian.
 * A slot is written after each group commit without a sync, and synced when the writer is idle and on close: it tells a
 * process crash apart from damage, and a read-only opener how far it may read. It is never ahead of the log.
 *
 *    slot 0 at offset 0, slot 1 at offset 512, each:
 *      0  u32  magic "KLwm"
 *      4  u16  format, 1
 *      6  u16  flags: 1 the writer closed the store after this sequence
 *      8  u64  epoch of the writer
 *     16  u64  turn: the higher one is the newer slot; turn modulo 2 is its place
 *     24  u64  the last durable sequence, 0 for none
 *     32  u32  number of the segment that holds it
 *     36  u32  zero
 *     40  u64  end of its frame: bytes from the segment's start
 *     48  8 B  zero
 *     56  8 B  checksum of bytes 0 to 56: XXH3 with 64 bits over store id, 0 (u32) and the bytes
 */
import type { PlaceHasher } from './checksum.js';
import { isSafeInteger, readSafeInteger, writeSafeInteger } from './record.js';

export const WATERMARK_SLOT_BYTES = 64;
export const WATERMARK_FILE_BYTES = 1024;
const SLOT_DISTANCE = 512;
const WATERMARK_FORMAT = 1;
const WATERMARK_MAGIC = 0x6d774c4b;
const CHECKSUM = 56;
const CLEAN = 1;

export interface Watermark {
  readonly epoch: number;
  readonly turn: number;
  readonly sequence: number;
  readonly segment: number;
  readonly endOffset: number;
  /** Whether the writer closed the store here. */
  readonly clean: boolean;
}

/** The offset of the slot for a turn. */
export function watermarkOffset(turn: number): number {
  return (turn % 2) * SLOT_DISTANCE;
}

/** Fill a slot of 64 bytes. */
export function encodeWatermark(slot: Buffer, view: DataView, watermark: Watermark, hasher: PlaceHasher): void {
  view.setUint32(0, WATERMARK_MAGIC, true);
  view.setUint16(4, WATERMARK_FORMAT, true);
  view.setUint16(6, watermark.clean ? CLEAN : 0, true);
  writeSafeInteger(view, 8, watermark.epoch);
  writeSafeInteger(view, 16, watermark.turn);
  writeSafeInteger(view, 24, watermark.sequence);
  view.setUint32(32, watermark.segment, true);
  view.setUint32(36, 0, true);
  writeSafeInteger(view, 40, watermark.endOffset);
  slot.fill(0, 48, CHECKSUM);
  slot.set(hasher.digest(0, slot.subarray(0, CHECKSUM)), CHECKSUM);
}

/** A whole file with one watermark in it. */
export function encodeWatermarkFile(watermark: Watermark, hasher: PlaceHasher): Buffer {
  const file = Buffer.alloc(WATERMARK_FILE_BYTES);
  const at = watermarkOffset(watermark.turn);
  const slot = file.subarray(at, at + WATERMARK_SLOT_BYTES);
  encodeWatermark(slot, new DataView(slot.buffer, slot.byteOffset, slot.length), watermark, hasher);
  return file;
}

/** The newer valid slot of the file, or undefined if neither is (a slot may be torn while it is written). */
export function decodeWatermark(file: Buffer, hasher: PlaceHasher): Watermark | undefined {
  let newest: Watermark | undefined;
  for (let place = 0; place < 2; place++) {
    const at = place * SLOT_DISTANCE;
    if (file.length < at + WATERMARK_SLOT_BYTES) continue;
    const view = new DataView(file.buffer, file.byteOffset + at, WATERMARK_SLOT_BYTES);
    if (view.getUint32(0, true) !== WATERMARK_MAGIC || view.getUint16(4, true) !== WATERMARK_FORMAT) continue;
    if (!hasher.verify(file, at + CHECKSUM, 0, file.subarray(at, at + CHECKSUM))) continue;
    if (![8, 16, 24, 40].every((place) => isSafeInteger(view, place))) continue;
    const watermark: Watermark = {
      epoch: readSafeInteger(view, 8),
      turn: readSafeInteger(view, 16),
      sequence: readSafeInteger(view, 24),
      segment: view.getUint32(32, true),
      endOffset: readSafeInteger(view, 40),
      clean: (view.getUint16(6, true) & CLEAN) !== 0,
    };
    if (newest === undefined || watermark.turn > newest.turn) newest = watermark;
  }
  return newest;
}
