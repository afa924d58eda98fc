/**
 * What single functions cost: the checksums between which the formats choose, the payload codecs, compression of whole
 * blocks, and the engine's own steps for one event.
 *
 *     node build/bench/functions.js [--time MS]
 */
import { createHash } from 'node:crypto';
import { channel } from 'node:diagnostics_channel';
import { parseArgs } from 'node:util';
import { crc32 } from 'node:zlib';
import { Decoder, Encoder } from '@msgpack/msgpack';
import { createBLAKE3, createSHA256, createXXHash3 } from 'hash-wasm';
import { compressFrameSync, decompressFrameSync } from 'lz4-napi';
import { Packr, Unpackr } from 'msgpackr/pack';
import { Bench } from 'tinybench';
import { EventEncoder } from '#dist/main/append/event-encoder.js';
import { storedEvent } from '#dist/main/read/stored-event.js';
import { RecordHeader } from '#dist/shared/decoding/record-header.js';
import { recordSeed } from '#dist/shared/format/checksum.js';
import { FLAG, memoryOf, recordLength, sealRecord, stampRecord, verifyRecord } from '#dist/shared/format/record.js';
import { RingConsumer } from '#dist/shared/ring/consumer.js';
import { allocateShared, attachShared } from '#dist/shared/ring/layout.js';
import { RingProducer } from '#dist/shared/ring/producer.js';
import { takeGroup } from '#dist/workers/writer/group.js';
import { type BenchEvent, small, webhooks } from './events.js';
import { head, tableHead, tableRow } from './report.js';

const REUSE_AND_RESET = 512 | 1024;
const BLOCK_BYTES = 64 * 1024;

const { values: args } = parseArgs({ options: { time: { type: 'string', default: '300' } } });
const options = { time: Number(args.time), warmupTime: Number(args.time) / 3 };
const benches: Bench[] = [];

const hashers = {
  'XXH3 hash-wasm': await createXXHash3(),
  'SHA-256 hash-wasm': await createSHA256(),
  'BLAKE3 hash-wasm': await createBLAKE3(),
};
for (const bytes of [256, 64 * 1024]) {
  const data = Buffer.alloc(bytes, 7);
  const checksums = beside(`CRC-32 node:zlib, ${bytes} B`, () => void crc32(data));
  for (const [name, hasher] of Object.entries(hashers)) {
    checksums.add(`${name}, ${bytes} B`, () => {
      hasher.init();
      hasher.update(data);
      hasher.digest('binary');
    });
  }
  checksums.add(`SHA-256 node:crypto, ${bytes} B`, () => void createHash('sha256').update(data).digest());
}

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
  const encoding = beside(`JSON.stringify, ${name}`, () => void JSON.stringify(next(values)));
  encoding.add(`msgpackr pack, ${name}`, () => void packr.pack(next(values), REUSE_AND_RESET));
  encoding.add(`@msgpack/msgpack encode, ${name}`, () => void encoder.encodeSharedRef(next(values)));
  const decoding = beside(`JSON.parse, ${name}`, () => void JSON.parse(next(texts)));
  decoding.add(`msgpackr unpack, ${name}`, () => void unpackr.unpack(next(packed)));
  decoding.add(`@msgpack/msgpack decode, ${name}`, () => void decoder.decode(next(packed)));
}

for (const [name, events] of [
  ['small events', small()],
  ['webhooks', webhooks()],
] as const) {
  const block = recordsOf(events, BLOCK_BYTES);
  const packed = compressFrameSync(block);
  const copy = Buffer.alloc(BLOCK_BYTES);
  const compression = beside(`copy 64 KiB of ${name}`, () => void copy.set(block));
  const share = `${((packed.length / block.length) * 100).toFixed(0)} %`;
  compression.add(`LZ4 compress, 64 KiB of ${name} (to ${share})`, () => void compressFrameSync(block));
  compression.add(`LZ4 decompress, 64 KiB of ${name}`, () => void decompressFrameSync(packed));
}

