/** The base's file: what is put into it is found again, and nothing that was changed is taken for it. */
import { describe, expect, test } from 'vitest';
import { BaseFile } from '../../dist/main/append/base-file.js';
import { HeadsFile } from '../../dist/main/append/heads-file.js';
import { encodeResult, firstResultBlock, hashBody, RESULT_BYTES } from '../../dist/shared/format/base.js';
import type { NamedBase } from '../../dist/shared/format/manifest.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { memoryOf } from '../../dist/shared/format/record.js';
import { writeBase } from '../../dist/workers/background/base-writer.js';
import { Workspace } from '../../dist/workers/background/workspace.js';
import { EMPTY_DISK } from '../crash/image.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { flipped, hasher, STORE } from '../support/bytes.js';
import { sharedEntries } from '../support/entries.js';
import { recordOf } from '../support/records.js';

const DIR = '/store';
const names = await NameHasher.create(Buffer.alloc(32, 7));
const workspace = await Workspace.create(STORE);

const hashOf = (i: number): Uint32Array => Uint32Array.of((i * 2_654_435_761) >>> 0, i * 40_503, i, i + 1);
const head = (stream: number, revisions: number, last: number) => ({ hash: hashOf(stream), a: revisions, b: last });
const key = (sequence: number) => ({ hash: hashOf(sequence), a: sequence, b: 1_700_000_000_000 + sequence });

function eventAt(sequence: number, event: object = { type: 'T', data: sequence }): Buffer {
  return recordOf({
    stream: 's',
    event,
    sequence,
    revision: sequence + 100,
    timestampNs: 10n ** 18n + BigInt(sequence),
  });
}

/** Results of the events from one sequence to another, in two slices. */
function results(from: number, to: number): Buffer[] {
  const entries: Buffer[] = [];
  for (let sequence = from; sequence <= to; sequence++)
    entries.push(encodeResult(names, memoryOf(eventAt(sequence)), 0));
  const half = entries.length >> 1;
  return [Buffer.concat(entries.slice(0, half)), Buffer.concat(entries.slice(half))];
}

interface Content {
  readonly heads: ReturnType<typeof head>[];
  readonly keys: number[];
  readonly results: readonly Uint8Array[];
}

function write(disk: MemoryDisk<any>, sequence: number, content: Content, old?: NamedBase & { sequence: number }) {
  const { heads, keys } = content;
  return writeBase(disk, DIR, workspace, {
    storeId: STORE,
    sequence,
    before: old,
    heads: sharedEntries(heads),
    keys: sharedEntries(keys.map(key)),
    results: content.results,
  });
}

function emptyDisk(): MemoryDisk<any> {
  const disk = new MemoryDisk<any>(EMPTY_DISK);
  disk.makeDir(DIR);
  return disk;
}

function open(disk: MemoryDisk<any>, named: NamedBase): BaseFile {
  const base = BaseFile.open(disk, DIR, hasher, named);
  try {
    base.verify();
  } catch (error) {
    base.close();
    throw error;
  }
  return base;
}

