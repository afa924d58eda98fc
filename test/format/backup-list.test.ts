import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BackupList, decodeBackupList, encodeBackupList, namesIn } from '../../dist/shared/format/backup-list.js';
import { crc32 } from '../../dist/shared/format/checksum.js';
import { BACKUP } from '../golden/fixtures.js';
import { flipped } from '../support/bytes.js';
import { effort } from '../support/effort.js';

/** A list with anything in it, whose checksum holds. */
function encoded(list: unknown): Buffer {
  const text = JSON.stringify(list) ?? '';
  return Buffer.from(`${text}\n${crc32(text).toString(16).padStart(8, '0')}\n`);
}

const kindOf = (list: unknown): string => decodeBackupList(encoded(list)).kind;

/** The list with other content. */
function withContent(change: (content: any) => void): unknown {
  const list = structuredClone(BACKUP) as any;
  change(list.content);
  return list;
}

describe('the list of a backup', () => {
  test('is read as it was written, and before there is a backup', () => {
    const empty: BackupList = { ...BACKUP, number: 0, createdMs: 0, content: null };
    for (const list of [BACKUP, empty]) {
      expect(decodeBackupList(encodeBackupList(list))).toEqual({ kind: 'valid', list });
    }
  });

  test('names the files of the backup', () => {
    expect([...namesIn(BACKUP.content)]).toEqual([
      'segment-0000000002.sealed.1',
      'segment-0000000003.log.4',
      'keeperlog.heads.3',
      'keeperlog.11.base.2',
      'keeperlog.tree.4',
    ]);
    expect(namesIn(null).size).toBe(0);
  });

  test('is corrupt with any byte changed', () => {
    for (const { at, bytes } of flipped(encodeBackupList(BACKUP))) {
      expect(decodeBackupList(bytes).kind, `byte ${at}`).toBe('corrupt');
    }
  });

  test('is corrupt where it is cut off, empty or zero', () => {
    const bytes = encodeBackupList(BACKUP);
    for (let end = 0; end < bytes.length; end++) expect(decodeBackupList(bytes.subarray(0, end)).kind).toBe('corrupt');
    expect(decodeBackupList(Buffer.alloc(512)).kind).toBe('corrupt');
  });

  test('is unsupported in another format', () => {
    expect(decodeBackupList(encoded({ ...BACKUP, format: 2 }))).toEqual({ kind: 'unsupported', format: '2' });
    expect(kindOf({ ...BACKUP, format: 'x' })).toBe('unsupported');
  });

  test.each<[string, unknown]>([
    ['without content, though it counts a backup', { ...BACKUP, content: null }],
    ['with content, though it counts none', { ...BACKUP, number: 0 }],
    ['of another store than its manifest', { ...BACKUP, storeId: '00'.repeat(16) }],
    ['with a segment missing in the middle', withContent(({ segments }) => segments.splice(0, 1))],
    ['with a segment that does not follow', withContent(({ segments }) => segments[1].firstSequence++)],
    ['with segments in another order', withContent(({ segments }) => segments.reverse())],
    ['with more events than segments', withContent(({ manifest }) => manifest.durableUpTo++)],
    ['with a newest segment that is sealed', withContent(({ segments }) => (segments[1].sealed = true))],
    ['with a file of a backup that is still to come', withContent(({ tree }) => (tree.backup = 5))],
    ['with a tree ahead of the log', withContent(({ tree }) => (tree.size = 31))],
    ['with heads ahead of the log', withContent(({ heads }) => (heads.sequence = 31))],
    ['with a checksum that is none', withContent(({ heads }) => (heads.sha256 = 'x'))],
    ['with a length that is none', withContent(({ segments }) => (segments[0].bytes = -1))],
    ['with a number that leads elsewhere', withContent(({ segments }) => (segments[0].number = '../../1'))],
    ['that is no object', 7],
  ])('is corrupt %s', (_, list) => {
    expect(kindOf(list)).toBe('corrupt');
  });

  test('is never taken for one with nonsense in it, and never throws', () => {
    const paths = pathsIn(BACKUP);
    const nonsense = fc.oneof(
      fc.constantFrom(null, undefined, -1, 0, 0.5, 2 ** 53, '', 'x', [], {}, [null], true),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fc.constantFrom(...paths), nonsense, (path, value) => {
        const list = structuredClone(BACKUP) as any;
        const place = path.slice(0, -1).reduce((at, key) => at[key], list);
        place[path.at(-1)!] = value;
        const found = decodeBackupList(encoded(list));
        if (found.kind !== 'valid') return;
        for (const name of namesIn(found.list.content)) {
          expect(name).toMatch(/^(segment-\d{10}\.(log|sealed)|keeperlog\.(heads|tree|\d+\.base))\.\d+$/);
        }
      }),
      { numRuns: effort(500, 100_000) },
    );
  });
});

/** Every place in an object. */
function pathsIn(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
  const own = path.length === 0 ? [] : [[...path]];
  if (typeof value !== 'object' || value === null) return own;
  return [...own, ...Object.entries(value).flatMap(([key, member]) => pathsIn(member, [...path, key]))];
}
