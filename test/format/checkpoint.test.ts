import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadsFile } from '../../dist/main/append/heads-file.js';
import type { Entries } from '../../dist/shared/entries.js';
import {
  addToFilter,
  CHECKPOINT_BLOCK_BYTES,
  checkpointBytes,
  compareHashes,
  decodeCheckpointHeader,
  ENTRIES_PER_BLOCK,
  ENTRY_BYTES,
  encodeCheckpointHeader,
  filterBytesFor,
  mayContain,
  sealBlock,
  verifyBlock,
  verifySections,
} from '../../dist/shared/format/checkpoint.js';
import { HEADS_FILE } from '../../dist/shared/format/file-names.js';
import { nodeStorage } from '../../dist/shared/storage.js';
import { commitCheckpoint, writeCheckpoint } from '../../dist/workers/background/checkpoint-writer.js';
import { Workspace } from '../../dist/workers/background/workspace.js';
import { flipped, hasher, otherHasher, STORE, viewOf } from '../support/bytes.js';
import { type Entry, randomHash, sharedEntries } from '../support/entries.js';
import { temporaryDir } from '../support/stores.js';

const SECTIONS = { sequence: 77, heads: 300, keys: 5, fences: Buffer.alloc(24, 3), filter: Buffer.alloc(375, 9) };
const HEADER = encodeCheckpointHeader(SECTIONS, STORE, hasher);

describe('the header of a checkpoint', () => {
  test('is read as it was written', () => {
    const nat = fc.maxSafeNat();
    const bytes = fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array));
    const heads = fc.nat({ max: 2000 });
    const sections = fc.record({ sequence: nat, heads, keys: nat, filter: bytes });
    fc.assert(
      fc.property(sections, (given) => {
        const sections = { ...given, fences: Buffer.alloc(8 * Math.ceil(given.heads / 127), 7) };
        const { fences, filter, ...counts } = sections;
        const block = encodeCheckpointHeader(sections, STORE, hasher);
        const lengths = { fenceBytes: fences.length, filterBytes: filter.length };
        expect(decodeCheckpointHeader(block, hasher)).toEqual({ ...counts, ...lengths });
        expect(verifySections(block, fences, filter, hasher)).toBe(true);
      }),
    );
  });

  test('is refused with any byte changed', () => {
    for (const { at, bytes } of flipped(HEADER.subarray(0, 88))) {
      const block = Buffer.concat([bytes, HEADER.subarray(88)]);
      expect(decodeCheckpointHeader(block, hasher), `byte ${at}`).toBeUndefined();
    }
  });

  test('is refused in another store, in zeros and where it is cut off', () => {
    expect(decodeCheckpointHeader(HEADER, otherHasher)).toBeUndefined();
    expect(decodeCheckpointHeader(Buffer.alloc(CHECKPOINT_BLOCK_BYTES), hasher)).toBeUndefined();
    expect(decodeCheckpointHeader(HEADER.subarray(0, 4000), hasher)).toBeUndefined();
  });

  test('does not let other sections pass', () => {
    for (const { bytes } of flipped(SECTIONS.fences)) {
      expect(verifySections(HEADER, bytes, SECTIONS.filter, hasher)).toBe(false);
    }
    for (const { bytes } of flipped(SECTIONS.filter)) {
      expect(verifySections(HEADER, SECTIONS.fences, bytes, hasher)).toBe(false);
    }
  });
});

