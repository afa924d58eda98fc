/** Proofs of trees of all sizes, verified as a stranger would, and everything near them refused. */
import fc from 'fast-check';
import { type ConsistencyProof, formatProof, type InclusionProof, parseProof, verifyProof } from 'keeperlog/proof';
import { describe, expect, test } from 'vitest';
import { consistencyPath, inclusionPath, rootOfRange } from '../../dist/shared/audit/paths.js';
import { fromBase64, toBase64 } from '../../dist/shared/portable/proof/base64.js';
import { hashLeaf, isConsistent, isIncluded } from '../../dist/shared/portable/proof/hashing.js';
import { effort, SEED, TIMEOUT_MS } from '../support/effort.js';
import { failure } from '../support/errors.js';
import { digests, ORIGIN, openProver, openTree, treeOf } from './kit.js';
import { leafHash, mth, path, proof, sha256 } from './reference.js';

/** Two full tiles' worth would only repeat what lies between 0 and 70: every shape of a tree is there. */
const SIZES = 70;
/** Beyond 9 leaves, the sizes for which everything near a proof is tried as well. */
const SEAMS = effort(
  [21, 32, 33, 64],
  Array.from({ length: SIZES }, (_, i) => i),
);
const DATA = digests(600);
const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
const hashesOf = (proof: { hashes: readonly string[] }): Buffer[] =>
  proof.hashes.map((text) => Buffer.from(text, 'base64'));

/** Copies of a list of hashes: each without one, with one more, and with one bit of one changed. */
function* near(hashes: readonly Uint8Array[]): Generator<Uint8Array[]> {
  for (const [i, hash] of hashes.entries()) {
    yield hashes.toSpliced(i, 1);
    yield hashes.toSpliced(i, 0, hash);
    yield hashes.with(
      i,
      hash.map((byte, at) => (at === i % 32 ? byte ^ 1 : byte)),
    );
    yield hashes.with(i, hash.subarray(1));
  }
  yield [...hashes, new Uint8Array(32)];
  yield [new Uint8Array(32), ...hashes];
}

describe('paths', () => {
  /** The root over a perfect subtree of the first leaves. */
  const perfect = (height: number, index: number): Buffer =>
    mth(DATA.slice(index * 2 ** height, (index + 1) * 2 ** height));

  test(
    'are those of the definition',
    () => {
      for (const size of range(SIZES)) {
        const data = DATA.slice(0, size);
        for (const index of range(size)) {
          const hashes = inclusionPath(index, size).map((range) => rootOfRange(range, perfect));
          expect(hashes, `leaf ${index} of ${size}`).toEqual(path(index, data));
        }
        for (const older of range(size + 1)) {
          const hashes = consistencyPath(older, size).map((range) => rootOfRange(range, perfect));
          expect(hashes, `${older} of ${size}`).toEqual(proof(older, data));
        }
      }
    },
    TIMEOUT_MS,
  );

  test('are short however large the tree is', () => {
    const size = Number.MAX_SAFE_INTEGER;
    expect(inclusionPath(size - 1, size).length).toBeLessThanOrEqual(53);
    expect(inclusionPath(2 ** 40, size)).toHaveLength(53);
    expect(consistencyPath(2 ** 40 + 1, size).length).toBeLessThanOrEqual(54);
  });
});

