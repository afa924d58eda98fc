/**
 * Vectors of other implementations: the leaves and roots that certificate-transparency has had from its beginning and that
 * transparency-dev/merkle, trillian and many others repeat. With MERKLE_TESTDATA, the `testdata` of a checkout of
 * transparency-dev/merkle, also all of its probes.
 */
import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { EMPTY_ROOT, rootOfFrontier } from '../../dist/shared/format/tree-hash.js';
import { hashLeaf, hashNode, isConsistent, isIncluded, sha256 } from '../../dist/shared/portable/proof/hashing.js';
import { mth, path as pathOf, proof } from './reference.js';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'].map(
  hex,
);

/** Of the first n leaves, from n = 0. */
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
].map(hex);

const INCLUSION = [
  { index: 0, size: 1, hashes: [] },
  {
    index: 0,
    size: 8,
    hashes: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    index: 5,
    size: 8,
    hashes: [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  { index: 2, size: 3, hashes: ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125'] },
  {
    index: 1,
    size: 5,
    hashes: [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
].map((vector) => ({ ...vector, hashes: vector.hashes.map(hex) }));

const CONSISTENCY = [
  { older: 1, newer: 1, hashes: [] },
  {
    older: 1,
    newer: 8,
    hashes: [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  },
  {
    older: 6,
    newer: 8,
    hashes: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
  {
    older: 2,
    newer: 5,
    hashes: [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  },
  {
    older: 6,
    newer: 7,
    hashes: [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  },
].map((vector) => ({ ...vector, hashes: vector.hashes.map(hex) }));

const head = (size: number): { size: number; root: Buffer } => ({ size, root: ROOTS[size]! });

describe('hashes of leaves and nodes', () => {
  test('are those of the published vectors', async () => {
    const leaf = await hashLeaf(Buffer.from('L123456'));
    expect(Buffer.from(leaf)).toEqual(hex('395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56'));
    const node = await hashNode(Buffer.from('N123'), Buffer.from('N456'));
    expect(Buffer.from(node)).toEqual(hex('aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb'));
    expect(Buffer.from(await hashLeaf(hex('')))).toEqual(ROOTS[1]);
    expect(Buffer.from(await sha256(new Uint8Array()))).toEqual(ROOTS[0]);
  });
});

describe('roots', () => {
  test('by the definition are the published ones: the reference of these tests is right', () => {
    expect(ROOTS.map((_, n) => mth(LEAVES.slice(0, n)))).toEqual(ROOTS);
  });

  test('of frontiers are the published ones', () => {
    expect(EMPTY_ROOT).toEqual(ROOTS[0]);
    expect(rootOfFrontier([])).toEqual(ROOTS[0]);
    const cuts = [
      [0, 1],
      [0, 2],
      [0, 2, 3],
      [0, 4],
      [0, 4, 5],
      [0, 4, 6],
      [0, 4, 6, 7],
      [0, 8],
    ];
    for (const cut of cuts) {
      const frontier = cut.slice(1).map((end, i) => mth(LEAVES.slice(cut[i]!, end)));
      expect(rootOfFrontier(frontier)).toEqual(ROOTS[cut.at(-1)!]);
    }
  });
});

describe('published proofs', () => {
  test.each(INCLUSION)('of leaf $index in a tree of $size hold', async ({ index, size, hashes }) => {
    expect(await isIncluded(index, size, await hashLeaf(LEAVES[index]!), hashes, ROOTS[size]!)).toBe(true);
    expect(pathOf(index, LEAVES.slice(0, size))).toEqual(hashes);
  });

  test.each(CONSISTENCY)('from $older leaves to $newer hold', async ({ older, newer, hashes }) => {
    expect(await isConsistent(head(older), head(newer), hashes)).toBe(true);
    expect(proof(older, LEAVES.slice(0, newer))).toEqual(hashes);
  });
});

/** A proof with something wrong about it, or right, as transparency-dev/merkle writes them. */
interface Probe {
  readonly wantErr: boolean;
  readonly proof: readonly string[] | null;
  readonly [name: string]: unknown;
}

const TESTDATA = process.env.MERKLE_TESTDATA;
if (TESTDATA === undefined)
  console.warn('SKIPPED: probes of transparency-dev/merkle: MERKLE_TESTDATA names no directory');

function probesOf(kind: string): [string, Probe][] {
  const dir = path.join(TESTDATA!, kind);
  const files = fs.readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
  return files.map((file) => [file, JSON.parse(fs.readFileSync(path.join(dir, file), 'utf8'))]);
}

describe.runIf(TESTDATA !== undefined)('the probes of transparency-dev/merkle', () => {
  const bytes = (text: unknown): Buffer => Buffer.from(String(text ?? ''), 'base64');

  test('inclusion', async () => {
    const wrong: string[] = [];
    const probes = probesOf('inclusion');
    for (const [file, { wantErr, proof, leafIdx, treeSize, leafHash, root }] of probes) {
      const hashes = (proof ?? []).map(bytes);
      const holds = await isIncluded(Number(leafIdx), Number(treeSize), bytes(leafHash), hashes, bytes(root));
      if (holds === wantErr) wrong.push(file);
    }
    expect(wrong).toEqual([]);
    expect(probes.length).toBeGreaterThan(80);
  });

  test('consistency', async () => {
    const wrong: string[] = [];
    const probes = probesOf('consistency');
    for (const [file, { wantErr, proof, size1, size2, root1, root2 }] of probes) {
      const older = { size: Number(size1), root: bytes(root1) };
      const newer = { size: Number(size2), root: bytes(root2) };
      if ((await isConsistent(older, newer, (proof ?? []).map(bytes))) === wantErr) wrong.push(file);
    }
    expect(wrong).toEqual([]);
    expect(probes.length).toBeGreaterThan(90);
  });
});