describe('a block of a checkpoint', () => {
  function blockOf(count: number): Buffer {
    const block = Buffer.alloc(CHECKPOINT_BLOCK_BYTES, 0xaa);
    sealBlock(block, count, 7, 77, hasher);
    return block;
  }

  test('tells how many entries it holds, and is zero behind them', () => {
    for (const count of [0, 1, 64, ENTRIES_PER_BLOCK]) {
      const block = blockOf(count);
      expect(verifyBlock(block, 7, 77, hasher)).toBe(count);
      expect(block.subarray(count * ENTRY_BYTES, ENTRIES_PER_BLOCK * ENTRY_BYTES).every((byte) => byte === 0)).toBe(
        true,
      );
    }
  });

  test('does not verify with any byte changed', () => {
    for (const { at, bytes } of flipped(blockOf(3))) expect(verifyBlock(bytes, 7, 77, hasher), `byte ${at}`).toBe(-1);
  });

  test('does not verify in another place, in another store, in zeros', () => {
    expect(verifyBlock(blockOf(3), 8, 77, hasher)).toBe(-1);
    expect(verifyBlock(blockOf(3), 7, 77, otherHasher)).toBe(-1);
    expect(verifyBlock(Buffer.alloc(CHECKPOINT_BLOCK_BYTES), 7, 77, hasher)).toBe(-1);
  });

  test('does not verify in the place of the same block of another checkpoint', () => {
    expect(verifyBlock(blockOf(3), 7, 76, hasher)).toBe(-1);
  });
});

describe('the filter', () => {
  test('never denies what was added', () => {
    fc.assert(
      fc.property(fc.array(randomHash, { minLength: 1, maxLength: 200 }), (hashes) => {
        const filter = Buffer.alloc(filterBytesFor(hashes.length));
        for (const hash of hashes) addToFilter(filter, hash[0]!, hash[1]!);
        expect(hashes.every((hash) => mayContain(filter, hash))).toBe(true);
      }),
    );
  });

  test('denies everything where it is empty', () => {
    expect(mayContain(Buffer.alloc(0), Uint32Array.of(1, 2, 3, 4))).toBe(false);
  });
});

