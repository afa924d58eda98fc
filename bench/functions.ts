/**
 * What single functions cost: the checksums between which the formats choose, and the payload codecs.
 *
 *     node build/bench/functions.js
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { Decoder, Encoder } from '@msgpack/msgpack';
import { createBLAKE3, createSHA256, createXXHash3 } from 'hash-wasm';
import { Packr, Unpackr } from 'msgpackr/pack';
import { Bench } from 'tinybench';
import { small, webhooks } from './events.js';

const REUSE_AND_RESET = 512 | 1024;

const hashers = {
  'XXH3 hash-wasm': await createXXHash3(),
  'SHA-256 hash-wasm': await createSHA256(),
  'BLAKE3 hash-wasm': await createBLAKE3(),
};
const checksums = new Bench({ time: 300, warmupTime: 100 });
for (const bytes of [256, 64 * 1024]) {
  const data = Buffer.alloc(bytes, 7);
  for (const [name, hasher] of Object.entries(hashers)) {
    checksums.add(`${name}, ${bytes} B`, () => {
      hasher.init();
      hasher.update(data);
      hasher.digest('binary');
    });
  }
  checksums.add(`CRC-32 node:zlib, ${bytes} B`, () => void crc32(data));
  checksums.add(`SHA-256 node:crypto, ${bytes} B`, () => void createHash('sha256').update(data).digest());
}

const codecs = new Bench({ time: 300, warmupTime: 100 });
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const encoder = new Encoder({ useBigInt64: true, ignoreUndefined: true });
const decoder = new Decoder({ useBigInt64: true });
for (const [name, events] of [
  ['small event', small()],
  ['webhook', webhooks()],
] as const) {
  let turn = 0;
  const next = <T>(list: readonly T[]): T => list[turn++ % list.length]!;
  const values = events.map(({ data }) => data);
  const packed = values.map((value) => Buffer.from(packr.pack(value)));
  const texts = values.map((value) => JSON.stringify(value));
  codecs.add(`msgpackr pack, ${name}`, () => void packr.pack(next(values), REUSE_AND_RESET));
  codecs.add(`@msgpack/msgpack encode, ${name}`, () => void encoder.encodeSharedRef(next(values)));
  codecs.add(`JSON.stringify, ${name}`, () => void JSON.stringify(next(values)));
  codecs.add(`msgpackr unpack, ${name}`, () => void unpackr.unpack(next(packed)));
  codecs.add(`@msgpack/msgpack decode, ${name}`, () => void decoder.decode(next(packed)));
  codecs.add(`JSON.parse, ${name}`, () => void JSON.parse(next(texts)));
}

process.stdout.write(`# Functions, Node ${process.version}\n`);
for (const bench of [checksums, codecs]) {
  await bench.run();
  process.stdout.write('\n| function | median, us |\n| --- | ---: |\n');
  for (const { name, result } of bench.tasks) {
    if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured`);
    process.stdout.write(`| ${name} | ${(result.latency.p50 * 1000).toFixed(2)} |\n`);
  }
}