describe('every proof of a small tree', () => {
  test(
    'of inclusion holds, and with any hash, leaf, index, size or root but its own does not',
    async () => {
      for (const size of range(SIZES)) {
        const data = DATA.slice(0, size);
        const root = mth(data);
        for (const index of range(size)) {
          const hashes = path(index, data);
          const leaf = leafHash(data[index]!);
          const where = `leaf ${index} of ${size}`;
          expect(await isIncluded(index, size, leaf, hashes, root), where).toBe(true);
          expect(await isIncluded(index, size, leafHash(Buffer.from('another')), hashes, root), where).toBe(false);
          expect(await isIncluded(index, size, leaf, hashes, mth([...data, data[0]!])), where).toBe(false);
          if (size > 9 && !SEAMS.includes(size)) continue;
          for (const other of range(size + 2)) {
            if (other !== index) expect(await isIncluded(other, size, leaf, hashes, root), where).toBe(false);
          }
          for (const changed of near(hashes))
            expect(await isIncluded(index, size, leaf, changed, root), where).toBe(false);
        }
      }
    },
    TIMEOUT_MS,
  );

  test(
    'of consistency holds, and with any hash or root but its own does not',
    async () => {
      const roots = range(SIZES).map((size) => mth(DATA.slice(0, size)));
      const head = (size: number): { size: number; root: Buffer } => ({ size, root: roots[size]! });
      for (const size of range(SIZES)) {
        for (const older of range(size + 1)) {
          const hashes = proof(older, DATA.slice(0, size));
          const where = `${older} of ${size}`;
          expect(await isConsistent(head(older), head(size), hashes), where).toBe(true);
          if (older > 0 && older < size) {
            const another = { size: older, root: mth([...DATA.slice(1, older), DATA[599]!]) };
            expect(await isConsistent(another, head(size), hashes), where).toBe(false);
            expect(await isConsistent(head(older), { size, root: roots[older]! }, hashes), where).toBe(false);
            expect(await isConsistent(head(size), head(older), hashes), where).toBe(false);
          }
          if (size > 9 && !SEAMS.includes(size)) continue;
          for (const changed of near(hashes))
            expect(await isConsistent(head(older), head(size), changed), where).toBe(false);
        }
      }
    },
    TIMEOUT_MS,
  );

  test('of inclusion belongs to one size alone, as far as the size changes the path', async () => {
    for (const size of [1, 2, 3, 5, 8, 13, 21]) {
      const data = DATA.slice(0, size);
      for (const index of range(size)) {
        const sizes = [];
        for (const other of range(40)) {
          if (await isIncluded(index, other, leafHash(data[index]!), path(index, data), mth(data))) sizes.push(other);
        }
        // The path of a leaf has the same form in several trees: what binds it to one of them is the signed size with its root.
        expect(sizes).toContain(size);
        for (const other of sizes) expect(inclusionPath(index, other)).toHaveLength(path(index, data).length);
      }
    }
  });
});

/** Trees of more than one tile, at their seams, with a signed checkpoint. */
const LARGE = [1, 2, 255, 256, 257, 511, 512, 513, 600];

describe('the proofs that a store gives', () => {
  test.each(LARGE)('in a tree of %i leaves are those of the definition and verify', async (size) => {
    const data = DATA.slice(0, size);
    const { disk } = treeOf(data);
    const prover = openProver(disk);
    const { publicKey, root, text } = prover.checkpoint;
    expect(root).toBe(toBase64(mth(data)));
    const sequences = [1, 2, 255, 256, 257, 258, 512, 513, size - 1, size].filter((at) => at >= 1 && at <= size);
    for (const sequence of sequences) {
      const given = prover.prove(sequence);
      expect(hashesOf(given)).toEqual(path(sequence - 1, data));
      const digest = data[sequence - 1]!;
      const verified = await verifyProof(given, { keys: publicKey, digest });
      const checkpoint = { origin: ORIGIN, size, root, keys: [publicKey] };
      expect(verified).toEqual({ sequence, checkpoint });
      const record = Buffer.from(`record ${sequence}`);
      expect(await verifyProof(given, { keys: [publicKey], record })).toEqual(verified);
      expect(await verifyProof(formatProof(given), { keys: publicKey, digest: digest.toString('hex') })).toEqual(
        verified,
      );
      expect(await verifyProof(JSON.parse(JSON.stringify(given)), { keys: publicKey, digest })).toEqual(verified);
      expect(parseProof(formatProof(given))).toEqual(given);
    }
    for (const older of [0, ...sequences]) {
      expect(hashesOf(prover.proveConsistency(older))).toEqual(proof(older, data));
    }
    expect(text.startsWith(`${ORIGIN}\n${size}\n${root}\n\n— ${ORIGIN} `)).toBe(true);
  });

  test('connect any two checkpoints', async () => {
    const { disk, tree } = treeOf([]);
    const kept = [tree.newest!];
    for (const end of [1, 3, 255, 256, 300, 512, 600]) {
      tree.append(tree.size + 1, Buffer.concat(DATA.slice(tree.size, end)));
      kept.push(tree.checkpoint());
      const prover = openProver(disk);
      for (const { size, text, publicKey } of kept) {
        const given = prover.proveConsistency(size);
        const verified = await verifyProof(given, { keys: publicKey, checkpoint: text });
        expect([verified.older.size, verified.newer.size]).toEqual([size, end]);
      }
    }
  });

  test('are not for what the checkpoint does not cover', () => {
    const prover = openProver(treeOf(DATA.slice(0, 5)).disk);
    for (const sequence of [0, 6, -1, 1.5]) expect(() => prover.prove(sequence)).toThrow(RangeError);
    for (const size of [-1, 6, 0.5]) expect(() => prover.proveConsistency(size)).toThrow(RangeError);
  });
});

