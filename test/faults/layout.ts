/** Where the frames of a segment file are, for tests that damage them. */
import fs from 'node:fs';
import path from 'node:path';
import { PlaceHasher } from '../../dist/shared/format/checksum.js';
import { FRAME_HEADER_BYTES, readFrameHeader } from '../../dist/shared/format/frame.js';
import { decodeManifest, type Manifest } from '../../dist/shared/format/manifest.js';
import { segmentPath } from './kit.js';

export interface FrameAt {
  readonly offset: number;
  readonly end: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export function manifestOf(dir: string): Manifest {
  const found = decodeManifest(fs.readFileSync(path.join(dir, 'keeperlog.manifest')));
  if (found.kind !== 'valid') throw new Error(`the manifest of ${dir} is ${found.kind}`);
  return found.manifest;
}

/** The frames of a segment, in order. */
export async function framesOf(dir: string, number: number): Promise<FrameAt[]> {
  const hasher = await PlaceHasher.create(Buffer.from(manifestOf(dir).storeId, 'hex'));
  const bytes = fs.readFileSync(segmentPath(dir, number));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const frames: FrameAt[] = [];
  for (let at = 128; ; ) {
    const frame = readFrameHeader(bytes, view, at, hasher, number);
    if (frame === undefined) return frames;
    const { firstSequence, count } = frame;
    const end = at + FRAME_HEADER_BYTES + frame.bodyBytes;
    frames.push({ offset: at, end, firstSequence, lastSequence: firstSequence + count - 1 });
    at = end;
  }
}

/** Turn over the bits of a byte. */
export function flip(file: string, offset: number): void {
  const bytes = fs.readFileSync(file);
  bytes[offset] = bytes[offset]! ^ 0xff;
  fs.writeFileSync(file, bytes);
}

/** Put bytes at an offset of a file. */
export function put(file: string, offset: number, bytes: Uint8Array): void {
  const handle = fs.openSync(file, 'r+');
  fs.writeSync(handle, bytes, 0, bytes.length, offset);
  fs.closeSync(handle);
}