describe('a checkpoint’s file', async () => {
  // One for all: what an earlier checkpoint left in it must not be in a later one.
  const workspace = await Workspace.create(STORE);

  /** Beyond all that the entries speak of. */
  const LAST = Number.MAX_SAFE_INTEGER;

  async function write(dir: string, sequence: number, heads: Entries, keys: Entries, base = 0): Promise<HeadsFile> {
    fs.mkdirSync(dir, { recursive: true });
    writeCheckpoint(nodeStorage, dir, workspace, { storeId: STORE, sequence, base, heads, keys });
    commitCheckpoint(nodeStorage, dir);
    return HeadsFile.open(nodeStorage, dir, hasher)!;
  }

  test('finds every head that was put into it, newest word first, and no other', async () => {
    const head = fc.record({ hash: randomHash, a: fc.integer({ min: 1, max: 2 ** 50 }), b: fc.nat({ max: LAST - 1 }) });
    const heads = fc.uniqueArray(head, { maxLength: 600, selector: ({ hash }) => hash.join() });
    await fc.assert(
      fc.asyncProperty(heads, heads, heads, async (first, second, absent) => {
        const dir = temporaryDir();
        (await write(dir, LAST - 1, sharedEntries(first), sharedEntries([]))).close();
        const file = await write(dir, LAST, sharedEntries(second), sharedEntries([]), LAST - 1);
        const expected = new Map([...first, ...second].map((entry) => [entry.hash.join(), entry]));
        expect(file.header).toMatchObject({ sequence: LAST, heads: expected.size, keys: 0 });
        for (const { hash, a, b } of expected.values()) {
          expect(file.find(hash)).toEqual({ revision: a - 1, lastSequence: b });
        }
        for (const { hash } of absent) if (!expected.has(hash.join())) expect(file.find(hash)).toBeUndefined();
        file.close();
      }),
      { numRuns: 15 },
    );
  });

  test('is made of many checkpoints one after the other as at once, and takes over a filter while it has room', async () => {
    const hashOf = (i: number): Uint32Array =>
      new Uint32Array(createHash('sha256').update(String(i)).digest().buffer, 0, 4);
    const rows = (from: number, to: number, step: number, a: number): Entry[] =>
      Array.from({ length: Math.ceil((to - from) / step) }, (_, i) => ({ hash: hashOf(from + i * step), a, b: 1 }));
    const changes = [
      rows(0, 20_000, 1, 1),
      rows(19_000, 21_000, 1, 2),
      rows(5, 21_000, 97, 3),
      rows(20_990, 30_000, 1, 4),
    ];
    const [dir, onceDir] = [temporaryDir(), temporaryDir()];
    const filters: number[] = [];
    for (const [i, heads] of changes.entries()) {
      const file = await write(dir, i + 1, sharedEntries(heads, i), sharedEntries([]), i);
      filters.push(file.header.filterBytes);
      file.close();
    }
    // What is damaged is not taken over.
    const last = changes.length;
    const damaged = fs.readFileSync(path.join(dir, HEADS_FILE));
    damaged.fill(0, damaged.length - 4000);
    fs.writeFileSync(path.join(dir, HEADS_FILE), damaged);
    const file = await write(dir, last + 1, sharedEntries(rows(0, 9, 1, 5)), sharedEntries([]), last);
    filters.push(file.header.filterBytes);
    expect(filters).toEqual([25_000, 25_000, 25_000, 37_744, 37_744].map((bytes) => expect.closeTo(bytes, -3)));
    expect(new Set(filters).size).toBe(2);

    const expected = new Map([...changes, rows(0, 9, 1, 5)].flat().map((entry) => [entry.hash.join(), entry]));
    for (const { hash, a, b } of expected.values())
      expect(file.find(hash)).toEqual({ revision: a - 1, lastSequence: b });
    const once = await write(onceDir, last + 1, sharedEntries([...expected.values()]), sharedEntries([]));
    const parts = [dir, onceDir].map((from) => fs.readFileSync(path.join(from, HEADS_FILE)));
    const end = checkpointBytes(once.header) - once.header.filterBytes;
    expect(
      parts[0]!.subarray(CHECKPOINT_BLOCK_BYTES, end).equals(parts[1]!.subarray(CHECKPOINT_BLOCK_BYTES, end)),
    ).toBe(true);
    for (const one of [file, once]) one.close();
  });

  test('gives back the keys in their order', async () => {
    const key = fc.record({ hash: randomHash, a: fc.maxSafeNat(), b: fc.maxSafeNat() });
    await fc.assert(
      fc.asyncProperty(fc.array(key, { maxLength: 400 }), async (keys) => {
        const file = await write(temporaryDir(), LAST, sharedEntries([]), sharedEntries(keys));
        const found: unknown[] = [];
        file.forEachKey((hash, a, b) => void found.push({ hash, a, b }));
        expect(found).toEqual(keys);
        file.close();
      }),
      { numRuns: 15 },
    );
  });

  test('is not there where header or sections do not verify', async () => {
    const dir = temporaryDir();
    const heads = sharedEntries(
      Array.from({ length: 300 }, (_, i) => ({ hash: Uint32Array.of(i, i, i, i), a: 1, b: 1 })),
    );
    (await write(dir, 1, heads, sharedEntries([]))).close();
    const file = path.join(dir, HEADS_FILE);
    const bytes = fs.readFileSync(file);
    for (const at of [0, 30, 85, bytes.length - 1, bytes.length - 380]) {
      const changed = Buffer.from(bytes);
      changed[at] = changed[at]! ^ 4;
      fs.writeFileSync(file, changed);
      expect(HeadsFile.open(nodeStorage, dir, hasher), `byte ${at}`).toBeUndefined();
    }
  });

  test('is in order by its hashes, high word first', () => {
    const bytes = Buffer.alloc(32);
    const view = viewOf(bytes);
    view.setUint32(4, 1, true);
    expect(compareHashes(view, 0, view, 16)).toBeGreaterThan(0);
    view.setUint32(20, 1, true);
    expect(compareHashes(view, 0, view, 16)).toBe(0);
    view.setUint32(28, 1, true);
    expect(compareHashes(view, 0, view, 16)).toBeLessThan(0);
  });
});
