/** The floor's writer: drain, one write, one sync, tell. */
import fs from 'node:fs';
import { workerData } from 'node:worker_threads';
import { FLOOR_RING_BYTES, FLOOR_WORD, type FloorData } from './floor.js';

const data = workerData as FloorData;
const words = new Int32Array(data.words);
const ring = Buffer.from(data.ring);

const file = fs.openSync(data.file, 'w+');
data.port.postMessage(0);

let tail = 0;
let offset = 0;
for (;;) {
  const signal = Atomics.load(words, FLOOR_WORD.signal);
  const bytes = ((Atomics.load(words, FLOOR_WORD.head) - Math.floor(tail / 8)) | 0) * 8;
  if (bytes === 0) {
    if (Atomics.load(words, FLOOR_WORD.stop) === 1) break;
    Atomics.wait(words, FLOOR_WORD.signal, signal, 100);
    continue;
  }
  const at = tail % FLOOR_RING_BYTES;
  const first = Math.min(bytes, FLOOR_RING_BYTES - at);
  const parts = [ring.subarray(at, at + first)];
  if (first < bytes) parts.push(ring.subarray(0, bytes - first));
  fs.writevSync(file, parts, offset);
  fs.fdatasyncSync(file);
  offset += bytes;
  tail += bytes;
  Atomics.store(words, FLOOR_WORD.durable, (tail / 8) | 0);
  Atomics.add(words, FLOOR_WORD.settled, 1);
  Atomics.notify(words, FLOOR_WORD.settled);
  if (Atomics.exchange(words, FLOOR_WORD.notified, 1) === 0) data.port.postMessage(0);
}
fs.closeSync(file);
data.port.close();
