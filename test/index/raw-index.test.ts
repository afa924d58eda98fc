/** The index that is made in memory says of its records what a plain look at them says, wherever they come from. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RawIndex } from '../../dist/main/read/raw-index.js';
import type { Run } from '../../dist/main/read/run.js';
import { Terms } from '../../dist/main/read/terms.js';
import { INDEXED } from '../../dist/shared/format/index-file.js';
import { memoryOf } from '../../dist/shared/format/record.js';
import type { PostedField } from '../../dist/shared/portable/query/narrow.js';
import { SEED } from '../support/effort.js';
import { recordOf } from '../support/records.js';
import { anyLabel, made } from './arbitraries.js';
import { checkLists } from './check-lists.js';
import { FIRST, type Made, NODE, timestampOf } from './kit.js';

/** Records one after the other in memory, at an offset of the file, or in the cache. */
function runOf(records: readonly Made[], fileOffset: number): Run {
  const bytes = records.map(({ place, stream, event }) =>
    recordOf({ stream, event, place: 3, sequence: FIRST + place, timestampNs: timestampOf(place) }),
  );
  const starts: number[] = [];
  let end = 0;
  for (const { length } of bytes) {
    starts.push(end);
    end += length;
  }
  const firstSequence = FIRST + records[0]!.place;
  return {
    memory: memoryOf(Buffer.concat(bytes)),
    firstSequence,
    lastSequence: firstSequence + records.length - 1,
    at: (sequence) => starts[sequence - firstSequence]!,
    fileOffset,
  };
}

/** The records in ranges that follow each other without a gap. */
function stretches(records: readonly Made[]): Made[][] {
  const all: Made[][] = [];
  for (const record of records) {
    const last = all.at(-1);
    if (last?.at(-1)?.place === record.place - 1) last.push(record);
    else all.push([record]);
  }
  return all;
}

const nowhereElse = { nodeId: NODE, loadCached: () => undefined, async place() {} };

/** With a gap after every so many; what is appended has none. */
function placed(records: readonly Made[], every: number): Made[] {
  let place = -1;
  return records.map((record, i) => {
    place += i % every === 0 && i > 0 ? 3 : 1;
    return { ...record, place };
  });
}

type From = 'the file' | 'the cache' | 'the cache, and then the file';

describe('an index that is made in memory', () => {
  it.each<From>(['the file', 'the cache', 'the cache, and then the file'])('of records from %s', async (from) => {
    const asked = fc.record({
      field: fc.constantFrom<PostedField>(...INDEXED),
      other: anyLabel,
      low: fc.nat(300),
      high: fc.nat(300),
      cut: fc.nat(30),
    });
    const given = [made, fc.array(asked, { minLength: 5, maxLength: 15 }), fc.integer({ min: 1, max: 50 })] as const;
    const check = fc.asyncProperty(...given, async ({ records: some }, all, step) => {
      const records = placed(some, from === 'the cache' ? Number.POSITIVE_INFINITY : 40);
      const index = new RawIndex({ firstSequence: FIRST }, nowhereElse);
      const starts: number[] = [];
      let offset = 512;
      for (const stretch of stretches(records)) {
        index.skipTo(FIRST + stretch[0]!.place);
        const inFile = runOf(stretch, offset);
        const runs = from === 'the file' ? [] : [runOf(stretch, -1)];
        if (from !== 'the cache') runs.push(inFile);
        for (const run of runs) {
          for (let last = run.firstSequence; last < run.lastSequence + step; last += step) index.add(run, last);
        }
        for (const { place } of stretch) starts.push(offset + inFile.at(FIRST + place));
        offset += inFile.memory.bytes.length + 64;
      }
      for (const one of all) await checkLists(index, records, records.at(-1)!.place + 1, one);
      const found = await index.recordsAt(Uint32Array.from(records, ({ place }) => place));
      expect(found && [...found.starts]).toEqual(from === 'the cache' ? undefined : starts);
      expect(index.openBytes).toBe(from === 'the cache' ? offset - 512 - 64 : 0);
    });
    await fc.assert(check, { seed: SEED, numRuns: 100 });
  });
});

describe('terms', () => {
  const post = (terms: Terms, value: string | Buffer, place: number): number => {
    const bytes = Buffer.from(value as string);
    return terms.post(bytes, 0, bytes.length, place);
  };

  const placesOf = (terms: Terms, value: string): number[] | undefined => {
    const term = terms.find(value);
    return term === undefined ? undefined : [...terms.placesOf(term, 0, 2 ** 32 - 1)];
  };
  const valuesOf = (terms: Terms, prefix = ''): string[] =>
    Array.from(terms.withPrefix(prefix), (term) => terms.valueOf(term));

  it('are told apart however many there are, and their memory is counted', () => {
    const terms = new Terms();
    let bytes = 0;
    for (let place = 0; place < 30_000; place++) bytes += post(terms, `value-${place % 10_000}`, place);
    for (let i = 0; i < 10_000; i += 7) expect(placesOf(terms, `value-${i}`)).toEqual([i, i + 10_000, i + 20_000]);
    expect(valuesOf(terms)).toHaveLength(10_000);
    expect(valuesOf(terms, 'value-999')).toEqual(expect.arrayContaining(['value-999', 'value-9990', 'value-9999']));
    expect(valuesOf(terms, 'value-999')).toHaveLength(11);
    // Text, what is kept of a value, and three places each; half as much again is room.
    expect(bytes).toBeGreaterThan(10_000 * (10 + 24 + 4 + 3 * 8));
    expect(bytes).toBeLessThan(1.7 * 10_000 * (10 + 24 + 8 + 3 * 8));
  });

  it('tell the part of their places that is in a range', () => {
    const terms = new Terms();
    const all = [3, 4, 9, 12, 40];
    for (const place of all) {
      post(terms, 'one', place);
      post(terms, 'another', place + 1);
    }
    const one = terms.find('one')!;
    expect([terms.countOf(one), terms.firstOf(one), terms.lastOf(one)]).toEqual([5, 3, 40]);
    for (let low = -1; low < 43; low++) {
      for (let high = -1; high < 43; high++) {
        expect([...terms.placesOf(one, low, high)]).toEqual(all.filter((place) => place >= low && place <= high));
      }
    }
  });

  it('that a record has twice are posted once', () => {
    const terms = new Terms();
    for (const place of [3, 3, 4, 4]) post(terms, 'a', place);
    expect(placesOf(terms, 'a')).toEqual([3, 4]);
  });

  it('are the strings that their bytes become, also where these are no UTF-8', () => {
    const terms = new Terms();
    for (const [place, bytes] of [
      [0x61, 0xff],
      [0x61, 0xc0],
      [0x61, 0xef, 0xbf, 0xbd],
    ].entries()) {
      post(terms, Buffer.from(bytes), place);
    }
    expect(valuesOf(terms)).toEqual(['a\ufffd']);
    expect(placesOf(terms, 'a\ufffd')).toEqual([0, 1, 2]);
  });

  it('do not have strings that are no text', () => {
    const terms = new Terms();
    post(terms, '\ufffd', 0);
    expect(terms.find('\ud800')).toBeUndefined();
    expect(terms.find('\ufffd')).toBeDefined();
  });
});