describe('a base', () => {
  test('gives back heads, keys and results', () => {
    const disk = emptyDisk();
    const heads = Array.from({ length: 300 }, (_, i) => head(i, i + 1, 1000 - i));
    const named = write(disk, 1000, { heads, keys: [10, 900, 1000, 1001], results: results(1, 1000) });
    expect(named.file).toBe('keeperlog.1001.base');
    const base = open(disk, named);
    expect(base.header).toMatchObject({ sequence: 1000, heads: 300, keys: 3, results: 1000 });
    for (const sequence of [1, 2, 84, 85, 500, 999, 1000]) {
      const record = memoryOf(eventAt(sequence));
      expect(base.find(sequence)).toEqual({
        sequence,
        revision: sequence + 100,
        timestampNs: 10n ** 18n + BigInt(sequence),
        body: hashBody(names, record, 0),
      });
    }
    expect([base.find(0), base.find(1001)]).toEqual([undefined, undefined]);
    const table = HeadsFile.open(disk, DIR, hasher, named)!;
    for (const { hash, a, b } of heads) expect(table.find(hash)).toEqual({ revision: a - 1, lastSequence: b });
    const keys: number[] = [];
    table.forEachKey((_, sequence) => void keys.push(sequence));
    expect(keys).toEqual([10, 900, 1000]);
  });

  test('takes up the one before it, but for results that no key asks for any more', () => {
    const disk = emptyDisk();
    const first = write(disk, 100, { heads: [head(1, 5, 50), head(2, 7, 100)], keys: [20], results: results(1, 100) });
    const old = { ...first, sequence: 100 };
    const second = write(
      disk,
      200,
      { heads: [head(2, 8, 101), head(3, 1, 200)], keys: [], results: results(101, 200) },
      old,
    );
    const base = open(disk, second);
    expect(base.header).toMatchObject({ sequence: 200, heads: 3, keys: 0, results: 0 });
    const table = HeadsFile.open(disk, DIR, hasher, second)!;
    expect([1, 2, 3].map((stream) => table.find(hashOf(stream))?.revision)).toEqual([4, 7, 0]);
    // Calls have 65,535 events at most: what is before by more than that is of none that a key is of.
    const far = 70_000;
    const third = write(
      disk,
      far,
      { heads: [], keys: [66_000], results: results(400, 500) },
      { ...first, sequence: 100 },
    );
    expect(open(disk, third).find(464)).toBeUndefined();
    expect(open(disk, third).find(465)?.sequence).toBe(465);
  });

  test('of nothing at all is one', () => {
    const disk = emptyDisk();
    const base = open(disk, write(disk, 9, { heads: [], keys: [], results: [] }));
    expect(base.header).toMatchObject({ heads: 0, keys: 0, results: 0 });
    expect(base.find(5)).toBeUndefined();
  });

  test('is refused with any byte changed that says anything', () => {
    const disk = emptyDisk();
    const content = { heads: [head(1, 5, 50), head(2, 7, 100)], keys: [20], results: results(1, 90) };
    const named = write(disk, 100, content);
    const image = disk.image();
    const inode = image.names.get(`${DIR}/${named.file}`)!;
    const whole = image.contents.get(inode)!;
    const { header } = open(disk, named);
    const start = firstResultBlock(header) * 4096;
    const sections = 3 * 4096 + header.fenceBytes + header.filterBytes;
    let refused = 0;
    for (const { at, bytes } of flipped(whole)) {
      const changed = new MemoryDisk<any>({ ...image, contents: new Map([...image.contents, [inode, bytes]]) });
      // Behind the header, and between the filter and the results, there is nothing.
      const saysNothing = (at >= 104 && at < 4096) || (at >= sections && at < start);
      if (saysNothing) open(changed, named).close();
      else {
        expect(() => open(changed, named), `byte ${at}`).toThrow(/base/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(16_000);
    for (let length = 0; length < whole.length; length += 500) {
      const cut = new Map([...image.contents, [inode, whole.subarray(0, length)]]);
      expect(() => open(new MemoryDisk<any>({ ...image, contents: cut }), named)).toThrow(/base/);
    }
  }, 60_000);

  test('is not one of the same floor that has other streams, or fewer keys or results', () => {
    const content = { heads: [head(1, 5, 50)], keys: [7], results: results(1, 9) };
    for (const other of [{ heads: [head(2, 5, 50)] }, { keys: [] }, { results: results(1, 8) }]) {
      const disk = emptyDisk();
      const named = write(disk, 100, content);
      write(disk, 100, { ...content, ...other });
      expect(() => open(disk, named)).toThrow('this is not the base that the manifest names');
    }
  });
});

test('the hash of a body is of all that a repeated call must repeat, and of nothing else', () => {
  const hash = (event: object, more: object = {}): string =>
    hashBody(
      names,
      memoryOf(recordOf({ stream: 's', event: { type: 'T', data: 1, ...event }, sequence: 1, ...more })),
      0,
    ).join();
  const same = hash({});
  expect(hash({}, { revision: 5, timestampNs: 10n ** 18n })).toBe(same);
  expect(hash({ metadata: { agent: 'ada', custom: 1 } })).toBe(same);
  const others = [
    hash({ data: 2 }),
    hash({ type: 'U' }),
    hash({ tags: ['x'] }),
    hash({ causes: ['1700000000000000000_1_n'] }),
    hash({ schemaVersion: 2 }),
    hash({ idempotencyKey: 'k' }),
    hash({}, { stream: 'another' }),
    hash({}, { flags: 1 }),
  ];
  expect(new Set([same, ...others]).size).toBe(others.length + 1);
  expect(RESULT_BYTES).toBe(48);
});