for (const [name, events] of [
  ['small event', small()],
  ['webhook', webhooks()],
] as const) {
  let turn = 0;
  const nextEvent = (): BenchEvent => events[turn++ % events.length]!;
  const stream = Buffer.from('agent-17');
  const encoder = new EventEncoder({ dataCodec: 'msgpack', maxEventBytes: 2 ** 20 });
  const memory = memoryOf(Buffer.alloc(2 ** 20));
  const write = (event: unknown): number =>
    encoder.write(event, 0, memory, 0, memory.bytes.length, stream, FLAG.first | FLAG.last);
  const seed = recordSeed(Buffer.alloc(16, 1));
  const records = events.map((event) => {
    const length = write(event);
    stampRecord(memory.view, 0, 1, 0, 0, 1);
    sealRecord(memory.bytes, memory.view, 0, seed);
    return memoryOf(Buffer.from(memory.bytes.subarray(0, length)));
  });
  const nextRecord = (): (typeof records)[number] => records[turn++ % records.length]!;
  const ring = ringOf(2 ** 22);
  const copy = Buffer.alloc(2 ** 20);
  const steps = beside(`copy a record, ${name}`, () => void copy.set(nextRecord().bytes));
  steps.add(`check and encode, ${name}`, () => void write(nextEvent()));
  steps.add(`through the ring, ${name}`, () => {
    const { bytes } = nextRecord();
    ring.producer.addCopy(bytes, 0, bytes.length, false);
    ring.producer.commit();
    ring.producer.publish();
    const group = takeGroup(ring.consumer, seed);
    ring.producer.reclaim(group!.end.position);
  });
  steps.add(`verify a record, ${name}`, () => {
    const { bytes, view } = nextRecord();
    if (!verifyRecord(bytes, view, 0, bytes.length, seed)) throw new Error('a record does not verify');
  });
  steps.add(`decode stream and type, ${name}`, () => {
    const header = new RecordHeader(nextRecord(), 0);
    void header.stream;
    void header.type;
  });
  steps.add(`make an event, ${name}`, () => void storedEvent(nextRecord(), 0, 'n'));
  steps.add(`make an event and decode its data, ${name}`, () => void storedEvent(nextRecord(), 0, 'n').data);
}
const bad = { type: 'ToolCalled', data: { a: { b: [1, 2, Symbol('no value')] } } };
const refusing = new EventEncoder({ dataCodec: 'msgpack', maxEventBytes: 2 ** 20 });
const scratch = memoryOf(Buffer.alloc(4096));
const others = beside('do nothing', () => {});
others.add('refuse a bad event', () => {
  try {
    refusing.write(bad, 0, scratch, 0, 4096, Buffer.from('s'), 0);
  } catch {
    return;
  }
  throw new Error('a bad event was not refused');
});
const silent = channel('keeperlog-bench:silent');
const heard = channel('keeperlog-bench:heard');
let messages = 0;
heard.subscribe(() => void messages++);
for (const [name, one] of [
  ['nobody', silent],
  ['one', heard],
] as const) {
  others.add(`tell a diagnostics channel that ${name} listens to`, () => {
    if (one.hasSubscribers) one.publish({ dir: 'data', streams: ['agent-17'], events: 1 });
  });
}

const lines = head(
  'Functions',
  'Microseconds of single calls; the clock itself takes some 0.03 of each. What comes first in a table is its floor: what the',
  'platform brings, or a copy of the same bytes. A ratio is that of the medians.',
);
for (const bench of benches) {
  await bench.run();
  lines.push(...tableHead(['function', 'median', 'fastest', 'p99', 'ratio']));
  const measured = bench.tasks.map(({ name, result }) => {
    if (result === undefined || !('latency' in result)) throw new Error(`${name} was not measured`);
    return { name, latency: result.latency };
  });
  const floor = measured[0]!.latency.p50;
  for (const { name, latency } of measured) {
    const us = [latency.p50, latency.min, latency.p99].map((ms) => (ms * 1000).toFixed(2));
    lines.push(tableRow([name, ...us, (latency.p50 / floor).toFixed(2)]));
  }
}
if (messages === 0) throw new Error('nothing was heard on the channel');
process.stdout.write(`${lines.join('\n')}\n`);

/** A bench of its own, whose other functions are held against this one. */
function beside(name: string, floor: () => void): Bench {
  const bench = new Bench(options).add(name, floor);
  benches.push(bench);
  return bench;
}

/** So many bytes of records of these events. */
function recordsOf(events: readonly BenchEvent[], bytes: number): Buffer {
  const encoder = new EventEncoder({ dataCodec: 'msgpack', maxEventBytes: 2 ** 20 });
  const memory = memoryOf(Buffer.alloc(bytes + 2 ** 20));
  for (let at = 0, i = 0; at < bytes; i++) {
    encoder.write(events[i % events.length]!, 0, memory, at, memory.bytes.length, Buffer.from('agent-17'), 0);
    stampRecord(memory.view, at, i + 1, i, 0, i);
    at += recordLength(memory.view, at);
  }
  return memory.bytes.subarray(0, bytes);
}

function ringOf(bytes: number): { producer: RingProducer; consumer: RingConsumer } {
  const state = attachShared(allocateShared(bytes));
  return { producer: new RingProducer(state, bytes - 2 ** 20, 0), consumer: new RingConsumer(state) };
}
