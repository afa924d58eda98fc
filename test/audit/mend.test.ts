/** Tiles that do not verify, in trees of three levels, made anew of what is left. */
import { describe, expect, test } from 'vitest';
import {
  damagedEdge,
  damagedTiles,
  fullTiles,
  isOfFrontier,
  sequencesOf,
  tilesOf,
} from '../../dist/shared/audit/check.js';
import { type DigestsOf, Mender } from '../../dist/shared/audit/mend.js';
import { readTreeFile } from '../../dist/shared/audit/stored-tree.js';
import { TileFiles } from '../../dist/shared/audit/tile-files.js';
import { TILE_WIDTH } from '../../dist/shared/format/tile.js';
import { rootOver } from '../../dist/shared/format/tree-hash.js';
import { MemoryDisk } from '../crash/memory-disk.js';
import { contentOf, DIR, digests, filesOf, STORE_ID, treeOf, withContent } from './kit.js';

/** A full tile on the level above the lowest, and some more of each. */
const SIZE = 2 ** 16 + 3 * TILE_WIDTH + 5;
const DATA = digests(SIZE);
const WHOLE = treeOf(DATA).disk;

const all: DigestsOf = (first, last) => DATA.slice(first - 1, last);
/** Those of some sequences are not there any more. */
const without =
  (from: number, to: number): DigestsOf =>
  (first, last) =>
    all(first, last).map((digest, i) => (first + i >= from && first + i <= to ? undefined : digest));
const none: DigestsOf = without(1, SIZE);

function flipped(disk: MemoryDisk, file: string, at: number): MemoryDisk {
  const bytes = Buffer.from(contentOf(disk, file));
  bytes[at] = bytes[at]! ^ 1;
  return withContent(disk, file, bytes);
}

/** Mend what can be; returns the files that cannot. */
function mend(disk: MemoryDisk, digestsOf: DigestsOf): string[] {
  const tree = readTreeFile(disk, DIR, STORE_ID)!;
  const files = new TileFiles(disk, DIR);
  const left = new Set<string>();
  for (;;) {
    const edge = damagedEdge(files, tree);
    const found = edge.length > 0 ? edge : damagedTiles(files, tree, 0, fullTiles(tree.body.size));
    const damaged = found.filter(({ file }) => !left.has(file));
    if (damaged.length === 0) return [...left].map((file) => file.slice(DIR.length + 1));
    for (const { place, file } of damaged) {
      const { firstSequence, lastSequence } = sequencesOf(place);
      const isSigned = (hashes: Buffer): boolean =>
        place.width < TILE_WIDTH
          ? isOfFrontier(tree, place, hashes)
          : rootOver(hashes, 0, TILE_WIDTH).equals(
              tilesOf(files, tree).rootOf({ first: firstSequence - 1, end: lastSequence }),
            );
      const hashes = new Mender(disk, files, digestsOf).mended(place, isSigned);
      if (hashes === undefined) left.add(file);
      else files.replace({ ...place, hashes });
    }
  }
}

function expectWhole(disk: MemoryDisk): void {
  const files = filesOf(WHOLE).filter((file) => file.startsWith('tile/'));
  for (const file of files) expect(contentOf(disk, file).equals(contentOf(WHOLE, file)), file).toBe(true);
}

const FIFTH = 'tile/0/005';
const ABOVE = 'tile/1/000';
const WIDER_ABOVE = 'tile/1/000.p/9';
const EDGE = 'tile/0/259.p/5';

describe('a tree that is whole', () => {
  test.each([0, 1, 3, 255, 256, 257, 2049, 2303, 2304, 2305, 4097, 65_535, 65_536, 65_537])(
    'of %i leaves has no damage',
    (size) => {
      const { disk } = treeOf(DATA.slice(0, size));
      const tree = readTreeFile(disk, DIR, STORE_ID)!;
      const files = new TileFiles(disk, DIR);
      expect(damagedEdge(files, tree)).toEqual([]);
      expect(damagedTiles(files, tree, 0, fullTiles(size))).toEqual([]);
    },
  );
});

describe('mending', () => {
  test.each([
    ['a tile, of records', [[FIFTH, 7]], all],
    ['a tile above others, of those', [[ABOVE, 7]], none],
    [
      'the edge on every level',
      [
        [EDGE, 7],
        ['tile/1/001.p/3', 7],
        ['tile/2/000.p/1', 7],
      ],
      all,
    ],
    [
      'a tile and the hash that the one above has of it',
      [
        [FIFTH, 7],
        [ABOVE, 5 * 32],
      ],
      all,
    ],
    [
      'a tile and another hash of the one above',
      [
        [FIFTH, 7],
        [ABOVE, 9 * 32],
      ],
      all,
    ],
    ['a tile whose damage is beside what was removed', [[FIFTH, 7 * 32]], without(5 * TILE_WIDTH + 20, SIZE)],
  ] as const)('makes %s', (_, damage, digestsOf) => {
    let disk: MemoryDisk = new MemoryDisk(WHOLE.image());
    for (const [file, at] of damage) disk = flipped(disk, file, at);
    expect(mend(disk, digestsOf)).toEqual([]);
    expectWhole(disk);
  });

  test('makes all of them where none is left', () => {
    const { names, contents } = WHOLE.image();
    const kept = [...names].filter(([name, inode]) => !contents.has(inode) || !name.startsWith(`${DIR}/tile/`));
    const disk = new MemoryDisk({ names: new Map(kept), contents });
    expect(mend(disk, all)).toEqual([]);
    expectWhole(disk);
  });

  test('leaves what nothing leads to the root any more, and makes the others', () => {
    let disk: MemoryDisk = new MemoryDisk(WHOLE.image());
    for (const file of [FIFTH, 'tile/0/006', ABOVE]) disk = flipped(disk, file, 32 * 30 + 1);
    const before = contentOf(disk, FIFTH);
    expect(mend(disk, without(5 * TILE_WIDTH + 31, 5 * TILE_WIDTH + 31))).toEqual([FIFTH]);
    expect(contentOf(disk, FIFTH)).toEqual(before);
    expect(contentOf(disk, 'tile/0/006')).toEqual(contentOf(WHOLE, 'tile/0/006'));
  });

  test('makes an edge that is narrower than the one above it', () => {
    const { disk: whole } = treeOf(DATA.slice(0, 9 * TILE_WIDTH + 2));
    const lowest = 'tile/0/009.p/2';
    const disk = [lowest, WIDER_ABOVE].reduce((disk, file) => flipped(disk, file, 7), new MemoryDisk(whole.image()));
    expect(mend(disk, all)).toEqual([]);
    for (const file of [lowest, WIDER_ABOVE]) expect(contentOf(disk, file)).toEqual(contentOf(whole, file));
  });

  test('takes nothing for the record that is not what was signed', () => {
    const disk = flipped(new MemoryDisk(WHOLE.image()), FIFTH, 0);
    const other: DigestsOf = (first, last) => all(first, last).map((_, i) => DATA[i]!);
    expect(mend(disk, other)).toEqual([FIFTH]);
  });
});
