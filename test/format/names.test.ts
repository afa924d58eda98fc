import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { segmentFile, segmentNumber, tornFile } from '../../dist/shared/format/file-names.js';
import { NameHasher } from '../../dist/shared/format/name-hash.js';
import { formatEventId, parseEventId } from '../../dist/shared/portable/event-id.js';

describe('a segment’s file name', () => {
  test('tells its number, and sorts by it', () => {
    const number = fc.integer({ min: 1, max: 2 ** 32 - 1 });
    fc.assert(
      fc.property(number, number, (a, b) => {
        expect(segmentNumber(segmentFile(a))).toBe(a);
        expect(segmentFile(a) < segmentFile(b)).toBe(a < b);
      }),
    );
  });

  test.each([
    'segment-1.log',
    'segment-0000000001.log.tmp',
    'xsegment-0000000001.log',
    'keeperlog.manifest',
    '',
    tornFile(1, 3),
  ])('%s is none', (file) => expect(segmentNumber(file)).toBeUndefined());
});

describe('an event id', () => {
  const timestamp = fc.bigInt({ min: 10n ** 18n, max: 10n ** 19n - 1n });
  const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  const node = fc.string({ unit: fc.constantFrom(...'AZaz09-'), minLength: 1, maxLength: 64 });

  test('is parsed into what it was made of', () => {
    fc.assert(
      fc.property(timestamp, sequence, node, (timestampNs, sequence, nodeId) => {
        const id = formatEventId(timestampNs, sequence, nodeId);
        expect(parseEventId(id)).toEqual({ timestampNs, sequence, nodeId });
      }),
    );
  });

  test('compares as a string in the order of time', () => {
    fc.assert(
      fc.property(timestamp, timestamp, sequence, sequence, (a, b, m, n) => {
        fc.pre(a !== b);
        expect(formatEventId(a, m, 'n') < formatEventId(b, n, 'n')).toBe(a < b);
      }),
    );
  });

  test.each([
    '',
    '1',
    '1700000000000000000_0_n',
    '1700000000000000000_01_n',
    '1700000000000000000_1_',
    '1700000000000000000_1',
    '170000000000000000_1_n',
    '17000000000000000000_1_n',
    '1700000000000000000_1_a b',
    '1700000000000000000_1_n\n',
    ' 1700000000000000000_1_n',
    '1700000000000000000_9007199254740992_n',
    `1700000000000000000_1_${'n'.repeat(65)}`,
    '-700000000000000000_1_n',
  ])('is not %j', (text) => expect(parseEventId(text)).toBeUndefined());
});

describe('the hash of a name', () => {
  test('depends on the name and on the store’s key', async () => {
    const one = await NameHasher.create(Buffer.alloc(32, 1));
    const two = await NameHasher.create(Buffer.alloc(32, 2));
    expect(one.hash('a')).toEqual(one.hash('a'));
    expect(one.hash('a')).not.toEqual(one.hash('b'));
    expect(one.hash('a')).not.toEqual(two.hash('a'));
    expect(one.hash('')).toHaveLength(4);
  });

  test('takes no more of the address space where a few stores are opened in turn, again and again', async () => {
    const hashes = await Promise.all(
      [1, 2, 3].map(async (n) => (await NameHasher.create(Buffer.alloc(32, n))).hash('a')),
    );
    for (let i = 0; i < 30_000; i++) {
      const hasher = await NameHasher.create(Buffer.alloc(32, 1 + (i % 3)));
      expect(hasher.hash('a')).toEqual(hashes[i % 3]);
    }
  });
});