describe('verifyProof refuses', () => {
  const { disk } = treeOf(DATA.slice(0, 300));
  const prover = openProver(disk);
  const { publicKey: keys, text } = prover.checkpoint;
  const digest = DATA[259]!;
  const given = prover.prove(260);
  const stranger = openProver(treeOf(DATA.slice(0, 300)).disk);

  const reason = async (given: unknown, known: object = { keys, digest }): Promise<string> =>
    (await failure('ERR_UNVERIFIED', () => verifyProof(given as InclusionProof, known as { keys: string }))).reason;

  test('another record, another sequence, a sequence behind the checkpoint', async () => {
    expect(await reason(given, { keys, digest: DATA[258]! })).toBe('root');
    expect(await reason(given, { keys, record: Buffer.from('record 259') })).toBe('root');
    expect(await reason({ ...given, sequence: 259 })).toBe('root');
    expect(await reason({ ...given, sequence: 301 })).toBe('range');
    expect(await reason({ ...given, sequence: Number.MAX_SAFE_INTEGER })).toBe('range');
  });

  test('every changed hash, one too many, one too few, and their order', async () => {
    for (const changed of near(hashesOf(given).map((hash) => new Uint8Array(hash)))) {
      if (changed.some(({ length }) => length !== 32)) continue;
      expect(await reason({ ...given, hashes: changed.map(toBase64) })).toBe('root');
    }
    expect(await reason({ ...given, hashes: given.hashes.toReversed() })).toBe('root');
  });

  test('every changed character of the checkpoint', async () => {
    const known = { keys, digest };
    for (let at = 0; at < text.length; at++) {
      const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1);
      await failure('ERR_UNVERIFIED', () => verifyProof({ ...given, checkpoint: changed }, known));
    }
  });

  test('the checkpoint of a key that is not trusted, though it is the same tree', async () => {
    expect(stranger.checkpoint.root).toBe(prover.checkpoint.root);
    expect(await reason({ ...given, checkpoint: stranger.checkpoint.text })).toBe('key');
    expect(await reason(given, { keys: stranger.checkpoint.publicKey, digest })).toBe('key');
  });

  test('what is no proof', async () => {
    const bad = [
      undefined,
      null,
      7,
      '',
      'c2sp.org/tlog-proof@v1\n',
      [],
      {},
      { ...given, kind: 'other' },
      { ...given, sequence: 0 },
      { ...given, sequence: '260' },
      { ...given, sequence: Number.NaN },
      { ...given, hashes: undefined },
      { ...given, hashes: 'x' },
      { ...given, hashes: [7] },
      { ...given, hashes: [given.hashes[0]!.slice(0, -1)] },
      { ...given, hashes: Array(64).fill(given.hashes[0]) },
      { ...given, checkpoint: undefined },
      { ...given, checkpoint: {} },
      { ...given, checkpoint: '' },
      { ...given, kind: 'consistency' },
      { ...given, kind: 'consistency', size: -1 },
    ];
    for (const value of bad) expect(await reason(value)).toBe('form');
  });

  test('texts of proofs that are not as they would be written', async () => {
    const whole = formatProof(given);
    const bad = [
      whole.replace('@v1', '@v2'),
      whole.replace('index 259', 'index 0259'),
      whole.replace('index 259', 'index -1'),
      whole.replace('index 259\n', ''),
      whole.replace('\n\n', '\n'),
      whole.replace('=\n', '\n'),
      `\n${whole}`,
      `${whole}\n`,
    ];
    for (const text of bad) expect(await reason(text)).toBe('form');
    const extra = whole.replace('index', 'extra YQ==\nindex');
    expect(await verifyProof(extra, { keys, digest })).toMatchObject({ sequence: 260 });
  });

  test('a caller who does not say what is to be verified', async () => {
    const call = async (known: unknown): Promise<string> =>
      (await failure('ERR_INVALID_OPTIONS', () => verifyProof(given, known as { keys: string }))).path;
    expect(await call(undefined)).toBe('known');
    expect(await call({ digest })).toBe('keys');
    expect(await call({ keys })).toBe('digest');
    expect(await call({ keys, digest, record: digest })).toBe('digest');
    expect(await call({ keys, digest: digest.subarray(1) })).toBe('digest');
    expect(await call({ keys, digest: 'abc' })).toBe('digest');
    expect(await call({ keys, record: 'record 260' })).toBe('record');
    expect(await call({ keys, digest, checkpoint: text })).toBe('checkpoint');
  });

  test('a checkpoint that does not continue the one that was kept', async () => {
    const older = treeOf(DATA.slice(0, 100)).tree.newest!;
    const other = treeOf([...DATA.slice(1, 100), DATA[0]!]).tree.newest!;
    const trusted = [keys, older.publicKey, other.publicKey];
    const given = prover.proveConsistency(100);
    const known = (checkpoint: unknown): object => ({ keys: trusted, checkpoint });
    expect(await verifyProof(given, { keys: trusted, checkpoint: older.text })).toMatchObject({ older: { size: 100 } });
    expect(await reason(given, known(other.text))).toBe('root');
    expect(await reason(prover.proveConsistency(99), known(older.text))).toBe('range');
    expect(await reason({ ...given, checkpoint: older.text }, known(text))).toBe('range');
    expect(await reason(given, { keys: older.publicKey, checkpoint: older.text })).toBe('key');
    expect(await reason({ ...given, hashes: given.hashes.slice(1) }, known(older.text))).toBe('root');
    expect(await reason(given, known('no checkpoint'))).toBe('form');
    const call = failure('ERR_INVALID_OPTIONS', () =>
      verifyProof(given, known(7) as { keys: string; checkpoint: string }),
    );
    expect((await call).path).toBe('checkpoint');
  });

  test('a checkpoint of another log, though its key is trusted as well', async () => {
    const elsewhere = openTree(treeOf([]).disk);
    elsewhere.append(1, Buffer.concat(DATA.slice(0, 100)));
    const { text: foreign, publicKey } = elsewhere.checkpoint();
    const renamed = foreign.replaceAll(ORIGIN, `${ORIGIN}x`);
    const known = { keys: [keys, publicKey], checkpoint: renamed };
    expect(await reason(prover.proveConsistency(100), known)).toBe('key');
  });
});

