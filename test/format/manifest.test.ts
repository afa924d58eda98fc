import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { crc32 } from '../../dist/shared/format/checksum.js';
import { decodeManifest, encodeManifest, type Manifest, manifestFormat } from '../../dist/shared/format/manifest.js';
import { flipped } from '../support/bytes.js';

const MANIFEST: Manifest = {
  format: 1,
  storeId: '00'.repeat(16),
  nodeId: 'node',
  hashKey: '11'.repeat(32),
  createdMs: 1_700_000_000_000,
  epoch: 2,
  durableUpTo: 9,
  firstSegment: 1,
  lastSegment: 1,
  floor: 1,
  holes: [],
};

describe('the manifest', () => {
  test('is read as it was written', () => {
    const nat = fc.maxSafeNat();
    const manifest = fc.record({
      format: fc.constant(1),
      storeId: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 32, maxLength: 32 }),
      nodeId: fc.string({ unit: fc.constantFrom(...'aZ9-'), minLength: 1, maxLength: 64 }),
      hashKey: fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: 64, maxLength: 64 }),
      createdMs: nat,
      epoch: fc.nat(),
      durableUpTo: nat,
      firstSegment: fc.integer({ min: 1 }),
      lastSegment: fc.nat(),
      floor: nat,
      // Ascending, none touching another; the second one of no sequences.
      holes: fc
        .uniqueArray(fc.nat(1e9), { maxLength: 3 })
        .map((places) =>
          [...places]
            .sort((a, b) => a - b)
            .map((place, i): [number, number] => [4 * place + 1, 4 * place + (i === 1 ? 0 : 2)]),
        ),
    });
    fc.assert(
      fc.property(manifest, (manifest) => {
        expect(decodeManifest(encodeManifest(manifest))).toEqual({ kind: 'valid', manifest });
      }),
    );
  });

  test('is corrupt with any byte changed', () => {
    for (const { at, bytes } of flipped(encodeManifest(MANIFEST))) {
      expect(decodeManifest(bytes).kind, `byte ${at}`).toBe('corrupt');
    }
  });

  test('is corrupt where it is cut off, empty or zero', () => {
    const bytes = encodeManifest(MANIFEST);
    for (let end = 0; end < bytes.length; end++) expect(decodeManifest(bytes.subarray(0, end)).kind).toBe('corrupt');
    expect(decodeManifest(Buffer.alloc(512)).kind).toBe('corrupt');
  });

  test('has a base in format 2, of its own floor, and none in format 1', () => {
    const base = { file: 'keeperlog.50.base', checksum: '0123456789abcdef' };
    const whole = { ...MANIFEST, format: 2, floor: 50, firstSegment: 4, lastSegment: 6, base };
    expect(decodeManifest(encodeManifest(whole))).toEqual({ kind: 'valid', manifest: whole });
    const wrong = [
      { ...whole, format: 1 },
      { ...MANIFEST, format: 2 },
      { ...whole, floor: 51 },
      { ...whole, base: { ...base, file: '../keeperlog.50.base' } },
      { ...whole, base: { ...base, checksum: '0123456789ABCDEF' } },
      { ...whole, base: { file: base.file } },
      { ...whole, base: null },
    ];
    for (const manifest of wrong) {
      const why = 'its member base cannot be';
      expect(decodeManifest(encodeManifest(manifest as Manifest))).toEqual({ kind: 'corrupt', why });
    }
  });

  test('tells of tombstones in format 3, with a base and without, and in no other', () => {
    const base = { file: 'keeperlog.50.base', checksum: '0123456789abcdef' };
    const start = { floor: 50, firstSegment: 4, lastSegment: 6, base };
    const deleted = { ...MANIFEST, format: 3, tombstones: 7 };
    for (const manifest of [deleted, { ...deleted, ...start }]) {
      expect(decodeManifest(encodeManifest(manifest))).toEqual({ kind: 'valid', manifest });
      expect(manifestFormat(manifest)).toBe(3);
    }
    const why = 'its member tombstones cannot be';
    const wrong = [
      { ...deleted, format: 1 },
      { ...deleted, ...start, format: 2 },
      { ...MANIFEST, format: 3 },
      { ...deleted, tombstones: -1 },
      { ...deleted, tombstones: null },
    ];
    for (const manifest of wrong) {
      expect(decodeManifest(encodeManifest(manifest as unknown as Manifest))).toEqual({ kind: 'corrupt', why });
    }
  });

  test('of a later format is told apart', () => {
    expect(decodeManifest(encodeManifest({ ...MANIFEST, format: 4 }))).toEqual({ kind: 'unsupported', format: '4' });
  });

  test('is two lines of text that people can read', () => {
    const [json, checksum, rest] = encodeManifest(MANIFEST).toString().split('\n');
    expect(JSON.parse(json!)).toEqual(MANIFEST);
    expect(Number.parseInt(checksum!, 16)).toBe(crc32(json!));
    expect(rest).toBe('');
  });
});
