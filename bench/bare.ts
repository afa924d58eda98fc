/** What the machine gives where the engine reads and opens: the same bytes, without an engine. */
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { decodePayload, PAYLOAD, PayloadWriter } from '#dist/shared/format/payload.js';
import type { BenchEvent } from './events.js';
import { bareTimes, percentile } from './timing.js';

/** As the engine reads: so much at once. Unit: bytes. */
const PIECE_BYTES = 256 * 1024;
/** As a backup copies: so much at once. Unit: bytes. */
const COPY_BYTES = 1024 * 1024;

/**
 * The first bytes of a store's segments, read in order, and their CRC-32 taken.
 *
 * @param bytes how many of them are log; what is preallocated behind it is not read
 * @returns milliseconds
 */
export function bareScan(dir: string, bytes: number): number {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const began = performance.now();
  let left = bytes;
  for (const name of segmentsOf(dir)) {
    const file = fs.openSync(path.join(dir, name), 'r');
    try {
      for (let at = 0; left > 0; ) {
        const read = fs.readSync(file, piece, 0, Math.min(PIECE_BYTES, left), at);
        if (read === 0) break;
        crc32(piece.subarray(0, read));
        at += read;
        left -= read;
      }
    } finally {
      fs.closeSync(file);
    }
  }
  if (left > 0) throw new Error(`${dir} has ${left} bytes less than it should`);
  return performance.now() - began;
}

/** Copy files into a directory that is made for it, piece by piece, sync each, and the directory. Milliseconds. */
export function bareCopy(files: readonly string[], to: string): number {
  const piece = Buffer.allocUnsafe(COPY_BYTES);
  const began = performance.now();
  fs.mkdirSync(to);
  for (const [i, name] of files.entries()) {
    const from = fs.openSync(name, 'r');
    const into = fs.openSync(path.join(to, `${i}`), 'wx');
    try {
      for (let read = 1; read > 0; ) {
        read = fs.readSync(from, piece, 0, COPY_BYTES, null);
        fs.writeSync(into, piece, 0, read);
      }
      fs.fdatasyncSync(into);
    } finally {
      fs.closeSync(into);
      fs.closeSync(from);
    }
  }
  const dir = fs.openSync(to, 'r');
  fs.fsyncSync(dir);
  fs.closeSync(dir);
  return performance.now() - began;
}

/** So many single reads, one at a time, of so many bytes from all over a store's first segment. Microseconds of each. */
export function barePreads(dir: string, reads: number, bytes: number): number[] {
  const file = fs.openSync(path.join(dir, segmentsOf(dir)[0]!), 'r');
  try {
    const places = fs.fstatSync(file).size - bytes;
    const into = Buffer.allocUnsafe(bytes);
    const times: number[] = [];
    for (let i = 0; i < reads; i++) {
      const began = performance.now();
      fs.readSync(file, into, 0, bytes, (i * 7919 * bytes) % places);
      times.push((performance.now() - began) * 1000);
    }
    return times;
  } finally {
    fs.closeSync(file);
  }
}

/** What decodes so many events with the codec alone, of bytes that lie in memory. */
export function bareCodec(events: readonly BenchEvent[], count: number): () => void {
  const memory = Buffer.alloc(256 * 1024);
  const target = { bytes: memory, view: new DataView(memory.buffer, memory.byteOffset, memory.length) };
  const writer = new PayloadWriter('msgpack');
  const payloads = events.map(({ data }) =>
    Buffer.from(memory.subarray(0, writer.write(data, '', target, 0, memory.length))),
  );
  return () => {
    for (let i = 0; i < count; i++) decodePayload(PAYLOAD.msgpack, payloads[i % payloads.length]!);
  };
}

/** So many threads, started together, until each has said that it runs: an open store has a writer and a background thread. Milliseconds. */
export async function bareThreads(count = 2): Promise<number> {
  const began = performance.now();
  const threads = Array.from(
    { length: count },
    () => new Worker("require('node:worker_threads').parentPort.postMessage(0)", { eval: true }),
  );
  await Promise.all(threads.map((thread) => once(thread, 'message')));
  const took = performance.now() - began;
  await Promise.all(threads.map((thread) => thread.terminate()));
  return took;
}

/** The names of a store's segments, raw or sealed, oldest first; the last one may be made ready and empty. */
export function segmentsOf(dir: string): string[] {
  return fs
    .readdirSync(dir)
    .filter((name) => /^segment-\d+\.(log|sealed)$/.test(name))
    .sort();
}

/** The SHA-256 of so many inputs of so many bytes, one after the other. Milliseconds. */
export function bareHashing(count: number, bytes: number): number {
  const input = Buffer.alloc(bytes, 1);
  const began = performance.now();
  for (let i = 0; i < count; i++) createHash('sha256').update(input).digest();
  return performance.now() - began;
}

/** To sign a text of a checkpoint's length with Ed25519, and to verify it. Milliseconds, medians. */
export function bareSigning(): { readonly sign: number; readonly verify: number } {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const text = Buffer.alloc(128, 'a');
  const signature = sign(null, text, privateKey);
  const timesOf = (run: () => unknown): number => percentile(bareTimes(200, run), 0.5);
  return {
    sign: timesOf(() => sign(null, text, privateKey)),
    verify: timesOf(() => verify(null, text, publicKey, signature)),
  };
}

/** So many files of so many bytes, each written, synced, and put in the place of its name; then their directory is synced. Milliseconds. */
export function bareReplace(dir: string, count: number, bytes: number): number {
  const base = path.join(dir, 'bare');
  const content = Buffer.alloc(bytes, 1);
  const began = performance.now();
  fs.mkdirSync(base);
  for (let i = 0; i < count; i++) {
    const file = path.join(base, `${i}`);
    fs.writeFileSync(`${file}.tmp`, content, { flush: true });
    fs.renameSync(`${file}.tmp`, file);
  }
  const handle = fs.openSync(base, 'r');
  fs.fsyncSync(handle);
  fs.closeSync(handle);
  const took = performance.now() - began;
  fs.rmSync(base, { recursive: true });
  return took;
}

/** A file read from its beginning to its end, and its CRC-32 taken. Milliseconds. */
export function bareRead(file: string): number {
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  const handle = fs.openSync(file, 'r');
  const began = performance.now();
  for (let read = 1; read > 0; ) {
    read = fs.readSync(handle, piece, 0, PIECE_BYTES, null);
    crc32(piece.subarray(0, read));
  }
  const took = performance.now() - began;
  fs.closeSync(handle);
  return took;
}