describe('anything at all', () => {
  const numRuns = effort(500, 50_000);
  const { disk } = treeOf(DATA.slice(0, 20));
  const { publicKey } = openProver(disk).checkpoint;
  const good = openProver(disk).prove(7);
  const part = fc.oneof(fc.anything(), fc.string(), fc.constantFrom(...Object.values(good), publicKey, DATA[6]));
  const proofLike = fc.oneof(
    fc.constant(good),
    fc.anything(),
    fc.string(),
    fc.record(
      {
        kind: fc.constantFrom('inclusion', 'consistency'),
        sequence: part,
        size: part,
        hashes: fc.oneof(fc.array(part), part),
        checkpoint: part,
      },
      { requiredKeys: [] },
    ),
  );
  const knownLike = fc.oneof(
    fc.anything(),
    fc.record(
      { keys: fc.oneof(part, fc.array(part)), digest: part, record: part, checkpoint: part },
      { requiredKeys: [] },
    ),
    fc.constant({ keys: publicKey, digest: DATA[6] }),
    fc.constant({ keys: publicKey, checkpoint: good.checkpoint }),
  );

  test(
    'is verified, or refused by code',
    async () => {
      const codes = new Set<string>();
      await fc.assert(
        fc.asyncProperty(proofLike, knownLike, async (given, known) => {
          try {
            await verifyProof(given as ConsistencyProof, known as { keys: string; checkpoint: string });
          } catch (error) {
            const { code } = error as { code: string };
            if (code !== 'ERR_UNVERIFIED' && code !== 'ERR_INVALID_OPTIONS') throw error;
            codes.add(code);
          }
        }),
        { seed: SEED, numRuns },
      );
      expect([...codes].sort()).toEqual(['ERR_INVALID_OPTIONS', 'ERR_UNVERIFIED']);
    },
    TIMEOUT_MS,
  );

  test('is base 64 of one form alone', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), fc.string({ maxLength: 90 }), (bytes, text) => {
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
        const decoded = fromBase64(text);
        if (decoded !== undefined) expect(toBase64(decoded)).toBe(text);
      }),
      { seed: SEED, numRuns },
    );
  });

  test('is hashed alike by both implementations', async () => {
    expect(Buffer.from(await hashLeaf(DATA[0]!))).toEqual(leafHash(sha256(Buffer.from('record 1'))));
  });
});
